"""The receiver: the bytes of a batch in, an answer out; no HTTP in it but the status numbers.

Promises that every answer is one of the table below, that it is made after the commit it reports,
and that nothing a peer sends raises out of here.

| status | error | when |
|---|---|---|
| 200 | | applied, or applied before: a receipt |
| 403 | foreign-node | the node's identity belongs to another token |
| 409 | out-of-order | something before the batch is missing; `expected` is where to go on |
| 409 | fork | another history stands under this name |
| 413 | too-large | a batch over a limit |
| 422 | a reason of the core | the bytes are not a batch, or not one of this stream |
| 422 | not-storable | the database cannot hold a value that is in it |
| 500 | integrity | an alarm: the database contradicts the ledger |
| 503 | unavailable | the database did not do it now |
"""

import logging
from collections.abc import Callable

from tidegate.errors import ProtocolError
from tidegate.records.stream import parse_stream
from tidegate.wire.batch import Batch
from tidegate.wire.ledger import AHEAD, APPLY, FORK
from tidegate.wire.reply import standing_fields
from tidegate_hub import answers
from tidegate_hub.answers import RETRY_AFTER_S, Answer, inflate, read_at, read_batch, refusal
from tidegate_hub.errors import (
    ForeignNodeError,
    IntegrityError,
    UnavailableError,
    UnstorableError,
)
from tidegate_hub.metrics import Metrics
from tidegate_hub.store import Applied, Store

_LOG = logging.getLogger("tidegate.hub")


class Receiver:
    """Answers batches and queries from a store; safe to use from several threads."""

    def __init__(self, store: Store, metrics: Metrics, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._metrics = metrics
        self._wall_ms = wall_ms

    def receive(self, name: str, owner: str, body: bytes) -> Answer:
        """Apply the batch in `body` to the stream called `name`, sent with the token of `owner`."""
        received_ms = self._wall_ms()
        try:
            batch = read_batch(name, body, inflate)
            applied = self._store.apply(batch, owner, received_ms)
        except _REFUSALS as error:
            return self._refusal(error, name, owner)
        return self._answer(batch, applied, owner)

    def standing(self, name: str, owner: str, at_text: str) -> Answer:
        """Tell where the stream called `name` stands, and its hash at the number in `at_text`."""
        try:
            stream = parse_stream(name)
            standing = self._store.standing(stream, owner, read_at(at_text))
        except _REFUSALS as error:
            return self._refusal(error, name, owner)
        return Answer(200, standing_fields(stream, standing))

    def check(self) -> Answer:
        """Tell whether the database answers."""
        try:
            self._store.check()
        except UnavailableError as error:
            return self._refusal(error, "health", "nobody")
        return Answer(200, {"status": "ok"})

    def _answer(self, batch: Batch, applied: Applied, owner: str) -> Answer:
        stream, span, generation = batch.stream, batch.span, self._store.generation
        if applied.kind in (AHEAD, FORK):
            if applied.kind == FORK:
                _LOG.error(
                    "fork: %s sends another history of %s than the one stored here through %d;"
                    " it is a copy, or its journal was restored",
                    owner, stream, applied.cursor.through,
                )  # fmt: skip
            answer = answers.conflict(applied.kind, batch, applied.cursor, generation)
            self._metrics.count("refused", 1, str(answer.fields["error"]))
            return answer
        self._metrics.count("batches", 1, "applied" if applied.kind == APPLY else "known")
        self._metrics.count("records", applied.records)
        self._metrics.count("gaps", applied.gaps)
        return answers.applied(stream, span.first, span.last, applied.cursor, generation)

    def _refusal(self, error: Exception, name: str, owner: str) -> Answer:
        answer = _refusal_answer(error)
        word = answer.fields["error"]
        self._metrics.count("refused", 1, str(word))
        # The peer chose the name of the stream: quoted, so that it cannot forge lines of the log.
        level = logging.ERROR if answer.status >= 500 else logging.WARNING
        detail = error.detail if isinstance(error, ProtocolError) else str(error)
        _LOG.log(level, "refused %.80r of %s: %s: %.300s", name, owner, word, detail)
        return answer


_REFUSALS = (ProtocolError, ForeignNodeError, UnstorableError, UnavailableError, IntegrityError)


def _refusal_answer(error: Exception) -> Answer:
    if isinstance(error, ProtocolError):
        return answers.refused_bytes(error)
    if isinstance(error, ForeignNodeError):
        return answers.foreign_node(error.node)
    if isinstance(error, UnstorableError):
        return refusal(422, "not-storable", "the database cannot hold a value of this batch")
    if isinstance(error, UnavailableError):
        # What the driver says may name hosts and files: for the log, not for the peer.
        return refusal(503, "unavailable", "the database did not answer", RETRY_AFTER_S)
    return refusal(500, "integrity", "the database contradicts the ledger; nothing was applied")
