"""A hub that claims to know what cannot exist is waited for, not run after."""

from rig import Rig
from scripted_hub import ScriptedHub
from tidegate.delivery.fork import RETRY_RENEWAL
from tidegate.limits import SEQ_MAX
from tidegate.wire.ledger import NEW_STREAM
from tidegate.wire.receipt import Cursor

EPOCHS = 12


class Boaster:
    """Cursors of a hub that claims to have a stream far beyond its end, whatever it is called."""

    def get(self, name, other=NEW_STREAM):
        return Cursor(SEQ_MAX, 0x12345678)


def boasted():
    """Return a rig with records whose hub, honest until now, claims to have any stream."""
    rig = Rig()
    rig.hub = ScriptedHub()
    rig.ready()
    rig.admit(20)
    rig.start()
    honest, rig.hub.cursors = rig.hub.cursors, Boaster()
    return rig, honest


def renew(rig):
    """Go on until there is one more epoch; return how long that took."""
    epoch, began_ms = rig.lane.epoch, rig.now_ms
    rig.pump()
    for _ in range(100):
        if rig.lane.epoch != epoch:
            return rig.now_ms - began_ms
        if not rig.link.requests:
            rig.wait()
        status, fields = rig.hub_says()
        rig.answer(status, fields)
    raise AssertionError("no new epoch")


def test_new_epochs_for_a_hub_that_claims_any_stream_come_ever_more_slowly():
    rig, _ = boasted()
    waits_ms = [renew(rig) for _ in range(EPOCHS)]
    assert waits_ms[:2] == [0, 0], "it may be a copy, and a copy of the copy"
    assert all(wait_ms >= RETRY_RENEWAL.delay_ms_min for wait_ms in waits_ms[2:])
    assert max(waits_ms) <= RETRY_RENEWAL.delay_ms_max
    assert sum(waits_ms) > RETRY_RENEWAL.delay_ms_max
    assert rig.events().count("stream_forked") == EPOCHS


def test_once_the_hub_is_honest_all_is_delivered_and_the_next_fork_is_left_at_once():
    rig, honest = boasted()
    for _ in range(EPOCHS):
        renew(rig)
    rig.hub.cursors = honest
    rig.deliver()
    assert rig.lane.held_records == 0
    assert len(rig.hub.payloads) == 20
    rig.admit(20)
    rig.hub.cursors = Boaster()
    rig.pump()
    if not rig.link.requests:
        rig.wait()
    began_ms = rig.now_ms
    renew(rig)
    assert rig.now_ms == began_ms
