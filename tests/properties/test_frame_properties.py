"""A log on flash: whatever was written comes back, whatever happened to it is reported."""

from hypothesis import given
from hypothesis import strategies as st

from properties.strategies import (
    boots,
    hashes,
    identities,
    lanes,
    properties,
    reasons,
    ticks,
    topics,
)
from tidegate.errors import ProtocolError
from tidegate.limits import BOOT_MAX, SEQ_MAX
from tidegate.records.record import Record
from tidegate.store.entry import entry_frames, read_entry
from tidegate.store.frame import Damage, Frame, frame, scan
from tidegate.store.journal import Admitted, Booted, Dropped, Forgotten, Released, Renewed, Spent
from tidegate.store.segment import NUMBER_MAX, Segment, read_segment, segment_header, segment_seed

seeds = st.integers(0, 0xFFFFFFFF)
numbers = st.integers(0, SEQ_MAX)
records = st.builds(
    Record,
    st.integers(0, BOOT_MAX),
    ticks,
    topics,
    st.binary(max_size=40),
    st.sampled_from([0, 1, 2, 4, 5, 6]),
    properties,
)
ranges = st.tuples(st.integers(1, SEQ_MAX), st.integers(1, SEQ_MAX)).map(sorted)
entries = st.one_of(
    st.builds(
        lambda lane, seq, hash_after, record: Admitted(lane, seq, [hash_after], [record]),
        lanes,
        st.integers(1, SEQ_MAX),
        hashes,
        records,
    ),
    st.builds(Released, lanes, numbers, numbers),
    st.builds(
        lambda lane, both, hash_at, reason, kept: Dropped(lane, *both, hash_at, reason, kept),
        lanes,
        ranges,
        st.one_of(st.none(), hashes),
        reasons,
        st.booleans(),
    ),
    st.builds(Forgotten, lanes, numbers),
    st.builds(Booted, boots),
    st.builds(Renewed, lanes, identities),
    st.builds(Spent, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)),
)


def log_of(written, seed):
    return b"".join(data for entry in written for data in entry_frames(entry, seed))


def entries_in(log, seed):
    return [read_entry(item) for item in scan(log, seed) if isinstance(item, Frame)]


@given(st.lists(entries, max_size=8), seeds)
def test_entries_come_back_with_their_kinds(written, seed):
    found = entries_in(log_of(written, seed), seed)
    assert [(type(entry), entry) for entry in found] == [(type(entry), entry) for entry in written]


@given(st.lists(entries, max_size=8), seeds, st.data())
def test_a_cut_or_damaged_log_gives_a_part_of_what_was_written(written, seed, data):
    log = bytearray(log_of(written, seed))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(log)))
        length = data.draw(st.integers(0, 12))
        how = data.draw(st.sampled_from(["cut", "lose", "insert", "erase", "zero"]))
        piece = {
            "insert": data.draw(st.binary(max_size=12)),
            "erase": b"\xff" * length,
            "zero": b"\0" * length,
        }.get(how, b"")
        end = len(log) if how == "cut" else at + (0 if how == "insert" else length)
        log[at:end] = piece
    rest = iter([repr(entry) for entry in written])
    for entry in entries_in(bytes(log), seed):
        assert repr(entry) in rest  # In the same order, none twice, none that was never written.
    at = 0
    for item in scan(bytes(log), seed):
        assert item.start == at < item.end
        at = item.end
    assert at == len(log)


@given(st.binary(max_size=300), seeds)
def test_any_bytes_are_damage_or_frames(log, seed):
    for item in scan(log, seed):
        assert isinstance(item, Damage)


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_body_is_refused_or_read(kind, body):
    item = Frame(0, 0, kind, body)
    try:
        entry = read_entry(item)
    except ProtocolError as error:
        assert error.reason and error.detail
        return
    written = list(scan(b"".join(entry_frames(entry, 5)), 5))
    assert [(one.kind, one.body) for one in written] == [(kind, body)]


@given(st.lists(entries, min_size=1, max_size=4), identities, st.integers(0, NUMBER_MAX), st.data())
def test_a_segment_over_an_older_one_shows_only_the_new(written, node, number, data):
    older = data.draw(st.integers(0, NUMBER_MAX).filter(lambda other: other != number))
    flash = log_of(written * 2, segment_seed(node, older))
    fresh = log_of(written, segment_seed(node, number))
    cut = data.draw(st.integers(0, len(fresh)))
    mixed = fresh[:cut] + flash[cut:]
    whole = list(scan(fresh[:cut], segment_seed(node, number)))
    frames = [item for item in whole if isinstance(item, Frame)]
    found = [item for item in scan(mixed, segment_seed(node, number)) if isinstance(item, Frame)]
    assert found[: len(frames)] == frames
    # A frame that the cut tore in two may be whole again only if the old bytes equal the new ones.
    for item in found[len(frames) :]:
        assert mixed[item.start : item.end] == fresh[item.start : item.end]


@given(identities, st.integers(0, NUMBER_MAX), st.lists(st.tuples(lanes, identities), max_size=8))
def test_segment_headers_come_back(node, number, named):
    segment = Segment(node, number, named)
    data = segment_header(segment)
    assert read_segment(data + frame(1, b"", 0)) == (segment, len(data))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_segment_or_refused(data):
    try:
        read_segment(data)
    except ProtocolError as error:
        assert error.reason
