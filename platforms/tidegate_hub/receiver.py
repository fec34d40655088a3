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
import zlib
from collections.abc import Callable
from typing import NamedTuple

from tidegate.errors import ProtocolError
from tidegate.limits import SEQ_MAX
from tidegate.records.stream import Stream, parse_stream
from tidegate.wire.batch import Batch
from tidegate.wire.decoder import decode
from tidegate.wire.ledger import AHEAD, APPLY, FORK
from tidegate.wire.receipt import Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields
from tidegate_hub.errors import (
    ForeignNodeError,
    IntegrityError,
    UnavailableError,
    UnstorableError,
)
from tidegate_hub.metrics import Metrics
from tidegate_hub.store import Applied, Store

RETRY_AFTER_S = 5  # A locked or restarting database is back in seconds; senders spread themselves.

_LOG = logging.getLogger("tidegate.hub")


class Answer(NamedTuple):
    """What to reply: an HTTP status, the fields of a JSON object, and Retry-After unless 0."""

    status: int
    fields: dict[str, object]
    retry_after_s: int = 0


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
            stream = parse_stream(name)
            batch = decode(body, inflate)
            if batch.stream != stream:
                raise ProtocolError(
                    "foreign-stream", f"the batch is of stream {batch.stream}, not of {stream}"
                )
            applied = self._store.apply(batch, owner, received_ms)
        except _REFUSALS as error:
            return self._refusal(error, name, owner)
        return self._answer(batch, applied, owner)

    def standing(self, name: str, owner: str, at_text: str) -> Answer:
        """Tell where the stream called `name` stands, and its hash at the number in `at_text`."""
        try:
            stream = parse_stream(name)
            standing = self._store.standing(stream, owner, _read_at(at_text))
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
        stream, span = batch.stream, batch.span
        if applied.kind == AHEAD:
            missing = applied.cursor.through + 1
            detail = f"the batch begins at {span.first}, expected is {missing}"
            return self._conflict("out-of-order", detail, stream, applied)
        if applied.kind == FORK:
            _LOG.error(
                "fork: %s sends another history of %s than the one stored here through %d;"
                " it is a copy, or its journal was restored",
                owner, stream, applied.cursor.through,
            )  # fmt: skip
            detail = "another history is stored under this stream: open a new epoch"
            return self._conflict("fork", detail, stream, applied)
        self._metrics.count("batches", 1, "applied" if applied.kind == APPLY else "known")
        self._metrics.count("records", applied.records)
        self._metrics.count("gaps", applied.gaps)
        receipt = Receipt(span.first, span.last, applied.cursor, self._store.generation)
        return Answer(200, receipt_fields(stream, receipt))

    def _conflict(self, word: str, detail: str, stream: Stream, applied: Applied) -> Answer:
        self._metrics.count("refused", 1, word)
        standing = Standing(applied.cursor, self._store.generation, 0, None)
        fields: dict[str, object] = {
            "error": word,
            "detail": detail,
            "expected": applied.cursor.through + 1,
        }
        fields.update(standing_fields(stream, standing))
        return Answer(409, fields)

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
        status = 413 if error.reason == "too-large" else 422
        return refusal(status, error.reason, error.detail)
    if isinstance(error, ForeignNodeError):
        return refusal(
            403,
            "foreign-node",
            f"node {error.node} has sent with another token before; if this gateway was restored"
            " from another one's image, remove its journal so that it gets an identity of its own",
        )
    if isinstance(error, UnstorableError):
        return refusal(422, "not-storable", "the database cannot hold a value of this batch")
    if isinstance(error, UnavailableError):
        # What the driver says may name hosts and files: for the log, not for the peer.
        return refusal(503, "unavailable", "the database did not answer", RETRY_AFTER_S)
    return refusal(500, "integrity", "the database contradicts the ledger; nothing was applied")


def refusal(status: int, word: str, detail: str, retry_after_s: int = 0) -> Answer:
    """Return an answer that refuses: a fixed word for programs, a sentence for people."""
    return Answer(status, {"error": word, "detail": detail}, retry_after_s)


def inflate(stored: bytes, bytes_max: int) -> bytes:
    """Undo a raw deflate, making at most one byte more than `bytes_max`.

    Raises `ValueError` for what is no whole stream, or has something behind its end.
    """
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(stored, bytes_max + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(plain) <= bytes_max and not inflater.eof:
        raise ValueError("the stream is cut off")
    if inflater.unused_data:
        raise ValueError("something follows the stream")
    return plain


def _read_at(text: str) -> int:
    """Return the sequence number in `text`, 0 for an empty one; raise `ProtocolError`."""
    if not text:
        return 0
    if len(text) > len(str(SEQ_MAX)) or not (text.isascii() and text.isdigit()):
        raise ProtocolError("bad-range", "at is not a sequence number")
    at = int(text)
    if at > SEQ_MAX:
        raise ProtocolError("bad-range", f"at is over {SEQ_MAX}")
    return at
