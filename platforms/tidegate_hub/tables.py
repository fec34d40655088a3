"""The hub's schema: tables with small keys for the machine, views with words for people.

Owners read `records`, `gaps`, `origin_gaps` and `ledger`; these are the contract and keep their
columns, new ones come last.  The tables behind them may change with `SCHEMA_VERSION`.  Stream names
and topics stand once in a dictionary, because they are as long as many a payload.

`stored_records` has the key (stream_id, seq): the last line of defence against a record that
arrives twice.  On SQLite it has no rowid, so that this key is the table's only tree.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

SCHEMA_VERSION = 2

# A sender's qualities 0 to 2 are the core's `clock`; 3 is the hub's own estimate from the age.
QUALITY_ESTIMATED = 3
QUALITY_NAMES = ("unknown", "set", "synchronised", "estimated")

_ROW_ID = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only an INTEGER itself.

METADATA = MetaData()

META = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# `owner` is the name of the token that sent the node's first batch.
NODES = Table(
    "nodes",
    METADATA,
    Column("node", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("claimed_ms", BigInteger, nullable=False),
)

STREAMS = Table(
    "streams",
    METADATA,
    Column("stream_id", _ROW_ID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("node", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("hash", BigInteger),
    Column("applied_ms", BigInteger, nullable=False),
)

# Topics, and names of the streams that records came from before they came to a gateway.
# Unique by digest and not by text: PostgreSQL cannot index texts of more than about 2,700 bytes.
TOPICS = Table(
    "topics",
    METADATA,
    Column("topic_id", _ROW_ID, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("topic", Text, nullable=False),
)

# What is known of a sender's boots: an unknown time can be corrected from it later.
BOOTS = Table(
    "boots",
    METADATA,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False),
    Column("offset_ms", BigInteger, nullable=False),
    Column("quality", SmallInteger, nullable=False),
)

STORED_RECORDS = Table(
    "stored_records",
    METADATA,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger),
    Column("time_quality", SmallInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("ticks_ms", BigInteger, nullable=False),
    Column("topic_id", BigInteger, nullable=False),
    Column("flags", SmallInteger, nullable=False),
    Column("hash", BigInteger, nullable=False),
    Column("properties", Text),
    Column("payload", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Its key is the end and not the beginning, because that is where a running hash is asked for.
STORED_GAPS = Table(
    "stored_gaps",
    METADATA,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Of the records that a gateway took from a node.  A table of its own: most records have no origin,
# and pay nothing for it.  `origin_id` is a number of `topics`.
STORED_ORIGINS = Table(
    "stored_origins",
    METADATA,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("origin_id", BigInteger, nullable=False),
    Column("origin_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Gaps in nodes' streams, under the number of the record that told of each.
STORED_ORIGIN_GAPS = Table(
    "stored_origin_gaps",
    METADATA,
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("origin_id", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

_HASH_TEXT = {"sqlite": "printf('%08x', {})", "postgresql": "lpad(to_hex({}), 8, '0')"}


def view_statements(dialect: str) -> list[str]:
    """Return the statements that create the views, or bring them up to date.

    `dialect` is "sqlite" or "postgresql".  The second takes only further columns at the end, and
    so leaves alone what an owner has built on a view.

    The joins are outer ones so that the database leaves them out of what does not need them:
    count(*) then never looks a topic up.
    """
    names = " ".join(f"WHEN {quality} THEN '{name}'" for quality, name in enumerate(QUALITY_NAMES))
    hash_text = _HASH_TEXT[dialect]
    statements = [
        f"""CREATE VIEW records AS
            SELECT s.name AS stream, r.seq, r.time_ms, r.received_ms, t.topic, r.payload,
                   r.flags & 3 AS qos, (r.flags >> 2) & 1 AS retain, r.properties,
                   CASE r.time_quality {names} END AS time_quality,
                   {hash_text.format("r.hash")} AS hash, r.boot, r.ticks_ms,
                   n.topic AS origin_stream, o.origin_seq
            FROM stored_records r
            LEFT JOIN streams s ON s.stream_id = r.stream_id
            LEFT JOIN topics t ON t.topic_id = r.topic_id
            LEFT JOIN stored_origins o ON o.stream_id = r.stream_id AND o.seq = r.seq
            LEFT JOIN topics n ON n.topic_id = o.origin_id""",  # noqa: S608 - constants only.
        f"""CREATE VIEW gaps AS
            SELECT s.name AS stream, g.first, g.last, g.reason, g.received_ms,
                   {hash_text.format("g.hash")} AS hash
            FROM stored_gaps g LEFT JOIN streams s ON s.stream_id = g.stream_id""",  # noqa: S608
        f"""CREATE VIEW ledger AS
            SELECT s.name AS stream, s.node, s.epoch, s.lane, s.through,
                   {hash_text.format("s.hash")} AS hash, n.owner, s.applied_ms
            FROM streams s LEFT JOIN nodes n ON n.node = s.node""",  # noqa: S608
        """CREATE VIEW origin_gaps AS
            SELECT s.name AS stream, n.topic AS origin_stream, g.first, g.last, g.reason
            FROM stored_origin_gaps g
            LEFT JOIN streams s ON s.stream_id = g.stream_id
            LEFT JOIN topics n ON n.topic_id = g.origin_id""",
    ]
    if dialect == "postgresql":
        return [
            statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
            for statement in statements
        ]
    drops = [f"DROP VIEW IF EXISTS {statement.split()[2]}" for statement in statements]
    return drops + statements
