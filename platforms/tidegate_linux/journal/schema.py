"""The tables of the journal, as an owner finds them with the `sqlite3` shell.

Look at the views: `status` (the balance of every lane), `records` (what is held and what was
delivered and is still kept, with its time), `gaps`, and the table `quarantine`.

A row's `id` is `lane number << 48 | row`.  Rows of a lane are numbered for ever; what a stream
calls `seq` is `row - lane.base`, so that a lane that goes on under a new epoch renumbers nothing.
A gap's `id` is that of its last number.  Why so: docs/decisions/0010-journal-key.md.

SQLite does not notice bit rot.  Records are protected by the running hash, every other row that
decides about records, or that a source rests on, by a checksum in its column `seal`.

Must change together: `VERSION`, the tables, `journal_lane` and `journal_reading`.
"""

import apsw

from tidegate.errors import STORAGE_CORRUPT, StorageError
from tidegate_linux.journal.errors import JournalError
from tidegate_linux.journal.sql import seal_of

APPLICATION_ID = 0x54444754  # "TDGT"; file(1) and we ourselves tell by it whose database this is.
VERSION = 2
UPGRADABLE = (1,)  # Older versions, which `upgrade` makes this one.
READABLE = (*UPGRADABLE, VERSION)

LANE_SHIFT = 48
ROW_MASK = (1 << LANE_SHIFT) - 1

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE lane (
    number INTEGER PRIMARY KEY,
    lane TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    base INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    last_hash INTEGER NOT NULL DEFAULT 0,
    through INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0,
    forgotten_hash INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    held_records INTEGER NOT NULL DEFAULT 0,
    held_bytes INTEGER NOT NULL DEFAULT 0,
    seal INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE dropped (
    lane INTEGER NOT NULL, reason TEXT NOT NULL, records INTEGER NOT NULL,
    PRIMARY KEY (lane, reason)
) WITHOUT ROWID;

CREATE TABLE boot (
    number INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    offset_ms INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    seal INTEGER NOT NULL
);

CREATE TABLE topic (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    topic NOT NULL,
    used INTEGER NOT NULL,
    UNIQUE (lane, topic)
);

CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    ticks_ms INTEGER NOT NULL,
    topic INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    payload BLOB NOT NULL,
    properties BLOB NOT NULL
);

CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    reason TEXT NOT NULL,
    kept INTEGER NOT NULL,
    seal INTEGER NOT NULL
);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    hash INTEGER,
    boot INTEGER,
    ticks_ms INTEGER,
    topic,
    flags INTEGER,
    payload BLOB,
    properties BLOB
);
"""

# Keys in order and values beside them: a note is written, found and deleted in one tree.
NOTES = """
CREATE TABLE note (
    source TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, seal INTEGER NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
"""

VIEWS = """
CREATE VIEW status AS
SELECT lane.lane,
       (SELECT value FROM meta WHERE name = 'node') || '.' || lane.epoch || '.' || lane.lane
           AS stream,
       lane.last AS admitted,
       lane.delivered,
       lane.held_records AS held,
       lane.quarantined,
       coalesce(sum(dropped.records), 0) AS dropped,
       lane.held_bytes,
       lane.last = lane.delivered + lane.held_records + lane.quarantined
           + coalesce(sum(dropped.records), 0) AS balanced
FROM lane LEFT JOIN dropped ON dropped.lane = lane.number
GROUP BY lane.number;

CREATE VIEW records AS
SELECT lane.lane,
       (record.id & 281474976710655) - lane.base AS seq,
       CASE WHEN (record.id & 281474976710655) - lane.base <= lane.through
            THEN 'delivered' ELSE 'held' END AS state,
       CASE WHEN boot.quality > 0 THEN record.ticks_ms + boot.offset_ms END AS time_ms,
       CASE WHEN boot.quality > 0
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', (record.ticks_ms + boot.offset_ms) / 1000.0,
                          'unixepoch') END AS time,
       CAST(topic.topic AS TEXT) AS topic,
       CAST(record.payload AS TEXT) AS payload,
       record.flags & 3 AS qos,
       record.flags >> 2 & 1 AS retain
FROM record
JOIN lane ON lane.number = record.id >> 48
LEFT JOIN topic ON topic.id = record.topic
LEFT JOIN boot ON boot.number = record.boot;

CREATE VIEW gaps AS
SELECT lane.lane,
       (gap.first & 281474976710655) - lane.base AS first,
       (gap.id & 281474976710655) - lane.base AS last,
       gap.reason
FROM gap JOIN lane ON lane.number = gap.id >> 48;
"""


def create_tables(connection: apsw.Connection, node: str) -> None:
    """Make an empty database a journal, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(TABLES + NOTES + VIEWS)
    name = [("node", node), ("node_seal", seal_of(node))]
    connection.executemany("INSERT INTO meta VALUES (?, ?)", name)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def upgrade(connection: apsw.Connection) -> None:
    """Make an older journal one of this version, in one transaction; it keeps all that it has."""
    if connection.pragma("user_version") == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(NOTES)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def check_version(connection: apsw.Connection) -> None:
    """Refuse a database that is not a journal, or one that a newer Tidegate has made."""
    mark = connection.pragma("application_id")
    if mark != APPLICATION_ID:
        empty = mark == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        if empty or (mark ^ APPLICATION_ID).bit_count() == 1:
            raise StorageError(STORAGE_CORRUPT, "the database has lost its first page")
        raise JournalError(
            "the journal's database was not made by Tidegate",
            "give the node another data folder, or move that file away",
        )
    version = connection.pragma("user_version")
    if version not in READABLE:
        raise JournalError(
            f"the journal has format {version}, this program knows format {VERSION}",
            "run the version of Tidegate that made it, or a newer one",
        )
