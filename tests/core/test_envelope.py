"""An envelope is 16 documented bytes, and its body deflated only where that is a gain."""

from binascii import crc32

from tidegate.wire.envelope import deflated, wrap

BODY = bytes([n * 7 & 0xFF for n in range(40)])

REPEATED = b"tide" * 30


def squeeze(body):
    """Stand in for deflate: name a repeated four-byte word once."""
    count = len(body) // 4
    return bytes([count]) + body[:4] if body == body[:4] * count else b"?" + body


def test_the_layout_is_the_documented_one():
    data = wrap(BODY)
    summed = b"TGB\x01\0\0\0\0" + b"\x28\0\0\0"
    assert data == summed + crc32(summed + BODY).to_bytes(4, "little") + BODY


def test_what_does_not_shrink_travels_as_it_is():
    for body in (BODY, b""):
        assert deflated(wrap(body), squeeze) == wrap(body)
