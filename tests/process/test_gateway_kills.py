"""P1 to P3, R1: the gateway is killed at any instant, under load, and nothing is missed for it."""

import statistics

from process.chain import WINDOW, Chain, traces
from process.counts import SEED, bound, sized, spread

RESTART_S = 5.0  # Alone on a machine it is under one; two other tests may run beside this one.


def kill_often(chain, kills, chance):
    """Kill the gateway: one time in four while it starts, else while it works."""
    for _ in range(kills):
        if chance.random() < 0.25:
            chance_s = chance.uniform(0, 0.7)
        else:
            chain.wait_connected()
            chance_s = chance.uniform(0, 0.5)
        chain.pause(chance_s)
        chain.kill_gateway()


def account(chain, verdict, kills):
    median_s = statistics.median(chain.restarts_s)
    print(f"seed {SEED}: {kills} kills, {sum(chain.sent.values())} acknowledged: {verdict}")
    print(f"restart: median {median_s:.2f} s, at most {max(chain.restarts_s):.2f} s")
    print(f"lost {bound(kills)}")
    assert verdict.records >= 20 * kills, "that was no load"
    return median_s


@spread("kills", small=4, large=200, instances=4)
def test_kills_of_the_gateway_lose_nothing_and_repeat_nothing(tmp_path, chance, kills):
    with Chain(tmp_path) as chain:
        with chain.load():
            kill_often(chain, kills, chance)
        verdict = chain.settle()
        log = chain.gateway.log()
    median_s = account(chain, verdict, kills)
    assert verdict.is_perfect, verdict
    assert chain.tap.stale == []
    assert median_s < RESTART_S
    assert traces(log) == []


@sized(kills=(3, 40))
def test_without_identities_only_what_the_broker_sends_again_is_twice(tmp_path, chance, kills):
    """Where the promise ends: QoS 1 says nothing by which a copy could be told."""
    with Chain(tmp_path, with_identity=False) as chain:
        with chain.load():
            kill_often(chain, kills, chance)
        verdict = chain.settle()
    account(chain, verdict, kills)
    assert verdict.is_whole, verdict
    # After a kill each publisher's numbers go back once at most, by no more than was in flight.
    assert verdict.returns <= kills * len(chain.sent)
    assert verdict.deepest <= WINDOW
    assert verdict.copies <= kills * WINDOW
