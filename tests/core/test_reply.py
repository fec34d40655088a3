"""What a receiver answers has the documented fields."""

from tidegate.records.stream import Stream
from tidegate.wire.ledger import NEW_STREAM
from tidegate.wire.receipt import Cursor, Receipt, Standing
from tidegate.wire.reply import hash_text, receipt_fields, standing_fields

STREAM = Stream("00c0ffee00c0ffee", "5f3759df5f3759df", "main")

GENERATION = "feedfacecafebeef"

RECEIPT = Receipt(3, 8, Cursor(9, 0xABCD), GENERATION)

STANDING = Standing(Cursor(9, 0xABCD), GENERATION, 4, 0xFF)


def test_a_receipt_has_the_documented_fields():
    assert receipt_fields(STREAM, RECEIPT) == {
        "stream": "00c0ffee00c0ffee.5f3759df5f3759df.main",
        "through": 9,
        "hash": "0000abcd",
        "generation": "feedfacecafebeef",
        "first": 3,
        "last": 8,
    }


def test_a_standing_has_the_documented_fields():
    assert standing_fields(STREAM, STANDING) == {
        "stream": "00c0ffee00c0ffee.5f3759df5f3759df.main",
        "through": 9,
        "hash": "0000abcd",
        "generation": "feedfacecafebeef",
        "at": 4,
        "hash_at": "000000ff",
    }
    fresh = standing_fields(STREAM, Standing(NEW_STREAM, GENERATION, 0, None))
    assert (fresh["through"], fresh["hash"]) == (0, None)
    assert "at" not in fresh


def test_a_hash_is_eight_digits():
    for number, text in ((0, "00000000"), (0xABCD, "0000abcd"), (0xFFFFFFFF, "ffffffff")):
        assert hash_text(number) == text
