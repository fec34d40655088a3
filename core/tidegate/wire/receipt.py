"""The receipt: a receiver's word that it holds a range durably, and the cursor it answers with.

A status of 200 proves nothing: a captive portal answers 200 to everything.  Only these fields
count, each checked.  They travel as a JSON object; making text of them is the platform's part.  A
receiver makes them in `reply`.
"""

from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import SEQ_MAX
from tidegate.records.span import reason_text
from tidegate.records.stream import is_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.stream import Stream


class Cursor(namedtuple("Cursor", ("through", "hash_at"))):
    """How far a receiver has applied a stream.

    `hash_at` is the running hash at `through`; None only where nothing was applied yet, because the
    sender chooses a stream's first value.
    """

    __slots__ = ()
    through: int
    hash_at: "int | None"


class Standing(namedtuple("Standing", ("cursor", "generation", "asked", "asked_hash"))):
    """A receiver's standing with one stream, in answer to a query.

    `asked` is the sequence number whose running hash was asked for, 0 for none; `asked_hash` is
    None where the receiver does not have it (any more).
    """

    __slots__ = ()
    cursor: Cursor
    generation: str
    asked: int
    asked_hash: "int | None"


class Receipt(namedtuple("Receipt", ("first", "last", "cursor", "generation"))):
    """A receiver's word that it has applied all through `cursor.through`, after `first..last`."""

    __slots__ = ()
    first: int
    last: int
    cursor: Cursor
    generation: str


def read_standing(stream: "Stream", fields: object) -> Standing:
    """Return the standing in `fields`; raise `ProtocolError` when it is not one for `stream`."""
    cursor, generation = _read_cursor(stream, fields)
    assert isinstance(fields, dict)
    asked = _number(fields, "at") if "at" in fields else 0
    asked_hash = _hash(fields, "hash_at") if asked else None
    return Standing(cursor, generation, asked, asked_hash)


def read_receipt(stream: "Stream", fields: object) -> Receipt:
    """Return the receipt in `fields`; raise `ProtocolError` when it is not one for `stream`."""
    cursor, generation = _read_cursor(stream, fields)
    assert isinstance(fields, dict)
    first, last = _number(fields, "first"), _number(fields, "last")
    if not 0 < first <= last <= cursor.through or cursor.hash_at is None:
        raise ProtocolError(
            "bad-receipt", f"a receipt through {cursor.through} cannot cover {first} to {last}"
        )
    return Receipt(first, last, cursor, generation)


def _read_cursor(stream: "Stream", fields: object) -> "tuple[Cursor, str]":
    if not isinstance(fields, dict):
        raise ProtocolError("bad-receipt", "the answer is not an object: is a portal in the way?")
    if fields.get("stream") != str(stream):
        raise ProtocolError("bad-receipt", "the answer does not name this stream")
    generation = fields.get("generation")
    if not isinstance(generation, str) or not is_identity(generation):
        raise ProtocolError("bad-receipt", "the answer names no generation")
    through = _number(fields, "through")
    hash_at = _hash(fields, "hash")
    if through and hash_at is None:
        raise ProtocolError("bad-receipt", f"the answer names no hash at {through}")
    return Cursor(through, hash_at), generation


def _number(fields: "dict[object, object]", key: str) -> int:
    value = fields.get(key)
    # `True` is an int on CPython and none on MicroPython: refused on both.
    if value is True or value is False or not isinstance(value, int) or not 0 <= value <= SEQ_MAX:
        raise ProtocolError("bad-receipt", f"{key} is not a sequence number")
    return value


def _hash(fields: "dict[object, object]", key: str) -> "int | None":
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 8:
        raise ProtocolError("bad-receipt", f"{key} is not a running hash of 8 hex digits")
    number = 0
    for digit in value:
        index = "0123456789abcdef".find(digit)
        if index < 0:
            raise ProtocolError("bad-receipt", f"{key} is not a running hash of 8 hex digits")
        number = number * 16 + index
    return number


def refusal_word(fields: object) -> "str | None":
    """Return the fixed word of a receiver's refusal, None where no receiver speaks."""
    word = fields.get("error") if isinstance(fields, dict) else None
    return word if isinstance(word, str) else None


def refusal_text(status: int, fields: object) -> str:
    """Return what an answer that is no receipt says, for a person: one printable line."""
    text = f"status {status}"
    word = refusal_word(fields)
    if word is not None and isinstance(fields, dict):
        text += f" {word}"
        detail = fields.get("detail")
        if isinstance(detail, str):
            text += f": {detail}"
    return reason_text(text)
