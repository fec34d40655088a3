"""P1, R13: the broker is killed, with its sessions or without, while the gateway commits.

What the broker had and lost with itself is beyond the promise.  What it had a PUBACK for from us is
with the hub; no acknowledgement meant for the old session reaches the new one; and everything goes
on by itself.
"""

import pytest

from fixtures.tracer import Tracer
from process.chain import Chain, traces
from process.counts import SEED, bound, sized


def expect_promise(chain, verdict):
    missing = chain.missing()
    print(
        f"seed {SEED}: {len(chain.tap.acknowledged)} acknowledgements to the broker,"
        f" {len(missing)} messages missing; lost by the broker itself: {verdict.lost}; {verdict}"
    )
    assert missing == set()
    assert chain.tap.stale == []
    # What the broker lost leaves holes in a publisher's numbers, so they only have to rise.
    assert verdict.copies == verdict.returns == verdict.foreign == verdict.holes == 0
    assert traces(chain.gateway.log()) == []


@sized(kills=(2, 25))
@pytest.mark.parametrize(("persistence", "per_s"), [("none", 300), ("strongest", 50)])
def test_a_killed_broker_costs_nothing_that_was_acknowledged_to_it(
    tmp_path, chance, persistence, per_s, kills
):
    """Slowly with the strongest persistence: Mosquitto then writes all it has at each change.

    With more to do it comes to our PUBACKs seconds late, and so sends more messages again than a
    gateway keeps identities of (`admission.RECENT_MAX`): then there are copies.
    """
    with Chain(tmp_path, persistence=persistence) as chain:
        with chain.load(per_s=per_s):
            for _ in range(kills):
                chain.pause(chance.uniform(0.1, 1))
                chain.broker.restart(killed=True)
        verdict = chain.settle_promised()
        expect_promise(chain, verdict)
        print(f"acknowledged and lost in a kill of the broker {bound(kills)}")
        expect_it_goes_on(chain)


@sized(kills=(2, 15))
def test_no_late_acknowledgement_reaches_a_new_session(tmp_path, chance, kills):
    """The broker numbers its messages from 1 again while commits from before are under way.

    Every sync takes two seconds here, so that the new session begins in the midst of one.
    """
    with Chain(tmp_path) as chain:
        delay = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=2000000"]
        with Tracer(tmp_path / "trace", chain.gateway.pid, delay), chain.load():
            for _ in range(kills):
                chain.pause(chance.uniform(0.5, 2.5))
                known = chain.broker_line.connections
                chain.broker.restart(killed=True)
                chain.wait_reconnected(known)
        verdict = chain.settle_promised()
        expect_promise(chain, verdict)


def test_a_broker_that_stops_cleanly_and_keeps_its_database_loses_nothing(tmp_path):
    with Chain(tmp_path, persistence="exit") as chain:
        with chain.load():
            for _ in range(2):
                chain.pause(0.5)
                chain.broker.restart()
        verdict = chain.settle()
    assert verdict.is_perfect, verdict


def expect_it_goes_on(chain):
    """New messages come through, without anybody's help."""
    chain.gateway.wait(lambda status: status["sources"][0]["state"] == "connected")
    with chain.load(publishers=1):
        chain.pause(0.3)
    name, count = list(chain.sent.items())[-1]
    chain.wait_for(lambda: count_of(chain, name) == count)
    assert count_of(chain, name) == count > 0


def count_of(chain, name):
    return chain.hub.query(f"SELECT count(*) FROM records WHERE topic = 'site/{name}'")[0][0]
