"""Where a record comes from that another node brought: its stream, its number, and when it was.

A gateway that takes batches from nodes admits their records into its own stream and gives each a
user property named `tidegate-origin`, which the hub shows.  Its value is `<stream> <seq> <time>`:

- `w<ms>:<quality>`: the wall time in ms since 1970; quality 1 set, 2 synchronised, 3 estimated;
- `a<ms>`: no wall time was known, but the age: captured so long before the record's own ticks;
- `-`: nothing is known of the time.

There is one way to write each value.  What a peer sends may be anything: it is an origin only if
it is one to the letter.  Who brings an origin along already, as a gateway behind a gateway does,
keeps it: the first one counts.
"""

import struct
from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.limits import LANE_BYTES_MAX, PROPERTIES_BYTES_MAX, SEQ_MAX, TICKS_MS_MAX
from tidegate.records.clock import SYNCHRONISED, UNKNOWN, is_plausible
from tidegate.records.record import pack_properties, unpack_properties
from tidegate.records.stream import IDENTITY_DIGITS, parse_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.stream import Stream

ORIGIN = b"tidegate-origin"
GAP_TOPIC = b"$tidegate/gap"  # Of the record that tells of a gap in a node's stream.

ESTIMATED = SYNCHRONISED + 1  # The quality of a time that is somebody's clock less an age.

# The longest name of a stream, two numbers of 16 digits, a letter, a colon, a quality, two spaces.
_VALUE_BYTES_MAX = 2 * IDENTITY_DIGITS + LANE_BYTES_MAX + 2 + 16 + 16 + 5


class Origin(namedtuple("Origin", ("stream", "seq", "wall_ms", "quality", "age_ms"))):
    """What the property says.

    `wall_ms` is None while `quality` is UNKNOWN; then `age_ms` tells how long before the record's
    own ticks it was captured, None where that is not known either.
    """

    __slots__ = ()
    stream: "Stream"
    seq: int
    wall_ms: "int | None"
    quality: int
    age_ms: "int | None"


def time_text(wall_ms: "int | None", quality: int, age_ms: "int | None") -> str:
    """Return the last part of a value."""
    if wall_ms is not None:
        return f"w{wall_ms}:{quality}"
    return "-" if age_ms is None else f"a{age_ms}"


def origin_value(origin: Origin) -> bytes:
    """Return the value of the property that says `origin`."""
    time = time_text(origin.wall_ms, origin.quality, origin.age_ms)
    return f"{origin.stream} {origin.seq} {time}".encode()


def packed_origin(value: bytes) -> bytes:
    """Return the packed property; it may stand behind others that are packed."""
    return struct.pack("<HH", len(ORIGIN), len(value)) + ORIGIN + value


def parse_origin(value: bytes) -> Origin:
    """Return the origin in a property's `value`; raise `ProtocolError` when it is none."""
    if len(value) > _VALUE_BYTES_MAX:
        raise _bad_origin()
    try:
        text = value.decode()
    except ValueError:
        raise _bad_origin()
    parts = text.split(" ")
    if len(text) != len(value) or len(parts) != 3:
        raise _bad_origin()
    seq = _number(parts[1], SEQ_MAX)
    if seq == 0:
        raise _bad_origin()
    wall_ms, quality, age_ms = _time(parts[2])
    return Origin(parse_stream(parts[0]), seq, wall_ms, quality, age_ms)


def find_origin(properties: bytes) -> "Origin | None":
    """Return the origin among packed `properties`, None where there is none that is one.

    Raises `ProtocolError` for what is not packed.
    """
    if ORIGIN not in properties:
        return None  # Most records have none: nothing is taken apart for them.
    for name, value in unpack_properties(properties):
        if name == ORIGIN:
            try:
                return parse_origin(value)
            except ProtocolError:
                return None
    return None


def without_origin(properties: bytes) -> bytes:
    """Return packed `properties` without any origin, be it one to the letter or not."""
    if ORIGIN not in properties:
        return properties
    pairs = unpack_properties(properties)
    return pack_properties([pair for pair in pairs if pair[0] != ORIGIN])


def with_origin(properties: bytes, value: bytes) -> bytes:
    """Return packed `properties`, which have no origin, with one behind them.

    Of properties that leave no room for it the last ones are left out.
    """
    origin = packed_origin(value)
    if len(properties) + len(origin) > PROPERTIES_BYTES_MAX:
        pairs = unpack_properties(properties)
        while len(properties) + len(origin) > PROPERTIES_BYTES_MAX:
            pairs.pop()
            properties = pack_properties(pairs)
    return properties + origin


def _time(text: str) -> "tuple[int | None, int, int | None]":
    if text == "-":
        return None, UNKNOWN, None
    if text[:1] == "a":
        return None, UNKNOWN, _number(text[1:], TICKS_MS_MAX)
    wall, colon, quality = text[1:].partition(":")
    if text[:1] != "w" or not colon:
        raise _bad_origin()
    wall_ms = _number(wall, TICKS_MS_MAX)
    known = _number(quality, ESTIMATED)
    if known == UNKNOWN or not is_plausible(wall_ms):
        raise _bad_origin()
    return wall_ms, known, None


def _number(text: str, at_most: int) -> int:
    """Return the decimal number in `text`, of which there is only one way to write it."""
    # Bytes that are no ASCII were refused before: these digits are 0 to 9 on both Pythons.
    if not 0 < len(text) <= 16 or not text.isdigit() or (text[0] == "0" and text != "0"):
        raise _bad_origin()
    number = int(text)
    if number > at_most:
        raise _bad_origin()
    return number


def _bad_origin() -> ProtocolError:
    return ProtocolError("bad-origin", "this does not say where a record comes from")
