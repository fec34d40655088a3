"""A segment says which it is, or is refused; its seed belongs to it alone."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.limits import LANES_MAX
from tidegate.store.frame import Frame, frame, scan
from tidegate.store.segment import (
    NUMBER_MAX,
    Segment,
    mended_segment,
    read_segment,
    segment_header,
    segment_seed,
)

NODE = "00c0ffee00c0ffee"
LANES = [("main", "5f3759df5f3759df"), ("alarm", "ffffffffffffffff")]
SEGMENT = Segment(NODE, 0x01020304, LANES)
DATA = segment_header(SEGMENT)


def reason_of(data):
    """Return the reason for which `data` is refused, None when it is not."""
    try:
        read_segment(data)
    except ProtocolError as error:
        return error.reason
    return None


def test_headers_come_back_and_say_where_the_frames_begin():
    full = [(f"lane-{number}", "0" * 16) for number in range(LANES_MAX)]
    for segment in (SEGMENT, Segment(NODE, 0, []), Segment("f" * 16, NUMBER_MAX, full)):
        data = segment_header(segment)
        assert read_segment(data) == (segment, len(data))
        seed = segment_seed(segment.node, segment.number)
        log = data + frame(1, b"body", seed)
        _, start = read_segment(log)
        assert [item.kind for item in scan(log[start:], seed, start)] == [1]


def test_the_layout_is_the_documented_one():
    assert DATA[:6] == b"TGS\x01\x28\0"
    assert DATA[10:] == (
        b"\xee\xff\xc0\0\xee\xff\xc0\0"
        + b"\4\3\2\1\2"
        + b"\4main\xdf\x59\x37\x5f\xdf\x59\x37\x5f"
        + b"\5alarm\xff\xff\xff\xff\xff\xff\xff\xff"
    )


def test_every_truncation_and_flipped_bit_is_refused():
    for end in range(len(DATA)):
        assert reason_of(DATA[:end]) == "bad-length", end
    for place in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[place >> 3] ^= 1 << (place & 7)
        assert reason_of(bytes(flipped)) is not None, place


def test_each_wrong_field_has_its_own_error():
    for data, reason in (
        (b"TGX" + DATA[3:], "bad-magic"),
        (b"\xff" * 64, "bad-magic"),
        (DATA[:3] + b"\2" + DATA[4:], "unknown-version"),
        (DATA[:-1] + b"\0", "bad-checksum"),
        (DATA[:4] + b"\xff\xff" + DATA[6:], "bad-length"),
    ):
        assert reason_of(data) == reason


def test_each_number_has_its_own_seed():
    seeds = {segment_seed(NODE, number) for number in range(1000)}
    assert len(seeds) == 1000
    assert segment_seed(NODE, 1) != segment_seed("00c0ffee00c0ffef", 1)
    # So a frame of another segment, or of another node's flash, is never taken for one of ours.
    stale = frame(1, b"body", segment_seed(NODE, 1))
    items = list(scan(stale, segment_seed(NODE, 2)))
    assert not [item for item in items if isinstance(item, Frame)]


def test_what_does_not_fit_is_our_own_fault():
    for segment in (
        Segment("short", 0, []),
        Segment(NODE, NUMBER_MAX + 1, []),
        Segment(NODE, 0, [("main", "short")]),
        Segment(NODE, 0, LANES * (LANES_MAX // 2 + 1)),
    ):
        with raises(AssertionError):
            segment_header(segment)


def test_a_header_with_one_wrong_bit_is_put_right():
    for bit in range(len(DATA) * 8):
        damaged = bytearray(DATA)
        damaged[bit // 8] ^= 1 << bit % 8
        assert mended_segment(bytes(damaged) + b"frames behind") == SEGMENT
    for garbage in (b"", b"TGS", b"\0" * 300, b"garbage" * 50, DATA[:-1]):
        assert mended_segment(garbage) is None
