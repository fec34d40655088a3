"""The fields in which a receiver answers; `receipt` reads them.

They travel as a JSON object; making text of them is the platform's part.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.stream import Stream
    from tidegate.wire.receipt import Cursor, Receipt, Standing


def standing_fields(stream: "Stream", standing: "Standing") -> "dict[str, object]":
    """Return what a receiver answers to a query about `stream`."""
    fields = _cursor_fields(stream, standing.cursor, standing.generation)
    if standing.asked:
        fields["at"] = standing.asked
        fields["hash_at"] = None if standing.asked_hash is None else hash_text(standing.asked_hash)
    return fields


def receipt_fields(stream: "Stream", receipt: "Receipt") -> "dict[str, object]":
    """Return what a receiver answers to a batch of `stream` that it applied or had applied."""
    fields = _cursor_fields(stream, receipt.cursor, receipt.generation)
    fields["first"] = receipt.first
    fields["last"] = receipt.last
    return fields


def _cursor_fields(stream: "Stream", cursor: "Cursor", generation: str) -> "dict[str, object]":
    return {
        "stream": str(stream),
        "through": cursor.through,
        "hash": None if cursor.hash_at is None else hash_text(cursor.hash_at),
        "generation": generation,
    }


def hash_text(running_hash: int) -> str:
    """Return a running hash as it stands in receipts: 8 hex digits."""
    return f"{running_hash:08x}"
