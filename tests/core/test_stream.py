"""A stream's name has one form only."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.records.stream import Stream, identity_text, is_identity, is_lane, parse_stream

NODE, EPOCH = "00c0ffee00c0ffee", "5f3759df5f3759df"

WRONG = (
    "",
    ".",
    "..",
    f"{NODE}.{EPOCH}",
    f"{NODE}.{EPOCH}.main.x",
    f"{NODE}.{EPOCH}.",
    f"{NODE}.{EPOCH}.Main",
    f"{NODE}.{EPOCH}.ma_in",
    f"{NODE}.{EPOCH}.ma in",
    f"{NODE}.{EPOCH}.main\n",
    f"{NODE}.{EPOCH}.ä",
    f"{NODE}.{EPOCH}.{'l' * 17}",
    f"{NODE[1:]}.{EPOCH}.main",
    f"0{NODE}.{EPOCH}.main",
    f"{NODE.upper()}.{EPOCH}.main",
    f"{NODE}.5f3759df5f3759dg.main",
    f"{NODE}.5f3759df 5f3759d.main",
    f"{NODE}.+f3759df5f3759df.main",
    f"{NODE}/{EPOCH}/main",
    f"../{NODE}.{EPOCH}.main",
)


def test_names_come_back():
    for lane in ("main", "a", "-", "0", "l" * 16, "lane-2"):
        stream = Stream(NODE, EPOCH, lane)
        assert str(stream) == f"{NODE}.{EPOCH}.{lane}"
        assert parse_stream(str(stream)) == stream


def test_names_of_no_stream_are_refused():
    for name in WRONG:
        with raises(ProtocolError) as caught:
            parse_stream(name)
        assert caught.error.reason == "bad-stream", name


def test_identities_are_16_digits():
    for bits, text in ((0, "0" * 16), (0xC0FFEE, "0000000000c0ffee"), ((1 << 64) - 1, "f" * 16)):
        assert identity_text(bits) == text
        assert is_identity(text)
    for bits in (-1, 1 << 64):
        with raises(ValueError):
            identity_text(bits)
    assert not is_identity("")
    assert not is_lane("")
