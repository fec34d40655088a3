"""A receiver in memory, on the ledger that the hub uses, and as sick as a test wants it.

`answer` takes what a link was given and returns (status, fields). Runs on CPython and MicroPython.
"""

from tidegate.wire import ledger
from tidegate.wire.batch import encode
from tidegate.wire.decoder import decode
from tidegate.wire.ledger import NEW_STREAM, examine
from tidegate.wire.receipt import Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields

GENERATION = "00000000000000aa"


class ScriptedHub:
    """Applies batches; refuses those that hold a payload in `poison` or are over `records_max`."""

    def __init__(self, generation=GENERATION):
        self.generation = generation
        self.poison = set()
        self.records_max = 1 << 30
        self.cursors = {}
        self.hashes = {}  # stream -> {seq: running hash}
        self.payloads = []  # In the order in which they were applied.
        self.gaps = []  # (first, last, reason)
        self.posts = 0
        self.refused = 0  # How many posts were not taken, for whatever reason.
        self.queries = 0

    def copy(self):
        """Return this hub as a backup of it would come back: another generation."""
        other = ScriptedHub("00000000000000bb")
        other.cursors = dict(self.cursors)
        other.hashes = {name: dict(hashes) for name, hashes in self.hashes.items()}
        other.payloads = list(self.payloads)
        other.gaps = list(self.gaps)
        return other

    def query(self, stream, at):
        """Return the answer to a query."""
        self.queries += 1
        cursor = self.cursors.get(str(stream), NEW_STREAM)
        asked_hash = self.hashes.get(str(stream), {}).get(at)
        return 200, standing_fields(stream, Standing(cursor, self.generation, at, asked_hash))

    def receive(self, batch):
        """Return the answer to a batch."""
        self.posts += 1
        status, fields = self._receive(batch)
        self.refused += status != 200
        return status, fields

    def _receive(self, batch):
        # A batch must survive its own encoding.
        batch = decode(encode(batch))
        span = batch.span
        if len(span.records) > self.records_max:
            return 413, {"error": "too-large"}
        if [True for record in span.records if record.payload in self.poison]:
            return 422, {"error": "bad-record", "detail": "unfit"}
        name = str(batch.stream)
        verdict = examine(self.cursors.get(name, NEW_STREAM), span)
        if verdict.kind in (ledger.AHEAD, ledger.FORK):
            standing = Standing(verdict.cursor, self.generation, 0, None)
            return 409, standing_fields(batch.stream, standing)
        if verdict.kind == ledger.APPLY:
            self._apply(name, verdict)
        receipt = Receipt(span.first, span.last, verdict.cursor, self.generation)
        return 200, receipt_fields(batch.stream, receipt)

    def _apply(self, name, verdict):
        self.cursors[name] = verdict.cursor
        hashes = self.hashes.setdefault(name, {})
        at = verdict.first
        waiting = list(verdict.gaps)
        for index in range(len(verdict.records)):
            while waiting and waiting[0].first == at:
                at = waiting.pop(0).last + 1
            hashes[at] = verdict.hashes[index]
            at += 1
        for gap in verdict.gaps:
            hashes[gap.last] = gap.hash_at
            self.gaps.append((gap.first, gap.last, gap.reason))
        self.payloads.extend([record.payload for record in verdict.records])
