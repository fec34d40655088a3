"""Where a record comes from: one way to write it, and nothing a peer sends does harm."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.limits import PROPERTIES_BYTES_MAX, SEQ_MAX, TICKS_MS_MAX
from tidegate.records.clock import CEILING_MS, FLOOR_MS
from tidegate.records.origin import (
    ORIGIN,
    Origin,
    find_origin,
    origin_value,
    packed_origin,
    parse_origin,
    with_origin,
    without_origin,
)
from tidegate.records.record import pack_properties, unpack_properties
from tidegate.records.stream import Stream

STREAM = Stream("00c0ffee00c0ffee", "5f3759df5f3759df", "main")
LONG = Stream("f" * 16, "e" * 16, "l" * 16)
NAME = str(STREAM)

VALUES = (
    (Origin(STREAM, 1, None, 0, None), f"{NAME} 1 -"),
    (Origin(STREAM, 42, None, 0, 0), f"{NAME} 42 a0"),
    (Origin(STREAM, 42, None, 0, 1500), f"{NAME} 42 a1500"),
    (Origin(STREAM, 7, FLOOR_MS, 1, None), f"{NAME} 7 w1735689600000:1"),
    (Origin(STREAM, 7, CEILING_MS - 1, 2, None), f"{NAME} 7 w4102444799999:2"),
    (Origin(STREAM, 7, FLOOR_MS, 3, None), f"{NAME} 7 w1735689600000:3"),
    (Origin(LONG, SEQ_MAX, None, 0, TICKS_MS_MAX), f"{LONG} 281474976710655 a9007199254740991"),
)

WRONG = (
    b"",
    b" ",
    b"  ",
    b"\xff" * 40,
    b"-",
    f"{NAME}".encode(),
    f"{NAME} 1".encode(),
    f"{NAME} 1 - ".encode(),
    f" {NAME} 1 -".encode(),
    f"{NAME}  1 -".encode(),
    f"{NAME} 0 -".encode(),
    f"{NAME} 01 -".encode(),
    f"{NAME} +1 -".encode(),
    f"{NAME} -1 -".encode(),
    f"{NAME} 1.0 -".encode(),
    f"{NAME} 1_0 -".encode(),
    f"{NAME} \u0661 -".encode(),
    f"{NAME} 281474976710656 -".encode(),
    f"{NAME} 99999999999999999 -".encode(),
    f"{NAME} 1 a".encode(),
    f"{NAME} 1 a-1".encode(),
    f"{NAME} 1 a01".encode(),
    f"{NAME} 1 a9007199254740992".encode(),
    f"{NAME} 1 w".encode(),
    f"{NAME} 1 w1735689600000".encode(),
    f"{NAME} 1 w1735689600000:".encode(),
    f"{NAME} 1 w1735689600000:0".encode(),
    f"{NAME} 1 w1735689600000:4".encode(),
    f"{NAME} 1 w1735689600000:11".encode(),
    f"{NAME} 1 w1735689599999:2".encode(),
    f"{NAME} 1 w4102444800000:2".encode(),
    f"{NAME} 1 x1".encode(),
    f"{NAME} 1 w1735689600000:2\x00".encode(),
    f"{NAME} 1 -\n".encode(),
    f"{NAME.upper()} 1 -".encode(),
    f"{NAME}.more 1 -".encode(),
    b"a" * 100_000,
)


def test_an_origin_has_one_form():
    for origin, text in VALUES:
        assert origin_value(origin) == text.encode(), text
        assert parse_origin(text.encode()) == origin, text


def test_what_is_no_origin_is_refused():
    for value in WRONG:
        with raises(ProtocolError):
            parse_origin(value)


def test_every_cut_and_every_changed_byte_is_an_origin_or_refused():
    for _, text in VALUES:
        value = text.encode()
        for at in range(len(value)):
            for changed in (value[:at], value[:at] + b"\xc3" + value[at + 1 :], value + value[at:]):
                try:
                    origin = parse_origin(changed)
                except ProtocolError:
                    continue
                assert origin_value(origin) == changed


def test_the_origin_is_found_among_other_properties():
    value = f"{NAME} 3 -".encode()
    packed = pack_properties([(b"a", b"1")])
    assert find_origin(b"") is None
    assert find_origin(packed) is None
    assert find_origin(with_origin(packed, value)) == parse_origin(value)
    assert with_origin(packed, value) == packed + packed_origin(value)
    # The first one that bears the name counts, and what only mentions it does not.
    assert find_origin(pack_properties([(b"a", ORIGIN), (ORIGIN, value)])) == parse_origin(value)
    assert find_origin(pack_properties([(ORIGIN, b"nonsense"), (ORIGIN, value)])) is None
    with raises(ProtocolError):
        find_origin(packed_origin(value)[:-1])


def test_an_origin_is_taken_off():
    value = f"{NAME} 3 -".encode()
    pairs = [(b"a", ORIGIN), (b"b", b"")]
    packed = pack_properties(pairs)
    assert without_origin(b"") == b""
    assert without_origin(packed) == packed
    planted = pack_properties([(ORIGIN, b"x")] + pairs + [(ORIGIN, value)])
    assert without_origin(planted) == packed


def test_the_last_properties_give_way_where_there_is_no_room():
    value = f"{NAME} 3 -".encode()
    fits = PROPERTIES_BYTES_MAX - len(packed_origin(value))
    for spare, kept in ((0, 2), (1, 1)):
        pairs = [(b"n", b"v" * (fits - 4 - 1 - 6 + spare)), (b"m", b"w")]
        packed = with_origin(pack_properties(pairs), value)
        assert len(packed) <= PROPERTIES_BYTES_MAX
        assert unpack_properties(packed) == pairs[:kept] + [(ORIGIN, value)]
