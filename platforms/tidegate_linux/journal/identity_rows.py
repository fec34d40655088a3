"""The rows that say who a node is: read them beside anybody, and renew them in one transaction.

A renewed journal is another node's.  Every stream of it is new, so no number can be used twice,
whatever a copy of the folder does under the old names.  What the receiver had confirmed is
forgotten, because under the new names it would be sent again.

What is counted stands in `meta`, where an older version does not look for it: `forks_LANE`, how
often the engine found that a copy had gone on under the lane's name, and `renewals`, how often a
person has renewed the node.  A salvage begins both anew.
"""

import os
from collections import namedtuple
from pathlib import Path

import apsw

from tidegate.records.stream import IDENTITY_DIGITS, Stream
from tidegate.store.lane import Lane
from tidegate_linux.journal.connection import connect_readonly
from tidegate_linux.journal.errors import WORLD_ERRORS, JournalError, storage_error
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.journal.lane_rows import load_lanes
from tidegate_linux.journal.reading import read_journal_state
from tidegate_linux.journal.sql import all_rows, one_row, seal_of, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate_linux.journal.lane_rows import StoredLane

LEFT_TO_ORIGINAL = "left-to-original"  # Why held records were dropped: the original has them, too.

_COUNT = "INSERT INTO meta VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class StreamIdentity(
    namedtuple(
        "StreamIdentity",
        ("stream", "admitted", "through", "last_hash", "held_records", "quarantined", "forks"),
    )
):
    """A stream as the receiver knows it, and `forks`: how often a copy of it was found out."""

    __slots__ = ()
    stream: Stream
    admitted: int
    through: int
    last_hash: int
    held_records: int
    quarantined: int
    forks: int


class Identity(
    namedtuple("Identity", ("node", "former_node", "renewals", "boots", "quarantined", "streams"))
):
    """Who a node is; `former_node` is who it was before it was renewed, or empty.

    `quarantined` are all records in quarantine; a stream counts those only that it had admitted.
    """

    __slots__ = ()
    node: str
    former_node: str
    renewals: int
    boots: int
    quarantined: int
    streams: "tuple[StreamIdentity, ...]"


def read_identity(folder: Path) -> Identity:
    """Return who the node is whose journal is in `folder`, whether a gateway runs on it or not.

    Raises `JournalError` where there is no journal, and `StorageError`.
    """
    try:
        database = JournalFolder(folder).database
        if not database.exists():
            raise JournalError(f"there is no journal in {folder}", "start the gateway once")
        connection = connect_readonly(database)
        try:
            connection.execute("BEGIN")
            return _identity(connection)
        finally:
            connection.close()
    except WORLD_ERRORS as error:
        raise storage_error(error) from error


def count_fork(connection: apsw.Connection, lane: str) -> None:
    """Count that a copy of the lane's stream was found out, in the caller's transaction."""
    connection.execute(_COUNT, (f"forks_{lane}",))


def renew_identity(
    connection: apsw.Connection,
    lanes: "dict[str, StoredLane]",
    is_held_discarded: bool,
) -> None:
    """Make the journal another node's, in the caller's transaction; nobody else has it.

    What is held stays and is numbered from 1.  Where it is discarded, those numbers are a gap.
    """
    meta = dict(all_rows(connection, "SELECT name, value FROM meta"))
    former = unsealed("meta", (meta.get("node"), meta.get("node_seal")))[0]
    node = _new_name()
    names = (("node", node), ("node_seal", seal_of(node)), ("former_node", former))
    connection.executemany("REPLACE INTO meta VALUES (?, ?)", names)
    connection.execute(_COUNT, ("renewals",))
    for lane in lanes.values():
        lane.renew(connection, _new_name())
        if is_held_discarded:
            _discard_held(connection, lane)
        lane.store(connection)
        connection.execute("DELETE FROM meta WHERE name = ?", (f"forks_{lane.lane}",))


def _new_name() -> str:
    return os.urandom(IDENTITY_DIGITS // 2).hex()


def _discard_held(connection: apsw.Connection, lane: "StoredLane") -> None:
    """Make gaps of what is held; those that are there keep their reasons."""
    if lane.last:
        account = Lane(lane.state(connection))
        held = (1, lane.last, lane.held_bytes)
        for entry in account.set_aside(*held, LEFT_TO_ORIGINAL, False):
            lane.drop(connection, entry)


def _identity(connection: apsw.Connection) -> Identity:
    state = read_journal_state(connection, load_lanes(connection).values(), 0)
    meta = dict(all_rows(connection, "SELECT name, value FROM meta"))
    former = meta.get("former_node")
    streams = [
        StreamIdentity(
            Stream(state.node, lane.epoch, lane.lane), lane.last, lane.through,
            lane.last_hash, lane.held_records, lane.quarantined,
            _count(meta.get(f"forks_{lane.lane}")),
        )
        for lane in state.lanes
    ]  # fmt: skip
    return Identity(
        state.node,
        former if isinstance(former, str) else "",
        _count(meta.get("renewals")),
        state.boots[-1].number if state.boots else 0,
        one_row(connection, "SELECT count(*) FROM quarantine")[0],
        tuple(streams),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
