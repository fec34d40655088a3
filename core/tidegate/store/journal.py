"""The journal port: what every platform's durable store promises, and the entries it holds.

A journal is a log of *entries* that is atomic between two syncs: after a crash it holds every entry
up to some sync, at least the last one that returned, and nothing of a later, unfinished one that
would contradict it.  SQLite maps entries to rows, a segment log to frames.

Contract of an adapter, beyond each method's text:

- `append` may buffer; `sync` returns only when all that was appended is on the medium and would
  survive a power cut.  Nobody acknowledges anything in between.
- After a `StorageError` the journal is of no more use: close it, open it again, `recover`.
- Delivered records stay readable until an entry `Forgotten` releases them.
- Sequence numbers are the stream's; what a `Renewed` lane called 101 may become 1 of the new epoch.

`tests/contracts/journal_contract.py` holds every adapter to it, the faulty fake included.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.records.span import Gap, Span

    class Journal(Protocol):
        """A durable log of entries; see the module's text for the contract."""

        def recover(self) -> "JournalState":
            """Return what the journal holds; call it first, once."""

        def append(self, entries: "list[Entry]") -> None:
            """Add `entries` in order; durable only after `sync`."""

        def sync(self) -> None:
            """Return when everything appended is on the medium; raise `StorageError` otherwise."""

        def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> "Span":
            """Return synced records and gaps of `lane` from `first` on, verified.

            At most `count_max` records and about `bytes_max` bytes, but at least one record.  From
            a `first` that was forgotten on, the span opens with a gap of reason `EXPIRED`.
            """

        def hash_at(self, lane: str, seq: int) -> "int | None":
            """Return the running hash at `seq`, or None inside a gap and where it was forgotten."""

        def notes(
            self, source: str, first: bytes, stop: bytes, count_max: int
        ) -> "list[tuple[bytes, bytes]]":
            """Return synced notes of `source` with `first` <= key < `stop`, by key, verified.

            At most `count_max`, and fewer only where there are no more.  A note that is not what
            was stored is left out; what it said is lost, and no start fails for it (P5).
            """

        def usage(self) -> "Usage":
            """Return what the journal takes and what is free; cheap enough for every commit."""

        def close(self) -> None:
            """Release the files; never raises."""


class Admitted(namedtuple("Admitted", ("lane", "first", "hashes", "records"))):
    """Records that take the numbers from `first` on.

    `hashes[i]` is the running hash after `records[i]`.
    """

    __slots__ = ()
    lane: str
    first: int
    hashes: "list[int]"
    records: "list[Record]"


class Released(namedtuple("Released", ("lane", "through", "delivered"))):
    """The receiver has applied all through `through`.

    `delivered` is how many records that releases for the first time.
    """

    __slots__ = ()
    lane: str
    through: int
    delivered: int


class Dropped(namedtuple("Dropped", ("lane", "first", "last", "hash_at", "reason", "kept"))):
    """`first..last` become a gap.

    `kept`: the records move to the quarantine instead of vanishing.  `hash_at` is the running hash
    at `last`, or None where the journal holds that row and so knows it.  The range may lie right
    behind the last admitted record (then none of it was ever stored), and never overlaps a gap.
    """

    __slots__ = ()
    lane: str
    first: int
    last: int
    hash_at: "int | None"
    reason: str
    kept: bool


class Forgotten(namedtuple("Forgotten", ("lane", "through"))):
    """Delivered records of `lane` up to `through` need not be kept any longer."""

    __slots__ = ()
    lane: str
    through: int


class Booted(namedtuple("Booted", ("boot",))):
    """A boot to remember, or what has become known of one: replaces that of the same number."""

    __slots__ = ()
    boot: "Boot"


class Renewed(namedtuple("Renewed", ("lane", "epoch"))):
    """`lane` goes on as a new stream under `epoch`.

    What is held keeps its order and its running hashes and is numbered from 1; delivered records,
    and gaps that were delivered, are forgotten.  `delivered` starts at 0 again; `quarantined` and
    `dropped` count what lies in the gaps that are still to be told.
    """

    __slots__ = ()
    lane: str
    epoch: str


class Spent(namedtuple("Spent", ("day", "sent_bytes"))):
    """What the uplink has sent on `day`, so that a restart does not renew the budget."""

    __slots__ = ()
    day: int
    sent_bytes: int


class Noted(namedtuple("Noted", ("source", "notes"))):
    """Notes that a source keeps for itself: (key, value) pairs; a value of None deletes the key.

    The journal knows nothing of what they mean.  Of two with one key the later one counts.  A
    segment log has no frame for them: no source of such a node keeps notes.
    """

    __slots__ = ()
    source: str
    notes: "list[tuple[bytes, bytes | None]]"


if TYPE_CHECKING:
    Entry = Admitted | Released | Dropped | Forgotten | Booted | Renewed | Spent | Noted

EXPIRED = "expired"  # Delivered once, then forgotten; the receiver has lost it since.
OVERFLOW = "overflow"
DAMAGED = "damaged"
TOO_LARGE = "too-large"


class LaneState(
    namedtuple(
        "LaneState",
        (
            "lane",
            "epoch",
            "last",
            "last_hash",
            "through",
            "forgotten",
            "delivered",
            "quarantined",
            "dropped",
            "gaps",
            "held_records",
            "held_bytes",
        ),
    )
):
    """What a journal holds of one lane.

    `last` is the last number given out and `last_hash` the running hash there, `through` the last
    one released, `forgotten` the last one no longer kept.  `delivered`, `quarantined` and `dropped`
    (count by reason) count records of this epoch; `held_records` is counted from the rows, not
    computed from the other figures, so that the balance is a check.  `gaps` are those above
    `through`.
    """

    __slots__ = ()
    lane: str
    epoch: str
    last: int
    last_hash: int
    through: int
    forgotten: int
    delivered: int
    quarantined: int
    dropped: "dict[str, int]"
    gaps: "list[Gap]"
    held_records: int
    held_bytes: int


class JournalState(namedtuple("JournalState", ("node", "lanes", "boots", "spent", "recent"))):
    """All that a gateway needs from its journal at start.

    `recent` are topic and properties of the last admitted records, oldest first, at most as many as
    the adapter was asked for: message identities are found in them again.
    """

    __slots__ = ()
    node: str
    lanes: "list[LaneState]"
    boots: "list[Boot]"
    spent: Spent
    recent: "list[tuple[bytes, bytes]]"


class Usage(namedtuple("Usage", ("stored_bytes", "free_bytes"))):
    """`stored_bytes` of journal files in use (pages on a free list do not count), and the medium's
    `free_bytes` for this user."""

    __slots__ = ()
    stored_bytes: int
    free_bytes: int
