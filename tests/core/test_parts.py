"""Parts come off as they were put on, and a missing byte is never made up."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.limits import BOOT_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot
from tidegate.wire.parts import Reader, pack_boot, pack_lane, read_boot, read_lane

BOOTS = (
    Boot(0, "0" * 16, 0, 0),
    Boot(7, "0123456789abcdef", 1_750_000_000_000, 2),
    Boot(BOOT_MAX, "f" * 16, TICKS_MS_MAX, 1),
    Boot(9, "fedcba9876543210", -TICKS_MS_MAX, 1),
)


def reason_of(read, data):
    """Return the reason for which `data` is refused, None when it is not."""
    try:
        read(Reader(data))
    except ProtocolError as error:
        return error.reason
    return None


def test_a_reader_takes_one_part_after_the_other():
    reader = Reader(b"--\x01\x02\x00\x03\x00\x00\x00abcdefgh\xc3\xa4!", 2)
    assert reader.take(1) == b"\1"
    assert reader.unpack("<HI") == (2, 3)
    assert reader.slices((3, 0, 2)) == [b"abc", b"", b"de"]
    reader.skip(3)
    assert reader.left_bytes == 3
    assert reader.text(2) == "ä"
    assert reader.take(0) == b""
    assert (reader.take(1), reader.left_bytes) == (b"!", 0)


def test_a_part_that_is_not_all_there_is_refused_and_taken_by_nobody():
    for step in (
        lambda reader: reader.take(4),
        lambda reader: reader.skip(4),
        lambda reader: reader.unpack("<I"),
        lambda reader: reader.slices((1, 3)),
        lambda reader: reader.slices((0xFFFFFFFF,) * 9),
        lambda reader: reader.text(4),
    ):
        reader = Reader(b"abc")
        with raises(ProtocolError) as caught:
            step(reader)
        assert caught.error.reason == "bad-length"
        assert reader.take(3) == b"abc"


def test_text_is_utf8():
    assert Reader(b"gr\xc3\xbcn").text(5) == "grün"
    for data in (b"\xc3", b"\xff", b"a\0", b"\xed\xa0\x80", b"\xc0\x80"):
        with raises(ProtocolError) as caught:
            Reader(data).text(len(data))
        assert caught.error.reason == "bad-text", data


def test_boots_come_back():
    for boot in BOOTS:
        data = pack_boot(boot)
        assert (read_boot(Reader(data)), len(data)) == (boot, 21)
        for end in range(len(data)):
            assert reason_of(read_boot, data[:end]) == "bad-length"


def test_a_boot_that_cannot_be_is_refused():
    for boot in BOOTS:
        data = pack_boot(boot)
        assert reason_of(read_boot, data[:-1] + b"\3") == "bad-boot"
        assert reason_of(read_boot, data[:12] + b"\xff" * 7 + b"\x7f\0") == "bad-boot"
    for boot in (
        Boot(-1, "0" * 16, 0, 0),
        Boot(BOOT_MAX + 1, "0" * 16, 0, 0),
        Boot(1, "0" * 16, TICKS_MS_MAX + 1, 0),
        Boot(1, "0" * 16, 0, 3),
    ):
        with raises(AssertionError):
            pack_boot(boot)


def test_lanes_come_back():
    for lane in ("main", "a", "l" * 16):
        data = pack_lane(lane)
        assert read_lane(Reader(data)) == lane
        for end in range(len(data)):
            assert reason_of(read_lane, data[:end]) == "bad-length"
    for data, reason in (
        (b"\0", "bad-stream"),
        (b"\4Main", "bad-stream"),
        (b"\x11" + b"l" * 17, "bad-stream"),
        (b"\2\xc3\xa4", "bad-stream"),
        (b"\1\xff", "bad-text"),
    ):
        assert reason_of(read_lane, data) == reason
    for lane in ("", "Main", "l" * 17):
        with raises(AssertionError):
            pack_lane(lane)
