"""An envelope is opened only when every byte of it is what was closed."""

from binascii import crc32

from support import raises
from test_envelope import BODY, REPEATED, squeeze
from tidegate.errors import ProtocolError
from tidegate.wire.envelope import DEFLATED, ENVELOPE_BYTES, deflated, seal, wrap
from tidegate.wire.opener import unwrap

BYTES_MAX = 1000


def unsqueeze(stored, bytes_max):
    """Undo `squeeze` within the contract of an inflate."""
    if len(stored) != 5:
        raise ValueError("not squeezed")
    return (stored[1:] * stored[0])[: bytes_max + 1]


def refusal(data, inflate=None, bytes_max=BYTES_MAX):
    """Return the reason for which `data` is refused, None when it is not."""
    try:
        unwrap(data, inflate, bytes_max)
    except ProtocolError as error:
        return error.reason
    return None


def body_of(data, inflate, bytes_max):
    """Return the body that `unwrap` found."""
    holder, start = unwrap(data, inflate, bytes_max)
    return holder[start:]


def changed(data, place, value):
    """Return `data` with the bytes at `place` overwritten."""
    return data[:place] + value + data[place + len(value) :]


def resummed(data):
    """Return `data` with the checksum that fits what is in it."""
    checksum = crc32(data[:12] + data[ENVELOPE_BYTES:])
    return data[:12] + checksum.to_bytes(4, "little") + data[ENVELOPE_BYTES:]


def test_a_body_comes_back():
    for body in (b"", b"x", BODY):
        data = wrap(body)
        assert len(data) == ENVELOPE_BYTES + len(body)
        assert body_of(data, None, BYTES_MAX) == body
        assert body_of(data, unsqueeze, len(body)) == body


def test_a_deflated_body_comes_back():
    data = deflated(wrap(REPEATED), squeeze)
    assert len(data) == ENVELOPE_BYTES + 5
    assert body_of(data, unsqueeze, 120) == REPEATED


def test_every_truncation_is_refused():
    for data in (wrap(BODY), deflated(wrap(REPEATED), squeeze)):
        for end in range(len(data)):
            wanted = "bad-length" if end < ENVELOPE_BYTES else "bad-checksum"
            assert refusal(data[:end], unsqueeze) == wanted, end
        assert refusal(data + b"\0", unsqueeze) == "bad-checksum"


def test_every_flipped_bit_is_refused():
    # Apart from magic and version, which tell whether there is a checksum at all, damage on the way
    # is never taken for a fault of the sender's.
    reasons = set()
    for data in (wrap(BODY), deflated(wrap(REPEATED), squeeze)):
        for place in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[place >> 3] ^= 1 << (place & 7)
            reason = refusal(bytes(flipped), unsqueeze)
            assert reason is not None, place
            reasons.add(reason)
    assert sorted(reasons) == ["bad-checksum", "bad-magic", "unknown-version"]


def test_each_wrong_field_has_its_own_error():
    data = wrap(BODY)
    small = squeeze(REPEATED)
    for wrong, reason in (
        (changed(data, 0, b"TGA"), "bad-magic"),
        (changed(data, 3, b"\0"), "unknown-version"),
        (changed(data, 3, b"\2"), "unknown-version"),
        (changed(data, 4, b"\1"), "bad-checksum"),
        (changed(data, 8, b"\x29"), "bad-checksum"),
        (changed(data, 12, b"\0\0\0\0"), "bad-checksum"),
        (changed(data, 16, b"\xff"), "bad-checksum"),
        (resummed(changed(data, 5, b"\1")), "bad-flags"),
        (resummed(changed(data, 6, b"\1")), "bad-flags"),
        (resummed(changed(data, 7, b"\1")), "bad-flags"),
        (seal(BODY, 2, len(BODY)), "bad-flags"),
        (seal(BODY, 0x80, len(BODY)), "bad-flags"),
        (seal(BODY, 0, len(BODY) - 1), "bad-length"),
        (seal(BODY, 0, len(BODY) + 1), "bad-length"),
        (seal(BODY, 0, 0xFFFFFFFF), "too-large"),
        (seal(BODY, DEFLATED, len(BODY)), "bad-deflate"),
        (seal(small, 0, 120), "bad-length"),
        (seal(small, DEFLATED, 119), "bad-length"),
        (seal(small, DEFLATED, 121), "bad-length"),
        (b"", "bad-length"),
        (b"HTTP/1.1 200 OK\r\n", "bad-magic"),
    ):
        assert refusal(wrong, unsqueeze) == reason, (wrong, reason)


def test_a_deflated_batch_needs_an_inflate():
    small = deflated(wrap(REPEATED), squeeze)
    assert refusal(small, None) == "no-deflate"


def test_nothing_inflates_beyond_what_was_announced_and_allowed():
    asked = []

    def inflate(stored, bytes_max):
        asked.append(bytes_max)
        return unsqueeze(stored, bytes_max)

    small = deflated(wrap(REPEATED), squeeze)
    assert refusal(small, inflate, 119) == "too-large"
    assert asked == []
    assert refusal(small, inflate, 120) is None
    assert asked == [120]
    # A bomb that announces little: one byte over what it announced shows that it lies.
    assert refusal(seal(small[ENVELOPE_BYTES:], DEFLATED, 16), inflate, 120) == "bad-length"
    assert asked == [120, 16]


def test_the_limit_holds_for_a_plain_body_too():
    assert refusal(wrap(BODY), None, len(BODY)) is None
    assert refusal(wrap(BODY), None, len(BODY) - 1) == "too-large"


def test_an_error_of_our_own_inflate_is_not_hidden():
    def broken(stored, bytes_max):
        raise OSError("no memory for the window")

    with raises(OSError):
        unwrap(deflated(wrap(REPEATED), squeeze), broken, BYTES_MAX)
