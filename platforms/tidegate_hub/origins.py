"""Records that a gateway took from nodes: where they come from, and which of theirs are missing.

What says so travels in the records themselves, and any of it may be nonsense that somebody made
up: it is read as far as it is what a gateway writes, and what is not is as if it were not there.
So no batch is refused for it.
"""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.errors import ProtocolError
from tidegate.limits import SEQ_MAX
from tidegate.records.clock import UNKNOWN, is_plausible
from tidegate.records.origin import GAP_TOPIC, Origin
from tidegate.records.span import reason_text
from tidegate.records.stream import parse_stream
from tidegate_hub.tables import QUALITY_ESTIMATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate_hub.rows import RecordRow

# A stream's name, two numbers and a reason, with every letter of it escaped.
GAP_PAYLOAD_BYTES_MAX = 2048

OriginRow = tuple[int, int, int, int]
OriginGapRow = tuple[int, int, int, int, int, str]


class OriginGap(NamedTuple):
    """A gap in a node's stream, as a record on `$tidegate/gap` tells it."""

    stream: str
    first: int
    last: int
    reason: str


def read_gap(topic: bytes, payload: bytes) -> OriginGap | None:
    """Return the gap that a record tells of, None where it tells of none."""
    if topic != GAP_TOPIC or len(payload) > GAP_PAYLOAD_BYTES_MAX:
        return None
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    stream, reason = fields.get("stream"), fields.get("reason")
    first, last = fields.get("first"), fields.get("last")
    if type(first) is not int or type(last) is not int or not 0 < first <= last <= SEQ_MAX:
        return None
    if not isinstance(stream, str) or not isinstance(reason, str):
        return None
    try:
        parse_stream(stream)
    except ProtocolError:
        return None
    return OriginGap(stream, first, last, reason_text(reason))


def origin_time(origin: Origin, time_ms: int | None) -> tuple[int | None, int]:
    """Return when a record was captured at its node, and how sure that is.

    `time_ms` is the time of the record itself, which an age counts back from.
    """
    if origin.wall_ms is not None:
        return origin.wall_ms, origin.quality
    if origin.age_ms is None or time_ms is None or not is_plausible(time_ms - origin.age_ms):
        return None, UNKNOWN
    return time_ms - origin.age_ms, QUALITY_ESTIMATED


def with_origins(
    rows: "Sequence[RecordRow]",
    origins: "Sequence[Origin | None]",
    text_ids: "Mapping[bytes, int]",
) -> "tuple[list[RecordRow], list[OriginRow]]":
    """Return the rows with the times of their origins, and the rows of the origins."""
    timed: list[RecordRow] = []
    found: list[OriginRow] = []
    for row, origin in zip(rows, origins, strict=True):
        if origin is None:
            timed.append(row)
            continue
        stream_id, seq, time_ms, _, *rest = row
        # A type checker cannot follow the rest of a tuple.
        retimed: Any = (stream_id, seq, *origin_time(origin, time_ms), *rest)
        timed.append(retimed)
        found.append((stream_id, seq, text_ids[str(origin.stream).encode()], origin.seq))
    return timed, found
