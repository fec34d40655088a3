"""The store: applies a batch in ONE transaction, and knows where every stream stands.

Theory of operation
-------------------
`apply` reads the stream's cursor with a lock, lets the core's ledger decide, and writes records,
gaps, boots and the new cursor; it returns after the commit.  If anything fails, nothing of it is
there, or all of it is and the answer was lost: either way the sender's next try is answered
rightly, because the ledger decides on what is stored and on nothing else.

Three alarms guard what should be impossible: the key of `stored_records` (a record twice), the
cursor's compare-and-set (a cursor moved under the lock), and the generation, which every
transaction reads: a second hub that started on the same database has changed it, and the older one
then serves no more.

A batch that was applied before is compared with what is stored, not merely skipped.  If
its last running hash is another one, two nodes send under one name (see `FORK` in the core).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection, Table, select, text
from sqlalchemy.exc import SQLAlchemyError

from tidegate.records.origin import GAP_TOPIC
from tidegate.records.stream import Stream
from tidegate.wire.batch import Batch
from tidegate.wire.ledger import APPLY, FORK, KNOWN, NEW_STREAM, Verdict, examine
from tidegate.wire.receipt import Cursor, Standing
from tidegate_hub.database import Database, open_database, reason_of
from tidegate_hub.errors import (
    ForeignNodeError,
    IntegrityError,
    UnavailableError,
    UnstorableError,
)
from tidegate_hub.origins import OriginGap, read_gap, with_origins
from tidegate_hub.rows import RecordRow, gap_rows, origins_in, properties_texts, record_rows
from tidegate_hub.tables import (
    META,
    NODES,
    STORED_GAPS,
    STORED_ORIGIN_GAPS,
    STORED_ORIGINS,
    STORED_RECORDS,
    STREAMS,
)
from tidegate_hub.topic_ids import TopicIds

_CLAIM = text(
    "INSERT INTO nodes (node, owner, claimed_ms) VALUES (:node, :owner, :now_ms)"
    " ON CONFLICT (node) DO NOTHING"
)
_NEW_STREAM = text(
    "INSERT INTO streams (name, node, epoch, lane, through, applied_ms)"
    " VALUES (:name, :node, :epoch, :lane, 0, :now_ms) ON CONFLICT (name) DO NOTHING"
)
_PUT_BOOT = text(
    "INSERT INTO boots (stream_id, number, identity, offset_ms, quality)"
    " VALUES (:stream_id, :number, :identity, :offset_ms, :quality)"
    " ON CONFLICT (stream_id, number) DO UPDATE SET identity = excluded.identity,"
    " offset_ms = excluded.offset_ms, quality = excluded.quality"
)


class Applied(NamedTuple):
    """What `apply` did: the ledger's word, the cursor afterwards, and how much was written."""

    kind: str
    cursor: Cursor
    records: int
    gaps: int


class Store:
    """The hub's database with the ledger's rules on it; safe to use from several threads."""

    def __init__(self, database: Database, generation: str) -> None:
        self._database = database
        self._topic_ids = TopicIds()
        self.generation = generation

    def apply(self, batch: Batch, owner: str, received_ms: int) -> Applied:
        """Apply what is new in `batch`, sent with the token of `owner`; durable on return.

        Raises `ProtocolError` and `ForeignNodeError` for the sender's faults, `UnstorableError`
        for a value that the database refuses, `UnavailableError` when it may work later, and
        `IntegrityError` as an alarm.  Nothing is written unless the verdict is `APPLY`.
        """
        properties = properties_texts(batch)
        try:
            with self._database.guard, self._database.engine.connect() as connection:
                self._check_generation(connection)
                _claim(connection, batch.stream.node, owner, received_ms)
                stream_id, cursor = _locked_cursor(connection, batch.stream, received_ms)
                verdict = examine(cursor, batch.span)
                if verdict.kind == KNOWN:
                    stored = _hash_at(connection, stream_id, cursor, batch.span.last)
                    known = stored is None or stored == batch.span.hash_after
                    return Applied(KNOWN if known else FORK, cursor, 0, 0)
                if verdict.kind != APPLY:
                    # Leaving without a commit also takes a claim and a new stream back.
                    return Applied(verdict.kind, cursor, 0, 0)
                topics = {record.topic for record in verdict.records}
                news = _OriginNews(verdict, topics, properties)
                topic_ids = self._topic_ids.resolve(connection, topics | news.names)
                rows = record_rows(stream_id, batch, verdict, topic_ids, properties, received_ms)
                rows = news.write(connection, rows, topic_ids)
                if rows:
                    self._database.insert_records(connection, rows)
                gaps = gap_rows(stream_id, verdict, received_ms)
                _write_rest(connection, stream_id, batch, gaps)
                _move_cursor(connection, stream_id, cursor, verdict.cursor, received_ms)
                connection.commit()
        except (SQLAlchemyError, psycopg.Error) as error:
            raise self._translated(error) from error
        self._topic_ids.remember(topic_ids)
        return Applied(APPLY, verdict.cursor, len(rows), len(gaps))

    def standing(self, stream: Stream, owner: str, at: int) -> Standing:
        """Return where `stream` stands, and its running hash at `at` unless that is 0.

        Creates nothing.  Raises `ForeignNodeError` and `UnavailableError`.
        """
        try:
            with self._database.guard, self._database.engine.connect() as connection:
                self._check_generation(connection)
                _check_owner(_owner_of(connection, stream.node), stream.node, owner)
                query = select(STREAMS.c.stream_id, STREAMS.c.through, STREAMS.c.hash)
                row = connection.execute(query.where(STREAMS.c.name == str(stream))).first()
                if row is None:
                    return Standing(NEW_STREAM, self.generation, at, None)
                cursor = Cursor(row.through, row.hash)
                asked_hash = _hash_at(connection, row.stream_id, cursor, at) if at else None
                return Standing(cursor, self.generation, at, asked_hash)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise self._translated(error) from error

    def check(self) -> None:
        """Raise `UnavailableError` unless the database answers and is still ours."""
        try:
            with self._database.guard, self._database.engine.connect() as connection:
                self._check_generation(connection)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise self._translated(error) from error

    def close(self) -> None:
        self._database.close()

    def _check_generation(self, connection: Connection) -> None:
        query = select(META.c.value).where(META.c.name == "generation")
        if connection.execute(query).scalar() != self.generation:
            raise UnavailableError("another hub has started on this database")

    def _translated(self, error: Exception) -> Exception:
        """Return our kind of a driver's error, and let go of connections that may be broken."""
        original = getattr(error, "orig", None) or error
        if isinstance(original, sqlite3.IntegrityError | psycopg.IntegrityError):
            return IntegrityError(reason_of(error))
        if isinstance(original, sqlite3.DataError | psycopg.DataError):
            return UnstorableError(reason_of(error))
        # After a failed flush the same file descriptor must not be trusted: open it anew.
        self._topic_ids.forget()
        with self._database.guard:
            self._database.engine.dispose()
        return UnavailableError(reason_of(error))


def open_store(url: str, generation: str) -> Store:
    """Open or create the database at `url` and make `generation` its current one.

    Raises `HubError`.
    """
    return Store(open_database(url, generation), generation)


def _owner_of(connection: Connection, node: str) -> str | None:
    query = select(NODES.c.owner).where(NODES.c.node == node)
    return connection.execute(query).scalar()


def _check_owner(known: str | None, node: str, owner: str) -> None:
    if known is not None and known != owner:
        raise ForeignNodeError(node, known)


def _claim(connection: Connection, node: str, owner: str, now_ms: int) -> None:
    """Make `owner` the node's, unless it has one; raise `ForeignNodeError` when it is another."""
    known = _owner_of(connection, node)
    if known is None:
        connection.execute(_CLAIM, {"node": node, "owner": owner, "now_ms": now_ms})
        # Asked again, because another connection may have been faster.
        known = _owner_of(connection, node)
    _check_owner(known, node, owner)


def _locked_cursor(connection: Connection, stream: Stream, now_ms: int) -> tuple[int, Cursor]:
    """Return the stream's number and cursor, locked until the end of the transaction."""
    query = select(STREAMS.c.stream_id, STREAMS.c.through, STREAMS.c.hash)
    query = query.where(STREAMS.c.name == str(stream)).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        names = {"node": stream.node, "epoch": stream.epoch, "lane": stream.lane}
        connection.execute(_NEW_STREAM, {"name": str(stream), "now_ms": now_ms, **names})
        row = connection.execute(query).first()
        assert row is not None
    return row.stream_id, Cursor(row.through, row.hash)


def _hash_at(connection: Connection, stream_id: int, cursor: Cursor, seq: int) -> int | None:
    """Return the running hash at `seq`, None where it is not known."""
    if seq == cursor.through:
        return cursor.hash_at
    records, gaps = STORED_RECORDS.c, STORED_GAPS.c
    query = select(records.hash).where(records.stream_id == stream_id, records.seq == seq)
    found = connection.execute(query).scalar()
    if found is None:
        query = select(gaps.hash).where(gaps.stream_id == stream_id, gaps.last == seq)
        found = connection.execute(query).scalar()
    return found


class _OriginNews:
    """What the records of a batch tell of nodes behind their sender; most batches tell nothing."""

    def __init__(
        self, verdict: Verdict, topics: set[bytes], properties: Mapping[bytes, str | None]
    ) -> None:
        self._records = verdict.records
        self._origins = origins_in(properties)
        self._gaps: dict[int, OriginGap] = {}  # By index.
        if GAP_TOPIC in topics:
            told = [read_gap(record.topic, record.payload) for record in verdict.records]
            self._gaps = {index: gap for index, gap in enumerate(told) if gap is not None}
        streams = {str(origin.stream) for origin in self._origins.values()}
        streams.update(gap.stream for gap in self._gaps.values())
        self.names = {name.encode() for name in streams}  # To be looked up among the topics.

    def write(
        self, connection: Connection, rows: list[RecordRow], text_ids: Mapping[bytes, int]
    ) -> list[RecordRow]:
        """Write it down; return the records' rows with the times that it tells."""
        if self._gaps:
            gap_values = [
                (*rows[index][:2], text_ids[gap.stream.encode()], gap.first, gap.last, gap.reason)
                for index, gap in self._gaps.items()
            ]
            _insert(connection, STORED_ORIGIN_GAPS, gap_values)
        if self._origins:
            origins = [self._origins.get(record.properties) for record in self._records]
            rows, origin_values = with_origins(rows, origins, text_ids)
            if origin_values:
                _insert(connection, STORED_ORIGINS, origin_values)
        return rows


def _insert(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    names = [column.name for column in table.columns]
    connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])


def _write_rest(
    connection: Connection,
    stream_id: int,
    batch: Batch,
    gaps: list[tuple[int, int, int, int, str, int]],
) -> None:
    """Write the gaps, and the boots that the batch names, as they are known now."""
    if gaps:
        _insert(connection, STORED_GAPS, gaps)
    boots = [{"stream_id": stream_id, **boot._asdict()} for boot in batch.span.boots]
    if boots:
        connection.execute(_PUT_BOOT, boots)


def _move_cursor(
    connection: Connection, stream_id: int, before: Cursor, after: Cursor, now_ms: int
) -> None:
    """Set the cursor, if it is still `before`; the lock says that it is, and this proves it."""
    update = STREAMS.update().where(
        STREAMS.c.stream_id == stream_id, STREAMS.c.through == before.through
    )
    values = {"through": after.through, "hash": after.hash_at, "applied_ms": now_ms}
    if connection.execute(update.values(**values)).rowcount != 1:
        raise IntegrityError(f"the cursor of stream {stream_id} moved under its lock")
