"""What a receiver says, and how it reads what it is asked: the hub, and a gateway for its nodes.

No database and no HTTP in it but the status numbers.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

from tidegate.errors import ProtocolError
from tidegate.limits import BATCH_BYTES_MAX, SEQ_MAX
from tidegate.records.stream import Stream, is_identity, parse_stream
from tidegate.wire.batch import Batch
from tidegate.wire.decoder import decode
from tidegate.wire.ledger import FORK
from tidegate.wire.receipt import Cursor, Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields

RETRY_AFTER_S = 5  # A locked or restarting database is back in seconds; senders spread themselves.


class Answer(NamedTuple):
    """What to reply: an HTTP status, the fields of a JSON object, and Retry-After unless 0."""

    status: int
    fields: dict[str, object]
    retry_after_s: int = 0


def refusal(status: int, word: str, detail: str, retry_after_s: int = 0) -> Answer:
    """Return an answer that refuses: a fixed word for programs, a sentence for people."""
    return Answer(status, {"error": word, "detail": detail}, retry_after_s)


def refused_bytes(error: ProtocolError) -> Answer:
    """Return the answer to what is not a batch, not a stream, or too large."""
    return refusal(413 if error.reason == "too-large" else 422, error.reason, error.detail)


def foreign_node(node: str) -> Answer:
    """Return the answer to who sends for a node that is somebody else's."""
    return refusal(
        403,
        "foreign-node",
        f"node {node} has sent with another token before; if this gateway was restored"
        " from another one's image, remove its journal so that it gets an identity of its own",
    )


def applied(stream: Stream, first: int, last: int, cursor: Cursor, generation: str) -> Answer:
    """Return the receipt for a batch that is applied, now or before."""
    return Answer(200, receipt_fields(stream, Receipt(first, last, cursor, generation)))


def conflict(kind: str, batch: Batch, cursor: Cursor, generation: str) -> Answer:
    """Return the answer to a batch of which the ledger says `FORK`, or else `AHEAD`."""
    expected = cursor.through + 1
    if kind == FORK:
        word = "fork"
        detail = "another history is stored under this stream: open a new epoch"
    else:
        word = "out-of-order"
        detail = f"the batch begins at {batch.span.first}, expected is {expected}"
    fields: dict[str, object] = {"error": word, "detail": detail, "expected": expected}
    fields.update(standing_fields(batch.stream, Standing(cursor, generation, 0, None)))
    return Answer(409, fields)


def read_batch(
    name: str,
    body: bytes,
    inflate: Callable[[bytes, int], bytes] | None,
    bytes_max: int = BATCH_BYTES_MAX,
) -> Batch:
    """Return the batch in `body`, which must be of the stream called `name`.

    Where the way names no more than the node, `name` is that.  Raises `ProtocolError`.
    """
    stream = None if is_identity(name) else parse_stream(name)
    batch = decode(body, inflate, bytes_max)
    if stream is None and batch.stream.node != name:
        raise foreign_stream(str(batch.stream), name)
    if stream is not None and batch.stream != stream:
        raise foreign_stream(str(batch.stream), name)
    return batch


def foreign_stream(given: str, expected: str) -> ProtocolError:
    """Return the error for a request about another stream than its place says."""
    return ProtocolError("foreign-stream", f"this is about {given:.80}, not about {expected:.80}")


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


def read_at(text: str) -> int:
    """Return the sequence number in `text`, 0 for an empty one; raise `ProtocolError`."""
    if not text:
        return 0
    if len(text) > len(str(SEQ_MAX)) or not (text.isascii() and text.isdigit()):
        raise ProtocolError("bad-range", "at is not a sequence number")
    at = int(text)
    if at > SEQ_MAX:
        raise ProtocolError("bad-range", f"at is over {SEQ_MAX}")
    return at
