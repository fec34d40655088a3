"""A hub that claims to know what cannot exist is waited for, not run after."""

from rig import Rig
from scripted_hub import ScriptedHub
from tidegate.delivery.line import DOWN
from tidegate.limits import SEQ_MAX
from tidegate.wire.ledger import NEW_STREAM, Cursor


class Boaster:
    """Cursors of a hub that claims to have a stream far beyond its end, whatever it is called."""

    def get(self, name, other=NEW_STREAM):
        return Cursor(SEQ_MAX, 0x12345678)


def test_an_epoch_that_began_just_now_is_no_copy_of_anything():
    rig = Rig()
    rig.hub = ScriptedHub()
    rig.ready()
    rig.admit(20)
    first_epoch = rig.lane.epoch
    rig.start()
    honest, rig.hub.cursors = rig.hub.cursors, Boaster()
    rig.pump()
    rig.serve()
    # It may be that a copy has sent all that; so one new epoch, and then no more of it.
    second_epoch = rig.lane.epoch
    assert second_epoch != first_epoch
    assert rig.line.state == DOWN
    for _ in range(5):
        before_ms = rig.now_ms
        rig.wait()
        assert rig.now_ms > before_ms
        rig.serve()
    assert rig.lane.epoch == second_epoch
    assert rig.events().count("stream_forked") == 1
    rig.hub.cursors = honest
    rig.deliver()
    assert rig.lane.held_records == 0
    assert len(rig.hub.payloads) == 20
