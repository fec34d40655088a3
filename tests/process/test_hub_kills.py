"""P2, P3: the hub is killed at any instant, on both databases, and then everything at random."""

import random

from process.chain import Chain, Meanwhile, traces
from process.counts import SEED, bound, sized, spread

UPLINK = {"retry_max_s": 1, "batch_age_ms": 20, "batch_records": 200}  # Many small batches.


def account(kills, chain, verdict):
    print(f"seed {SEED}: {kills} kills, {sum(chain.sent.values())} acknowledged: {verdict}")
    print(f"lost, twice, or out of order {bound(kills)}")
    assert verdict.records >= 20 * kills, "that was no load"


@spread("kills", small=3, large=50, instances=2)
def test_kills_of_the_hub_lose_nothing_and_repeat_nothing(tmp_path, chance, database, kills):
    with Chain(tmp_path, database, uplink=UPLINK) as chain:
        with chain.load():
            for _ in range(kills):
                chain.pause(chance.uniform(0, 1))
                chain.kill_hub()
        verdict = chain.settle()
        assert traces(chain.hub.log()) == []
        assert traces(chain.gateway.log()) == []
    account(kills, chain, verdict)
    assert verdict.is_perfect, verdict


@sized(kills=(4, 80))
def test_kills_of_both_and_cuts_of_both_lines_at_random(tmp_path, chance, kills):
    with Chain(tmp_path, uplink=UPLINK) as chain:
        with chain.load(), Meanwhile(cutter(chain, random.Random(chance.random()))):
            for _ in range(kills // 2):
                chain.pause(chance.uniform(0, 1))
                chain.kill_both(chance.sample(["gateway", "hub"], 2))
            for _ in range(100):  # Few kills are over before chance has cut often enough.
                if chain.broker_line.cuts + chain.hub_line.cuts < kills // 2:
                    chain.pause(0.1)
        verdict = chain.settle()
        assert traces(chain.hub.log()) == []
        assert traces(chain.gateway.log()) == []
    cuts = chain.broker_line.cuts + chain.hub_line.cuts
    account(kills, chain, verdict)
    print(f"besides, {cuts} connections were cut")
    assert verdict.is_perfect, verdict
    assert chain.tap.stale == []
    assert cuts >= kills // 2


def cutter(chain, chance):
    """Return a function that cuts one of the lines, now and then for a while."""

    def cut(ending):
        ending.wait(chance.uniform(0, 0.4))
        line = chance.choice([chain.broker_line, chain.hub_line])
        line.is_open = chance.random() < 0.8
        line.cut(with_reset=chance.random() < 0.5)
        if not line.is_open:
            ending.wait(chance.uniform(0, 0.5))
        line.is_open = True

    return cut
