"""Strict UTF-8, as MQTT and our own formats demand it [MQTT-1.5.4].

`bytes.decode()` cannot be trusted with this everywhere: MicroPython's takes surrogates, overlong
forms and numbers above U+10FFFF, and no Python's refuses U+0000.  What passes here decodes to the
same text on every Python, and encodes back to the same bytes.
"""

_ZERO = b"\0"
_LOOSE = (b"\x80", b"\xc3", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")


def check_utf8(data: bytes) -> None:
    """Raise `ValueError`, naming the byte, unless `data` is well-formed UTF-8 without U+0000.

    Control characters, non-characters and a byte order mark are allowed: MQTT tells senders to
    avoid them but does not let a receiver alter them [MQTT-1.5.4-3].
    """
    if _ZERO in data:
        raise ValueError(f"U+0000 at byte {data.find(_ZERO)}")  # [MQTT-1.5.4-2]
    # Whichever quick way there is to accept; the scan alone decides a refusal.
    if _decodes(data) if _DECODE_IS_STRICT else not data or max(data) < 0x80:
        return
    at = find_malformed(data)
    if at >= 0:
        raise ValueError(f"malformed UTF-8 at byte {at}")  # [MQTT-1.5.4-1]


def find_malformed(data: bytes) -> int:
    """Return where the first malformed UTF-8 sequence of `data` starts, or -1 when there is none.

    The ranges are those of the Unicode standard, table 3-7 (RFC 3629 §4).
    """
    at = 0
    size = len(data)
    while at < size:
        lead = data[at]
        if lead < 0x80:
            at += 1
            continue
        length, second_min, second_max = _shape(lead)
        if length == 0 or at + length > size:
            return at
        if not second_min <= data[at + 1] <= second_max:
            return at
        for offset in range(2, length):
            if not 0x80 <= data[at + offset] <= 0xBF:
                return at
        at += length
    return -1


def _shape(lead: int) -> "tuple[int, int, int]":
    """Return the length of the sequence that `lead` opens and the range of its second byte."""
    if 0xC2 <= lead <= 0xDF:
        return 2, 0x80, 0xBF
    if 0xE0 <= lead <= 0xEF:
        if lead == 0xE0:
            return 3, 0xA0, 0xBF  # Below: overlong.
        if lead == 0xED:
            return 3, 0x80, 0x9F  # Above: a surrogate.
        return 3, 0x80, 0xBF
    if 0xF0 <= lead <= 0xF4:
        if lead == 0xF0:
            return 4, 0x90, 0xBF  # Below: overlong.
        if lead == 0xF4:
            return 4, 0x80, 0x8F  # Above: over U+10FFFF.
        return 4, 0x80, 0xBF
    return 0, 0, 0


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except ValueError:
        return False
    return True


# Decided by trial and not by the interpreter's name.
_DECODE_IS_STRICT = not any(_decodes(sample) for sample in _LOOSE)
