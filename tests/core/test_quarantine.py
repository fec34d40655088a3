"""Copies of what was taken out are kept with their reason, within a bound."""

from model_medium import ModelFlash
from tidegate.records.record import Record
from tidegate.store.entry import read_entry
from tidegate.store.frame import Damage, scan
from tidegate.store.journal import Admitted, Dropped
from tidegate.store.quarantine import SEGMENTS_MAX, Quarantine
from tidegate.store.segment import read_segment
from tidegate.store.segments import Segments, Sizes

NODE = "00c0ffee00c0ffee"


def segments(flash, last_number=0):
    return Segments(flash.open(), NODE, last_number, Sizes(1024, 256, 256, 1 << 16))


def rows(first, count):
    return [
        (seq, seq * 3, Record(1, seq, b"t", b"x" * 100, 0, b""))
        for seq in range(first, first + count)
    ]


def add(quarantine, first, count, reason="quarantined: too hot"):
    entry = Dropped("main", first, first + count - 1, None, reason, True)
    quarantine.add(entry, iter(rows(first, count)))


def entries(flash, number):
    segment, start = read_segment(flash.synced[number])
    assert segment.lanes == []
    seed = Segments(None, segment.node, 0, None).seed(number)
    found = list(scan(flash.synced[number][start:], seed))
    assert not [item for item in found if isinstance(item, Damage)]
    return [read_entry(item) for item in found]


def test_records_are_found_with_their_number_and_reason():
    flash = ModelFlash()
    quarantine = Quarantine(segments(flash), [])
    add(quarantine, 7, 2)
    quarantine.sync()
    expected = []
    for seq, stored, record in rows(7, 2):
        expected.append(Admitted("main", seq, [stored], [record]))
        expected.append(Dropped("main", seq, seq, stored, "quarantined: too hot", True))
    assert entries(flash, 1) == expected
    assert quarantine.stored_bytes == len(flash.synced[1])


def test_it_never_goes_on_behind_what_an_earlier_run_left():
    flash = ModelFlash()
    first = Quarantine(segments(flash), [])
    add(first, 1, 1)
    first.sync()
    second = Quarantine(segments(flash, 1), [(1, len(flash.synced[1]))])
    add(second, 2, 1)
    second.sync()
    assert sorted(flash.synced) == [1, 2]


def test_the_oldest_goes_where_the_bound_is_met():
    flash = ModelFlash()
    quarantine = Quarantine(segments(flash), [])
    for first in range(1, 200):
        add(quarantine, first, 1)
        quarantine.sync()
    assert len(flash.synced) == SEGMENTS_MAX
    assert min(flash.synced) > 5
    assert quarantine.stored_bytes == sum([len(data) for data in flash.synced.values()])


def test_nothing_is_written_without_records():
    flash = ModelFlash()
    quarantine = Quarantine(segments(flash), [])
    quarantine.add(Dropped("main", 1, 1, None, "quarantined: gone", True), iter([]))
    quarantine.sync()
    assert flash.synced == {}
