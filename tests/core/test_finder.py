"""Records are found by place: in which segment, behind a bookmark, and around damage."""

from model_medium import ModelFlash
from tidegate.records.record import Record, fold_all, size_bytes
from tidegate.store.account import Account
from tidegate.store.entry import entry_frames
from tidegate.store.finder import Finder
from tidegate.store.journal import Admitted
from tidegate.store.segments import Part, Segments, Sizes
from tidegate.store.summary import summary_frame

RECORDS = [Record(1, at_ms, b"site/a", b"value %d" % at_ms, 0, b"") for at_ms in range(30)]
HASHES = fold_all(5, RECORDS)


def shelf():
    """Return a finder over three segments of ten records, and their flash."""
    flash = ModelFlash()
    segments = Segments(flash.open(), "00c0ffee00c0ffee", 3, Sizes(1 << 16, 256, 128, 1 << 16))
    parts = []
    for number in (1, 2, 3):
        first = 10 * (number - 1)
        entry = Admitted("main", first + 1, HASHES[first : first + 10], RECORDS[first : first + 10])
        data = b"".join(entry_frames(entry, segments.seed(number)))
        flash.synced[number] = data
        parts.append(Part(number, 0, first + 1, len(data)))
    return Finder(segments, parts), flash


def places(finder, place, count=99):
    found = []
    for row in finder.rows(place):
        if len(found) == count:
            break
        found.append(row[0])
    return found


def test_rows_begin_anywhere_and_go_to_the_end():
    finder, _ = shelf()
    for place in (1, 2, 10, 11, 15, 21, 30, 31, 7):
        rows = list(finder.rows(place))
        assert [row[0] for row in rows] == list(range(place, 31))
        assert [row[1] for row in rows] == HASHES[place - 1 :]
        assert [row[2] for row in rows] == RECORDS[place - 1 :]


def test_who_goes_on_reads_nothing_twice():
    finder, flash = shelf()
    at = 1
    while at <= 30:
        at += len(places(finder, at, 3))
    once = sum([len(data) for data in flash.synced.values()])
    # A chunk is read again where a span ended within it.
    assert flash.read_bytes < 3 * once


def test_a_row_that_was_only_looked_at_is_found_again():
    finder, _ = shelf()
    for row in finder.rows(4):
        assert row[0] == 4
        break
    assert places(finder, 4, 2) == [4, 5]
    assert places(finder, 6, 1) == [6]


def test_hashes_are_found():
    finder, _ = shelf()
    for place in (1, 12, 30, 29, 3):
        assert finder.hash_at(place) == HASHES[place - 1]
    assert finder.hash_at(31) is None


def test_a_damaged_record_is_left_out_and_the_next_one_tells_its_hash():
    finder, flash = shelf()
    data = bytearray(flash.synced[2])
    at = bytes(data).find(b"value 14")
    data[at] ^= 1
    flash.synced[2] = bytes(data)
    assert places(finder, 13) == [13, 14] + list(range(16, 31))
    assert finder.hash_at(15) == HASHES[14]
    assert finder.hash_at(14) == HASHES[13]


def test_sizes_are_measured():
    finder, _ = shelf()
    expected = [(place, size_bytes(RECORDS[place - 1])) for place in range(9, 13)]
    assert list(finder.measure(9, 12)) == expected


def test_what_the_next_segment_has_again_counts_there():
    finder, _ = shelf()
    finder.parts[1].first = 9  # As after a cut: 9 and 10 were written and never confirmed.
    assert places(finder, 8)[0] == 8
    assert places(finder, 8) == [8] + list(range(11, 31))


def test_a_summary_changes_what_the_numbers_behind_it_mean():
    flash = ModelFlash()
    segments = Segments(flash.open(), "00c0ffee00c0ffee", 1, Sizes(1 << 16, 256, 128, 1 << 16))
    account = Account("main", "e" * 16)
    account.base = 3
    seed = segments.seed(1)
    parts = list(entry_frames(Admitted("main", 1, HASHES[:4], RECORDS[:4]), seed))
    parts.append(summary_frame(account, seed))
    parts.extend(entry_frames(Admitted("main", 2, HASHES[4:6], RECORDS[4:6]), seed))
    flash.synced[1] = b"".join(parts)
    finder = Finder(segments, [Part(1, 0, 1, len(flash.synced[1]))])
    assert [row[0] for row in finder.rows(1)] == [1, 2, 3, 4, 5, 6]
