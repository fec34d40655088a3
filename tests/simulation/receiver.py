"""The hub: the core's own ledger on a model of its database, with everything that can go wrong.

What it has committed survives its crashes; a restart gives it a new generation, a restored backup
an older state as well.  It may die before it applies a batch, and between that and its answer.
"""

import zlib
from typing import Any, NamedTuple

from simulation.oracle import Oracle, uid_of
from simulation.plan import POISON, Plan
from simulation.world import World
from tidegate.errors import ProtocolError
from tidegate.records.record import size_bytes
from tidegate.records.stream import Stream
from tidegate.store.journal import DAMAGED, EXPIRED, OVERFLOW, TOO_LARGE
from tidegate.store.lane import QUARANTINED
from tidegate.wire.batch import Batch
from tidegate.wire.decoder import decode
from tidegate.wire.ledger import AHEAD, APPLY, FORK, KNOWN, NEW_STREAM, Verdict, examine
from tidegate.wire.receipt import Cursor, Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.records.span import Gap

REASONS = (DAMAGED, EXPIRED, OVERFLOW, TOO_LARGE)  # Any other word is what a receiver has said.


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    fields: Any
    retry_after: str | None = None

    @property
    def name(self) -> str:
        """Return what it is called in the coverage."""
        kind = type(self.fields).__name__ if self.fields is not None else "nothing"
        return f"{self.status} {kind}" + (f" after {self.retry_after}" if self.retry_after else "")


class Table:
    """What is stored of one stream."""

    def __init__(self) -> None:
        self.cursor = NEW_STREAM
        self.rows: list[tuple[int, str]] = []
        self.hashes: dict[int, int] = {}
        self.gaps: list[Gap] = []

    def hash_at(self, seq: int) -> int | None:
        return self.cursor.hash_at if seq == self.cursor.through else self.hashes.get(seq)

    def write(self, verdict: Verdict, uids: list[str]) -> None:
        """Write the rows of a verdict; the cursor is another matter."""
        seq = verdict.first
        gaps = list(verdict.gaps)
        for uid, running in zip(uids, verdict.hashes, strict=True):
            while gaps and gaps[0].first == seq:
                seq = gaps.pop(0).last + 1
            self.rows.append((seq, uid))
            self.hashes[seq] = running
            seq += 1
        for gap in verdict.gaps:
            self.gaps.append(gap)
            self.hashes[gap.last] = gap.hash_at


class Receiver:
    """One hub."""

    def __init__(self, world: World, oracle: Oracle, plan: Plan) -> None:
        self.tables: dict[str, Table] = {}
        self.is_up = True
        self.boots: list[Boot] = []  # Of the batch that is applied.
        self.bytes_max = 1 << 30 if plan.lowers_limit else plan.receiver_bytes_max
        self._world = world
        self._oracle = oracle
        self._crash_rate = plan.receiver_crash_rate
        self._generation = self._new_generation()
        self._backups: list[dict[str, tuple[Cursor, int, int]]] = [{}]

    def heal(self) -> None:
        self._crash_rate = 0
        self.is_up = True

    def query(self, stream: Stream, at: int) -> Reply | None:
        """Answer a query; None where no answer comes."""
        if not self.is_up:
            return None
        table = self.tables.get(str(stream))
        if table is None:
            standing = Standing(NEW_STREAM, self._generation, at, None)
        else:
            standing = Standing(
                table.cursor, self._generation, at, table.hash_at(at) if at else None
            )
        return Reply(200, standing_fields(stream, standing))

    def send(self, stream: Stream, body: Batch | bytes) -> Reply | None:
        """Take a batch, decoded already or not; None where no answer comes."""
        if not self.is_up or self._dies("before it applies"):
            return None
        try:
            batch = decode(body, inflate) if isinstance(body, bytes) else body
            if batch.stream != stream:
                raise ProtocolError("foreign-stream", f"{batch.stream}, not {stream}")
        except ProtocolError as error:
            self._world.meet(f"receiver refuses {error.reason}")
            status = 413 if error.reason == "too-large" else 422
            return Reply(status, {"error": error.reason, "detail": error.detail})
        refusal = self._refusal(batch)
        if refusal is not None:
            return refusal
        table = self.tables.get(str(stream)) or Table()
        verdict = examine(table.cursor, batch.span)
        known_hash = table.hash_at(batch.span.last)
        kind = verdict.kind
        if kind == KNOWN and known_hash not in (None, batch.span.hash_after):
            kind = FORK
        self._world.note(f"receiver: {stream} {batch.span.first}-{batch.span.last} {kind}")
        self._world.meet(f"receiver says {kind}")
        if kind in (AHEAD, FORK):
            standing = Standing(table.cursor, self._generation, 0, None)
            fields: dict[str, Any] = {"error": "conflict", "expected": table.cursor.through + 1}
            fields.update(standing_fields(stream, standing))
            return Reply(409, fields)
        if kind == APPLY:
            self.boots = batch.span.boots
            self.apply(str(stream), table, verdict)
        if self._dies("before it answers"):
            return None
        receipt = Receipt(batch.span.first, batch.span.last, table.cursor, self._generation)
        return Reply(200, receipt_fields(stream, receipt))

    def apply(self, name: str, table: Table, verdict: Verdict) -> None:
        """Write records, gaps and cursor in one transaction."""
        uids = [self.uid(record) for record in verdict.records]
        self.tables[name] = table
        table.write(verdict, uids)
        table.cursor = verdict.cursor
        self._oracle.applied(name, uids)
        for gap in verdict.gaps:
            reason = gap.reason.removeprefix(QUARANTINED)
            self._world.meet(f"gap told: {reason if reason in REASONS else 'poison'}")

    def uid(self, record: "Record") -> str:
        """Return what the oracle calls a record."""
        return uid_of(record.payload)

    def _refusal(self, batch: Batch) -> Reply | None:
        records = batch.span.records
        total_bytes = sum([size_bytes(record) for record in records])
        if total_bytes > self.bytes_max:
            self._oracle.too_large_answers += 1
            self._world.meet("receiver says 413")
            detail = {"error": "too-large", "detail": "x"} if self._world.happens(0.5) else None
            return Reply(413, detail)
        for record in records:
            if record.payload.startswith(POISON):
                self._world.meet("receiver says 422")
                return Reply(422, {"error": "not-storable", "detail": "poison\x07"})
        return None

    def restart(self) -> None:
        """Come up after a crash or an update."""
        self.is_up = True
        self._generation = self._new_generation()

    def back_up(self) -> None:
        """Keep a copy of all that is stored."""
        tables = self.tables.items()
        self._backups.append(
            {name: (table.cursor, len(table.rows), len(table.gaps)) for name, table in tables}
        )

    def restore(self) -> None:
        """Go back to a copy: what came in since is gone."""
        self._world.meet("receiver restored from a backup")
        backup = self._world.chance.choice(self._backups)
        self._world.note("receiver restored from a backup")
        for name in list(self.tables):
            table = self.tables[name]
            cursor, rows, gaps = backup.get(name, (NEW_STREAM, 0, 0))
            self._oracle.lost_by_receiver([uid for _, uid in table.rows[rows:]])
            table.cursor = cursor
            del table.rows[rows:]
            del table.gaps[gaps:]
            table.hashes = {
                seq: running for seq, running in table.hashes.items() if seq <= cursor.through
            }
            if cursor.through == 0:
                del self.tables[name]
        # A copy made after this one is of a history that never was.
        del self._backups[self._backups.index(backup) + 1 :]
        self.restart()

    def _dies(self, when: str) -> bool:
        if not self._world.happens(self._crash_rate):
            return False
        self._world.meet(f"receiver dies {when}")
        self._world.note(f"receiver dies {when}")
        self.is_up = False
        self._world.after(self._world.between(100, 3000), self._up_again)
        return True

    def _up_again(self) -> None:
        if not self.is_up:
            self.restart()

    def _new_generation(self) -> str:
        return f"{self._world.chance.getrandbits(64):016x}"


def inflate(stored: bytes, bytes_max: int) -> bytes:
    """Undo a raw deflate."""
    try:
        return zlib.decompressobj(-15).decompress(stored, bytes_max + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
