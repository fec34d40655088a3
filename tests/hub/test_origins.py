"""What the hub shows of nodes behind a gateway, on both databases; and what a hostile one gets."""

import json

import pytest
from sqlalchemy import text

from fixtures.batches import BOOT, Node
from fixtures.hub import query
from tidegate.records.clock import FLOOR_MS, SET, UNKNOWN, Boot
from tidegate.records.origin import GAP_TOPIC, ORIGIN, with_origin
from tidegate.records.record import Record, pack_properties
from tidegate.wire.ledger import APPLY, KNOWN
from tidegate_hub.database import open_database
from tidegate_hub.origins import read_gap
from tidegate_hub.store import open_store
from tidegate_hub.tables import METADATA, SCHEMA_VERSION

NOW_MS = 1_795_000_000_000
FAR = "00000000000000ff.5f3759df5f3759df.main"
OTHER = "00000000000000fe.5f3759df5f3759df.main"


@pytest.fixture
def store(database):
    opened = open_store(database, "00000000000000a1")
    yield opened
    opened.close()


def record_from(value, ticks_ms=100, topic=b"t", payload=b"", boot=BOOT.number):
    return Record(boot, ticks_ms, topic, payload, 1, with_origin(b"", value.encode()))


def shown(database):
    return query(
        database,
        "SELECT seq, origin_stream, origin_seq, time_ms, time_quality FROM records ORDER BY seq",
    )


def test_records_show_where_they_come_from_and_when_they_were_captured(store, database):
    node = Node(records=6)
    node.replace(2, record_from(f"{FAR} 41 w1789000000000:2"))
    node.replace(3, record_from(f"{FAR} 42 w1789000000001:1"))
    node.replace(4, record_from(f"{OTHER} 7 a60000"))
    node.replace(5, record_from(f"{OTHER} 8 -"))
    assert store.apply(node.batch(1, 6), "site", NOW_MS).kind == APPLY
    wall_ms = BOOT.offset_ms + 100
    assert shown(database) == [
        (1, None, None, BOOT.offset_ms + 10, "synchronised"),
        (2, FAR, 41, 1_789_000_000_000, "synchronised"),
        (3, FAR, 42, 1_789_000_000_001, "set"),
        (4, OTHER, 7, wall_ms - 60_000, "estimated"),
        (5, OTHER, 8, None, "unknown"),
        (6, None, None, BOOT.offset_ms + 60, "synchronised"),
    ]
    assert store.apply(node.batch(1, 6), "site", NOW_MS).kind == KNOWN
    assert len(shown(database)) == 6


def test_an_age_counts_back_from_what_the_hub_itself_estimates(store, database):
    boots = [Boot(1, "0000000000000001", 0, UNKNOWN), Boot(2, "0000000000000002", 0, UNKNOWN)]
    node = Node(records=3, boots=boots)
    node.replace(1, record_from(f"{FAR} 1 a500", 9_999_000, boot=2))  # A second before it is sent.
    node.replace(2, record_from(f"{FAR} 2 a500", 9_999_000, boot=1))  # Of a boot long gone.
    node.replace(3, record_from(f"{FAR} 3 w{FLOOR_MS}:3", 9_999_000, boot=1))
    store.apply(node.batch(1, 3), "site", NOW_MS)
    assert [row[3:] for row in shown(database)] == [
        (NOW_MS - 1000 - 500, "estimated"),
        (None, "unknown"),
        (FLOOR_MS, "estimated"),
    ]


HOSTILE = (
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"'; DROP TABLE stored_records; --",
    f"{FAR} 0 -".encode(),
    f"{FAR} 99999999999999999999 -".encode(),
    f"{FAR} 1 w9007199254740991:2".encode(),
    f"{FAR} 1 w1:1".encode(),
    f"{FAR} 1 a99999999999999999".encode(),
    f"{FAR}\x00 1 -".encode(),
    b"x" * 60_000,
)


def test_what_is_no_origin_is_as_if_it_were_not_there(store, database):
    node = Node(records=len(HOSTILE))
    for seq, value in enumerate(HOSTILE, 1):
        packed = pack_properties([(ORIGIN, value)])
        node.replace(seq, Record(BOOT.number, 100, b"t", b"", 0, packed))
    assert store.apply(node.batch(1, len(HOSTILE)), "site", NOW_MS).kind == APPLY
    for row in shown(database):
        assert row[1:] == (None, None, BOOT.offset_ms + 100, "synchronised")


def test_an_age_beyond_all_time_tells_nothing(store, database):
    node = Node(records=1)
    node.replace(1, record_from(f"{FAR} 1 a9007199254740991"))
    assert store.apply(node.batch(1, 1), "site", NOW_MS).kind == APPLY
    assert shown(database) == [(1, FAR, 1, None, "unknown")]


def gap(stream=FAR, first=3, last=5, reason="overflow"):
    fields = {"stream": stream, "first": first, "last": last, "reason": reason}
    return json.dumps(fields).encode()


def test_gaps_of_nodes_are_shown(store, database):
    node = Node(records=4)
    node.replace(2, Record(1, 1, GAP_TOPIC, gap(), 1, b""))
    node.replace(4, record_from(f"{OTHER} 4 -", topic=GAP_TOPIC, payload=gap(OTHER, 1, 9, "ü 'x'")))
    store.apply(node.batch(1, 4), "site", NOW_MS)
    rows = query(database, "SELECT * FROM origin_gaps ORDER BY first DESC")
    assert rows == [
        (str(node.stream), FAR, 3, 5, "overflow"),
        (str(node.stream), OTHER, 1, 9, "ü 'x'"),
    ]
    assert query(database, "SELECT count(*) FROM gaps") == [(0,)], "not gaps of the gateway's own"


NO_GAPS = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 2000,
    b'{"first": ' + b"1" * 1990 + b"}",
    b"{}",
    gap(stream="x"),
    gap(stream=7),
    gap(first=0),
    gap(first=True),
    gap(first=6),
    gap(first=1.0),
    gap(last="5"),
    gap(last=1 << 48),
    gap(reason=None),
    gap(reason="x" * 3000),
)


@pytest.mark.parametrize("payload", NO_GAPS)
def test_payloads_that_tell_of_no_gap(payload):
    assert read_gap(GAP_TOPIC, payload) is None
    assert read_gap(b"site/gap", gap()) is None


def test_payloads_that_tell_of_no_gap_are_records_all_the_same(store, database):
    node = Node(records=len(NO_GAPS) + 1)
    for seq, payload in enumerate(NO_GAPS, 1):
        node.replace(seq, Record(1, 1, GAP_TOPIC, payload, 1, b""))
    node.replace(len(NO_GAPS) + 1, Record(1, 1, GAP_TOPIC, gap(reason="a\x00\ud800b"), 1, b""))
    assert store.apply(node.batch(1, len(NO_GAPS) + 1), "site", NOW_MS).kind == APPLY
    assert query(database, "SELECT reason FROM origin_gaps") == [("a??b",)]
    assert query(database, "SELECT count(*) FROM records") == [(len(NO_GAPS) + 1,)]


VERSION_1_VIEWS = (
    "CREATE VIEW records AS SELECT s.name AS stream, r.seq, r.time_ms, r.received_ms, t.topic,"
    " r.payload, r.flags & 3 AS qos, (r.flags >> 2) & 1 AS retain, r.properties,"
    " CASE r.time_quality WHEN 0 THEN 'unknown' WHEN 1 THEN 'set' WHEN 2 THEN 'synchronised'"
    " WHEN 3 THEN 'estimated' END AS time_quality, {hash} AS hash, r.boot, r.ticks_ms"
    " FROM stored_records r LEFT JOIN streams s ON s.stream_id = r.stream_id"
    " LEFT JOIN topics t ON t.topic_id = r.topic_id",
)
HASH_TEXT = {"sqlite": "printf('%08x', r.hash)", "postgresql": "lpad(to_hex(r.hash), 8, '0')"}


def make_version_1(database, records):
    """Make the database what a hub of version 1 has left, with a view of its owner's on it."""
    node = Node(records=records)
    store = open_store(database, "00000000000000a1")
    store.apply(node.batch(1, records), "site", NOW_MS)
    with store._database.guard, store._database.engine.begin() as connection:
        for view in ("origin_gaps", "records"):
            connection.execute(text(f"DROP VIEW {view}"))
        for table in ("stored_origins", "stored_origin_gaps"):
            connection.execute(text(f"DROP TABLE {table}"))
        for view in VERSION_1_VIEWS:
            statement = view.format(hash=HASH_TEXT[connection.dialect.name])
            connection.execute(text(statement))
        connection.execute(text("CREATE VIEW mine AS SELECT count(*) AS n FROM records"))
        connection.execute(text("UPDATE meta SET value = '1' WHERE name = 'schema_version'"))
    store.close()
    return node


def test_a_database_of_version_1_goes_on(database):
    node = make_version_1(database, 5)
    assert query(database, "SELECT n FROM mine") == [(5,)]
    node.records.append(record_from(f"{FAR} 41 -"))
    node._hash()
    store = open_store(database, "00000000000000a2")
    assert store.apply(node.batch(4, 6), "site", NOW_MS).kind == APPLY
    store.close()
    assert [row[:3] for row in shown(database)] == [
        *[(seq, None, None) for seq in range(1, 6)],
        (6, FAR, 41),
    ]
    assert query(database, "SELECT * FROM origin_gaps") == []
    assert query(database, "SELECT n FROM mine") == [(6,)], "what owners built on it stands"
    version = query(database, "SELECT value FROM meta WHERE name = 'schema_version'")
    assert version == [(str(SCHEMA_VERSION),)]


def test_a_database_is_brought_up_in_one_transaction(database, monkeypatch):
    make_version_1(database, 3)
    from tidegate_hub import database as module

    def fails(connection):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(module, "_create_views", fails)
    with pytest.raises(RuntimeError):
        open_database(database, "00000000000000a2")
    monkeypatch.undo()
    assert query(database, "SELECT value FROM meta WHERE name = 'schema_version'") == [("1",)]
    names = {table for table in METADATA.tables if table.startswith("stored_origin")}
    for name in names:
        with pytest.raises(Exception, match=name):
            query(database, f"SELECT * FROM {name}")
    open_store(database, "00000000000000a2").close()
    assert [row[1] for row in shown(database)] == [None] * 3


def test_the_time_of_a_set_clock_is_no_better_for_an_origin(store, database):
    node = Node(records=1, boots=[Boot(1, "0000000000000001", 1_790_000_000_000, SET)])
    node.replace(1, record_from(f"{FAR} 1 a50"))
    store.apply(node.batch(1, 1), "site", NOW_MS)
    assert shown(database) == [(1, FAR, 1, 1_790_000_000_050, "estimated")]
