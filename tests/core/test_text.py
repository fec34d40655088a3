"""Strict UTF-8 on every Python."""

from support import raises
from tidegate.records.text import check_utf8, find_malformed

WELL_FORMED = (
    b"",
    b"plain",
    b"\x01\x1f\x7f",  # Control characters: unwise, allowed.
    b"\xc2\x80",  # U+0080, the smallest of two bytes.
    b"\xdf\xbf",
    b"\xe0\xa0\x80",  # U+0800, the smallest of three bytes.
    b"\xe0\xbf\xbf",
    b"\xe1\x80\x80",
    b"\xed\x80\x80",
    b"\xed\x9f\xbf",  # U+D7FF, right below the surrogates.
    b"\xee\x80\x80",  # U+E000, right above them.
    b"\xef\xbb\xbf",  # The byte order mark is a character like others [MQTT-1.5.4-3].
    b"\xef\xbf\xbf",  # U+FFFF, a non-character: allowed.
    b"\xf0\x90\x80\x80",  # U+10000, the smallest of four bytes.
    b"\xf0\xbf\xbf\xbf",
    b"\xf1\x80\x80\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x80\x80\x80",
    b"\xf4\x8f\xbf\xbf",  # U+10FFFF, the largest of all.
    b"a\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x8c\x8a",
)

MALFORMED = (
    (b"\x80", 0),  # A continuation without its lead.
    (b"ab\xbfc", 2),
    (b"\xc0\x80", 0),  # Overlong U+0000.
    (b"\xc1\xbf", 0),  # Overlong U+007F.
    (b"\xc3", 0),  # Cut off.
    (b"x\xc3\xc3\xa4", 1),
    (b"\xc3A", 0),
    (b"\xe0\x9f\xbf", 0),  # Overlong U+07FF.
    (b"\xe0\xc0\x80", 0),
    (b"\xe2\xc0\x80", 0),
    (b"\xe2\x82\xc0", 0),
    (b"\xe2\x82", 0),
    (b"\xe2\x82A", 0),
    (b"\xe2A\x82", 0),
    (b"\xed\xa0\x80", 0),  # U+D800.
    (b"\xed\xbf\xbf", 0),  # U+DFFF.
    (b"ok\xed\xa0\xbd\xed\xb8\x80", 2),  # A pair of surrogates, CESU-8.
    (b"\xf0\x8f\xbf\xbf", 0),  # Overlong U+FFFF.
    (b"\xf0\xc0\x80\x80", 0),
    (b"\xf1\x7f\x80\x80", 0),
    (b"\xf1\xc0\x80\x80", 0),
    (b"\xf1\x80\x80\xc0", 0),
    (b"\xf0\x9f\x8c", 0),
    (b"\xf0\x9f\x8cA", 0),
    (b"\xf0\x9fA\x8c", 0),
    (b"\xf4\x90\x80\x80", 0),  # U+110000.
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),  # Five bytes, as UTF-8 once allowed.
    (b"\xff", 0),
    (b"\xfe", 0),
)


def test_well_formed_text_passes():
    for data in WELL_FORMED:
        check_utf8(data)
        assert find_malformed(data) == -1, data


def test_malformed_text_is_refused_at_its_byte():
    for data, at in MALFORMED:
        assert find_malformed(data) == at, data
        with raises(ValueError) as caught:
            check_utf8(data)
        assert str(caught.error) == f"malformed UTF-8 at byte {at}", data


def test_u0000_is_refused():
    for data, at in ((b"\0", 0), (b"ab\0", 2), (b"\xc3\xa4\0x", 2)):
        with raises(ValueError) as caught:
            check_utf8(data)
        assert str(caught.error) == f"U+0000 at byte {at}"


def test_what_passes_survives_decoding():
    for data in WELL_FORMED:
        check_utf8(data)
        assert data.decode("utf-8").encode("utf-8") == data


def test_every_pair_of_bytes_is_judged_by_the_table():
    for lead in range(256):
        for second in (0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF):
            both_ascii = lead < 0x80 and second < 0x80
            pair = 0xC2 <= lead <= 0xDF and 0x80 <= second <= 0xBF
            good = find_malformed(bytes([lead, second])) == -1
            assert good == (both_ascii or pair), (lead, second)
