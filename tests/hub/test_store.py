"""The store on both databases: each record once, in one transaction, readable by its owner."""

import itertools
import random

import pytest
from sqlalchemy import text

from fixtures.batches import Node
from fixtures.hub import query
from tidegate.errors import ProtocolError
from tidegate.records.clock import SET, UNKNOWN, Boot
from tidegate.records.record import Record, pack_properties
from tidegate.records.stream import parse_stream
from tidegate.wire.ledger import AHEAD, APPLY, FORK, KNOWN, NEW_STREAM
from tidegate_hub.errors import ForeignNodeError, HubError, IntegrityError, UnavailableError
from tidegate_hub.store import open_store

GENERATION = "00000000000000a1"
NOW_MS = 1_795_000_000_000
TABLES = ("nodes", "streams", "topics", "boots", "stored_records", "stored_gaps")
NOTHING: dict[str, list[tuple]] = {table: [] for table in TABLES}


@pytest.fixture
def store(database):
    opened = open_store(database, GENERATION)
    yield opened
    opened.close()


def contents(database):
    """All that a batch can have changed."""
    return {table: query(database, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def stored(database):
    return query(database, "SELECT seq, payload, hash FROM records ORDER BY stream, seq")


def expected(node, through):
    missing = {seq for gap in node.gaps for seq in range(gap.first, gap.last + 1)}
    return [
        (seq, node.records[seq - 1].payload, f"{node.hashes[seq - 1]:08x}")
        for seq in range(1, through + 1)
        if seq not in missing
    ]


def test_every_overlap_is_applied_once(store, database):
    """From every cursor, every batch that joins on or lies before it, and every one ahead."""
    size = 6
    ranges = [(a, b) for a in range(1, size + 1) for b in range(a, size + 1)]
    for number, ((_, through), (first, last)) in enumerate(
        itertools.product([(1, 0), *[(1, b) for b in range(1, size + 1)]], ranges)
    ):
        node = Node(f"{number:016x}", records=size)
        if through:
            assert store.apply(node.batch(1, through), "a", NOW_MS).kind == APPLY
        applied = store.apply(node.batch(first, last), "a", NOW_MS)
        after = max(through, last) if first <= through + 1 else through
        kind = AHEAD if first > through + 1 else APPLY if last > through else KNOWN
        assert (applied.kind, applied.cursor.through) == (kind, after), (through, first, last)
        assert applied.records == after - through
        rows = query(database, f"SELECT seq FROM records WHERE stream = '{node.stream}' ORDER BY 1")
        assert rows == [(seq,) for seq in range(1, after + 1)]


@pytest.mark.parametrize("size", [1, 49, 50, 51, 100, 149])
def test_batches_of_any_size_are_stored_row_by_row(store, database, size):
    node = Node(records=size)
    assert store.apply(node.batch(1, size), "a", NOW_MS).records == size
    assert stored(database) == expected(node, size)


def test_random_resends_with_gaps_end_in_the_whole_stream(store, database):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    node = Node(records=300, seed=seed)
    at = 1
    while at < 260:  # So that the last gap ends within the stream.
        first = at + chance.randrange(20)
        last = first + chance.randrange(12)
        node.drop(first, last, chance.choice(("overflow", "poison: ü")))
        at = last + 2
    through = 0
    while through < 300:
        first = chance.randrange(max(1, through - 30), through + 2)
        last = min(300, first + chance.randrange(60))
        applied = store.apply(node.batch(first, last), "a", NOW_MS)
        # Batches here end inside gaps too; from before such an end, nothing can be compared there.
        assert applied.kind in (APPLY, KNOWN, AHEAD)
        through = applied.cursor.through
    assert stored(database) == expected(node, 300)
    # A gap that was cut by a batch's end stands in parts; together they cover the same numbers.
    covered = [
        seq
        for first, last in query(database, "SELECT first, last FROM gaps ORDER BY first")
        for seq in range(first, last + 1)
    ]
    assert covered == [seq for gap in node.gaps for seq in range(gap.first, gap.last + 1)]


def test_ahead_and_fork_change_nothing(store, database):
    node, other = Node(records=20, seed=1), Node(records=20, seed=2)
    assert store.apply(node.batch(5, 10), "a", NOW_MS).kind == AHEAD
    assert contents(database) == NOTHING
    store.apply(node.batch(1, 10), "a", NOW_MS)
    before = contents(database)
    assert store.apply(node.batch(12, 20), "a", NOW_MS).kind == AHEAD
    assert store.apply(other.batch(11, 20), "a", NOW_MS).kind == FORK
    assert store.apply(other.batch(5, 20), "a", NOW_MS).kind == FORK
    assert contents(database) == before


def test_fork_below_the_cursor_is_found_out(store):
    """A restored node that went on with other records must not read "known" as "delivered"."""
    node = Node(records=20, seed=1)
    fork = Node(records=20, seed=1)
    fork.replace(8, Record(1, 80, b"other", b"other", 0, b""))
    store.apply(node.batch(1, 20), "a", NOW_MS)
    assert store.apply(node.batch(6, 10), "a", NOW_MS).kind == KNOWN
    assert store.apply(fork.batch(1, 7), "a", NOW_MS).kind == KNOWN
    assert store.apply(fork.batch(6, 10), "a", NOW_MS).kind == FORK


def test_views_have_the_columns_of_the_contract(store, database):
    record = Record(1, 77, "städt/ü".encode(), b"\x00\xff", 0b110, pack_properties([(b"a", b"b")]))
    node = Node(records=3)
    node.replace(1, record)
    node.drop(2, 2, "expired")
    store.apply(node.batch(1, 3), "site-7", NOW_MS)
    row = query(
        database,
        "SELECT stream, seq, time_ms, received_ms, topic, payload, qos, retain, properties,"
        " time_quality, hash FROM records ORDER BY seq",
    )[0]
    assert row == (
        str(node.stream), 1, 1_790_000_000_077, NOW_MS, "städt/ü", b"\x00\xff", 2, 1,
        '[["a", "b"]]', "synchronised", f"{node.hashes[0]:08x}",
    )  # fmt: skip
    ledger = query(database, "SELECT stream, node, epoch, lane, through, hash, owner FROM ledger")
    stream = node.stream
    assert ledger == [(str(stream), *stream, 3, f"{node.hashes[2]:08x}", "site-7")]
    assert query(database, "SELECT stream, first, last, reason FROM gaps") == [
        (str(stream), 2, 2, "expired")
    ]


def test_time_is_told_with_its_quality(store, database):
    boots = [
        Boot(1, "0000000000000001", 0, UNKNOWN),
        Boot(2, "0000000000000002", 1_790_000_000_000, SET),
        Boot(3, "0000000000000003", 2**62, SET),  # No plausible time comes of it.
        Boot(4, "0000000000000004", 0, UNKNOWN),  # The one in which the batch was encoded.
    ]
    node = Node(records=6, boots=boots)
    ticks = ((1, 10), (2, 20), (3, 30), (4, 9_999_000), (4, 10_000_001), (4, 2**63 - 1))
    for seq, (boot, ticks_ms) in enumerate(ticks, 1):
        node.replace(seq, Record(boot, ticks_ms, b"t", b"", 0, b""))
    store.apply(node.batch(1, 6), "a", NOW_MS)
    assert query(database, "SELECT time_ms, time_quality FROM records ORDER BY seq") == [
        (None, "unknown"),
        (1_790_000_000_020, "set"),
        (None, "unknown"),
        (NOW_MS - 1000, "estimated"),
        (None, "unknown"),  # From the sender's own future: a broken clock, so nothing is claimed.
        (None, "unknown"),
    ]


def test_what_a_later_batch_knows_of_a_boot_replaces_what_was_known(store, database):
    unknown, known = Boot(1, "00000000000000aa", 0, UNKNOWN), Boot(1, "00000000000000aa", 5, SET)
    node = Node(records=2, boots=[unknown])
    store.apply(node.batch(1, 1), "a", NOW_MS)
    node.boots = [known]
    store.apply(node.batch(2, 2), "a", NOW_MS)
    rows = query(database, "SELECT number, identity, offset_ms, quality FROM boots")
    assert rows == [(1, "00000000000000aa", 5, SET)]


@pytest.mark.parametrize(
    "pairs, shown",
    [
        ([], None),
        ([(b"a", b"1"), (b"a", b"2")], '[["a", "1"], ["a", "2"]]'),
        ([("ü".encode(), b'"\\')], '[["ü", "\\"\\\\"]]'),
        ([(b"\x00", b"\xff")], '[["\\u0000", "\\udcff"]]'),
    ],
)
def test_properties_are_stored_as_json(store, database, pairs, shown):
    node = Node(records=1)
    node.replace(1, Record(1, 1, b"t", b"", 0, pack_properties(pairs)))
    store.apply(node.batch(1, 1), "a", NOW_MS)
    assert query(database, "SELECT properties FROM records") == [(shown,)]


def test_properties_that_were_not_packed_are_the_peers_fault(store, database):
    node = Node(records=1)
    node.replace(1, Record(1, 1, b"t", b"", 0, b"\xff\xff\x01"))
    with pytest.raises(ProtocolError):
        store.apply(node.batch(1, 1), "a", NOW_MS)
    assert contents(database) == NOTHING


def test_sql_in_a_topic_is_a_topic(store, database):
    """S10: nothing a device sends becomes part of a statement."""
    hostile = "'); DROP TABLE stored_records; -- %s %(x)s :y ?\x1b[2J\\"
    node = Node(records=1)
    node.replace(1, Record(1, 1, hostile.encode(), hostile.encode(), 0, b""))
    node.drop(1, 1, hostile)
    store.apply(node.batch(1, 1), "a", NOW_MS)
    other = Node("00000000000000ff", records=1)
    other.replace(1, Record(1, 1, hostile.encode(), hostile.encode(), 0, b""))
    store.apply(other.batch(1, 1), "a", NOW_MS)
    assert query(database, "SELECT topic, payload FROM records") == [(hostile, hostile.encode())]
    assert query(database, "SELECT reason FROM gaps") == [(hostile,)]


def test_topics_of_any_length_and_number_fit(store, database):
    """PostgreSQL cannot index a text over 2,700 bytes; a batch can have a topic a record."""
    node = Node(records=1500)
    for seq, record in enumerate(node.records):
        node.records[seq] = record._replace(topic=b"t/%d" % seq)
    chance = random.Random(7)
    long_topic = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz/") for _ in range(65535))
    node.replace(1, Record(1, 1, long_topic.encode(), b"", 0, b""))
    store.apply(node.batch(1, 1500), "a", NOW_MS)
    topics = query(database, "SELECT topic FROM records ORDER BY seq")
    assert topics == [(record.topic.decode(),) for record in node.records]


def test_a_node_belongs_to_the_token_that_sent_first(store, database):
    node = Node(records=9)
    other_lane = Node(records=9, lane="alarm")
    store.apply(node.batch(1, 5), "site-7", NOW_MS)
    before = contents(database)
    with pytest.raises(ForeignNodeError):
        store.apply(node.batch(6, 9), "site-8", NOW_MS)
    with pytest.raises(ForeignNodeError):
        store.apply(other_lane.batch(1, 9), "site-8", NOW_MS)
    with pytest.raises(ForeignNodeError):
        store.standing(node.stream, "site-8", 0)
    assert contents(database) == before
    assert store.apply(other_lane.batch(1, 9), "site-7", NOW_MS).kind == APPLY


def test_standing_of_an_unknown_stream_creates_nothing(store, database):
    stream = parse_stream("00000000000000aa.00000000000000bb.main")
    assert store.standing(stream, "a", 7) == (NEW_STREAM, GENERATION, 7, None)
    assert contents(database) == NOTHING


def test_hash_is_told_wherever_it_is_stored(store):
    node = Node(records=30)
    node.drop(11, 20)
    store.apply(node.batch(1, 30), "a", NOW_MS)
    for at, known in ((1, True), (10, True), (15, False), (20, True), (30, True), (31, False)):
        hash_at = store.standing(node.stream, "a", at).asked_hash
        assert hash_at == (node.hashes[at - 1] if known else None), at


def test_topic_numbers_of_a_failed_transaction_are_not_used_again(store, database):
    """The numbers were taken back with the rest; another topic may get them."""
    node, other = Node(records=3), Node("00000000000000ff", records=3)
    with pytest.raises(IntegrityError):
        _sabotaged(store, database, node)
    assert store.apply(other.batch(1, 3), "a", NOW_MS).kind == APPLY
    assert store.apply(node.batch(1, 3), "a", NOW_MS).kind == APPLY
    topics = query(
        database, f"SELECT topic FROM records WHERE stream = '{node.stream}' ORDER BY seq"
    )
    assert topics == [(record.topic.decode(),) for record in node.records]


def _sabotaged(store, database, node):
    """Apply 1..3 where a row of them lies already: what the ledger says can never be."""
    store.apply(node.batch(1, 1), "a", NOW_MS)
    with store._database.guard, store._database.engine.begin() as connection:
        connection.execute(text("UPDATE streams SET through = 0, hash = NULL"))
    try:
        store.apply(node.batch(1, 3), "a", NOW_MS)
    finally:
        with store._database.guard, store._database.engine.begin() as connection:
            connection.execute(text("DELETE FROM stored_records"))


def test_a_second_record_under_one_key_is_an_alarm(store, database):
    node = Node(records=3)
    with pytest.raises(IntegrityError):
        _sabotaged(store, database, node)


def test_an_older_hub_serves_no_more_when_another_has_started(database):
    """On SQLite a lock keeps the second one out; on PostgreSQL the first one is fenced."""
    first = open_store(database, "00000000000000a1")
    node = Node(records=3)
    if database.startswith("sqlite"):
        with pytest.raises(HubError, match="another hub"):
            open_store(database, "00000000000000a2")
        assert first.apply(node.batch(1, 3), "a", NOW_MS).kind == APPLY
    else:
        second = open_store(database, "00000000000000a2")
        with pytest.raises(UnavailableError, match="another hub"):
            first.apply(node.batch(1, 3), "a", NOW_MS)
        assert second.apply(node.batch(1, 3), "a", NOW_MS).kind == APPLY
        second.close()
    first.close()


def test_cursor_survives_and_generation_does_not(database):
    node = Node(records=9)
    first = open_store(database, "00000000000000a1")
    first.apply(node.batch(1, 9), "a", NOW_MS)
    first.close()
    second = open_store(database, "00000000000000a2")
    standing = second.standing(node.stream, "a", 0)
    assert (standing.cursor.through, standing.generation) == (9, "00000000000000a2")
    second.close()


def test_newer_schema_is_refused_and_left_alone(database):
    opened = open_store(database, GENERATION)
    with opened._database.guard, opened._database.engine.begin() as connection:
        connection.execute(text("UPDATE meta SET value = '3' WHERE name = 'schema_version'"))
    opened.close()
    with pytest.raises(HubError, match="schema 3") as caught:
        open_store(database, "00000000000000a2")
    assert "newer" in caught.value.hint
    assert ("generation", GENERATION) in query(database, "SELECT name, value FROM meta")
