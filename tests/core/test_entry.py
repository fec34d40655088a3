"""Every entry of a journal survives the flash, and a frame of another program is named as such."""

import struct

from samples import record
from support import raises
from tidegate.errors import ProtocolError
from tidegate.limits import SEQ_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot
from tidegate.records.record import Record
from tidegate.store.entry import entry_frames, read_entry
from tidegate.store.frame import Frame, scan
from tidegate.store.journal import Admitted, Booted, Dropped, Forgotten, Released, Renewed, Spent

SEED = 77
RECORDS = [record(number) for number in range(6)]
ENTRIES = [
    Released("main", 0, 0),
    Released("alarm", SEQ_MAX, SEQ_MAX),
    Dropped("main", 1, 1, None, "overflow", False),
    Dropped("main", 5, SEQ_MAX, 0, "poison: 422", True),
    Dropped("main", 5, 6, 0xFFFFFFFF, "", True),
    Forgotten("l" * 16, 12),
    Booted(Boot(9, "0123456789abcdef", -5, 2)),
    Renewed("main", "5f3759df5f3759df"),
    Spent(0, 0),
    Spent(20_000, (1 << 64) - 1),
]


def frames_of(entry):
    log = b"".join(list(entry_frames(entry, SEED)))
    items = list(scan(log, SEED))
    assert all(isinstance(item, Frame) for item in items)
    return items


def body_of(entry):
    return frames_of(entry)[0].body


def reason_of(kind, body):
    """Return the reason for which a frame is refused, None when it is not."""
    try:
        read_entry(Frame(0, 0, kind, body))
    except ProtocolError as error:
        return error.reason
    return None


def test_entries_come_back():
    for entry in ENTRIES:
        items = frames_of(entry)
        assert len(items) == 1
        again = read_entry(items[0])
        assert (again, type(again)) == (entry, type(entry))


def test_admitted_records_come_back_one_by_one():
    entry = Admitted("main", 41, [10, 11, 12, 13, 14, 0xFFFFFFFF], RECORDS)
    items = frames_of(entry)
    assert len(items) == 6
    for index, item in enumerate(items):
        wanted = Admitted("main", 41 + index, [entry.hashes[index]], [RECORDS[index]])
        assert read_entry(item) == wanted
    assert frames_of(Admitted("main", 1, [], [])) == []


def test_the_layouts_are_the_documented_ones():
    one = Record(1, 2, b"t", b"abc", 5, b"\1\0\0\0n")
    for entry, kind, body in (
        (
            Admitted("main", 3, [4], [one]),
            1,
            struct.pack("<QIIQBHIH", 3, 4, 1, 2, 5, 1, 3, 5) + b"tabc\1\0\0\0n",
        ),
        (Released("main", 5, 6), 2, struct.pack("<QQ", 5, 6)),
        (Dropped("main", 5, 6, 7, "r", True), 3, struct.pack("<QQIB", 5, 6, 7, 3) + b"r"),
        (Dropped("main", 5, 6, None, "r", False), 3, struct.pack("<QQIB", 5, 6, 0, 0) + b"r"),
        (Forgotten("main", 5), 4, struct.pack("<Q", 5)),
        (Renewed("main", "00000000000000ff"), 6, struct.pack("<Q", 255)),
    ):
        item = frames_of(entry)[0]
        assert (item.kind, item.body) == (kind, b"\4main" + body)
    item = frames_of(Booted(Boot(1, "00000000000000ff", -2, 1)))[0]
    assert (item.kind, item.body) == (5, struct.pack("<IQqB", 1, 255, -2, 1))
    item = frames_of(Spent(1, 2))[0]
    assert (item.kind, item.body) == (7, struct.pack("<IQ", 1, 2))


def test_every_truncation_is_refused():
    for entry in ENTRIES + [Admitted("main", 3, [4], [RECORDS[4]])]:
        item = frames_of(entry)[0]
        reason_starts = len(item.body) - (len(entry.reason) if isinstance(entry, Dropped) else 0)
        for end in range(reason_starts):
            reason = reason_of(item.kind, item.body[:end])
            assert reason == "bad-length", (entry, end)
        if not isinstance(entry, Dropped):
            assert reason_of(item.kind, item.body + b"\0") == "bad-length", entry


def test_each_wrong_field_has_its_own_error():
    lane = b"\4main"

    def admitted(seq=1, ticks_ms=2, flags=0):
        return lane + struct.pack("<QIIQBHIH", seq, 0, 1, ticks_ms, flags, 0, 0, 0)

    def dropped(first=1, last=2, hash_at=0, flags=0, reason=b"overflow"):
        return lane + struct.pack("<QQIB", first, last, hash_at, flags) + reason

    assert reason_of(1, admitted()) is None
    assert reason_of(3, dropped()) is None
    for kind, body, reason in (
        (0, b"", "unknown-kind"),
        (8, b"", "unknown-kind"),
        (255, b"", "unknown-kind"),
        (2, b"\4Main" + bytes(16), "bad-stream"),
        (4, b"\0" + bytes(8), "bad-stream"),
        (6, b"\1\xff" + bytes(8), "bad-text"),
        (1, admitted(seq=0), "bad-range"),
        (1, admitted(seq=SEQ_MAX + 1), "bad-range"),
        (1, admitted(ticks_ms=TICKS_MS_MAX + 1), "bad-time"),
        (1, admitted(flags=3), "bad-flags"),
        (1, admitted(flags=8), "bad-flags"),
        (2, lane + struct.pack("<QQ", SEQ_MAX + 1, 0), "bad-range"),
        (2, lane + struct.pack("<QQ", 0, SEQ_MAX + 1), "bad-range"),
        (3, dropped(first=0), "bad-range"),
        (3, dropped(first=3), "bad-range"),
        (3, dropped(last=SEQ_MAX + 1), "bad-range"),
        (3, dropped(flags=4), "bad-flags"),
        (3, dropped(hash_at=1), "bad-flags"),
        (3, dropped(reason=b"two\nlines"), "bad-gap"),
        (3, dropped(reason=b"x" * 201), "bad-gap"),
        (3, dropped(reason=b"\xc3"), "bad-text"),
        (4, lane + struct.pack("<Q", SEQ_MAX + 1), "bad-range"),
        (5, struct.pack("<IQqB", 1, 2, 3, 3), "bad-boot"),
    ):
        assert reason_of(kind, body) == reason, (kind, body)


def test_a_reason_that_does_not_fit_is_cut():
    again = read_entry(frames_of(Dropped("main", 1, 2, 3, "long\n" * 100, False))[0])
    assert again.reason == "long?" * 40


def test_what_does_not_fit_is_our_own_fault():
    for entry in (
        Released("main", SEQ_MAX + 1, 0),
        Released("main", 0, -1),
        Released("Main", 0, 0),
        Dropped("main", 0, 1, None, "", False),
        Dropped("main", 2, 1, None, "", False),
        Forgotten("main", -1),
        Renewed("main", "short"),
        Spent(-1, 0),
        Spent(0, 1 << 64),
        Admitted("main", 0, [1], [RECORDS[0]]),
        Admitted("main", SEQ_MAX + 1, [1], [RECORDS[0]]),
        Admitted("main", 1, [1], [Record(1, TICKS_MS_MAX + 1, b"t", b"", 0, b"")]),
        Admitted("main", 1, [1], [Record(1, 1, b"t" * 65536, b"", 0, b"")]),
        Admitted("main", 1, [1], [Record(-1, 1, b"t", b"", 0, b"")]),
    ):
        with raises(AssertionError):
            list(entry_frames(entry, SEED))
    with raises(ValueError):
        list(entry_frames("no entry", SEED))
