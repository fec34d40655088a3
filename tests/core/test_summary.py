"""What a log says of a lane as a whole comes back, and what was not packed here is refused."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.store.account import Account, Hole
from tidegate.store.frame import scan
from tidegate.store.summary import (
    SUMMARY,
    SYNCED,
    read_summary,
    read_synced,
    summary_frame,
    synced_frame,
)

FIGURES = (20, 0xDEADBEEF, 9, 4, 0xCAFE, 5, 3, 11, 4096)


def account():
    made = Account("main", "5f3759df5f3759df")
    made.base = 1 << 40
    made.take_figures(FIGURES)
    made.holes = [
        Hole(0, 7, 1, "overflow", False, False),
        Hole(10, 12, 2, "quarantined: é", True, True),
    ]
    made.dropped = {"overflow": 1, "": 2}
    return made


def body_of(data, kind, seed):
    found = list(scan(data, seed))
    assert [item.kind for item in found] == [kind]
    return found[0].body


def test_a_summary_comes_back():
    before = account()
    after = read_summary(body_of(summary_frame(before, 9), SUMMARY, 9))
    assert (after.lane, after.epoch, after.base) == (before.lane, before.epoch, before.base)
    assert after.figures() == FIGURES
    assert after.holes == before.holes
    assert after.dropped == before.dropped


def test_figures_come_back():
    assert read_synced(body_of(synced_frame(account(), 3), SYNCED, 3)) == FIGURES


def test_a_body_that_is_cut_off_or_too_long_is_refused():
    for read, data in (
        (read_summary, body_of(summary_frame(account(), 0), SUMMARY, 0)),
        (read_synced, body_of(synced_frame(account(), 0), SYNCED, 0)),
    ):
        for end in range(len(data)):
            with raises(ProtocolError):
                read(data[:end])
        with raises(ProtocolError):
            read(data + b"\0")


def test_figures_that_contradict_each_other_are_refused():
    wrong = account()
    for field in ("through", "forgotten"):
        setattr(wrong, field, 21)
        with raises(ProtocolError):
            read_synced(body_of(synced_frame(wrong, 0), SYNCED, 0))
        with raises(ProtocolError):
            read_summary(body_of(summary_frame(wrong, 0), SUMMARY, 0))
