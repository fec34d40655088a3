"""Only a receipt that says everything, and says it right, releases anything."""

from support import raises
from tidegate.errors import ProtocolError
from tidegate.limits import SEQ_MAX
from tidegate.records.stream import Stream
from tidegate.wire.ledger import NEW_STREAM
from tidegate.wire.receipt import (
    Cursor,
    Receipt,
    Standing,
    read_receipt,
    read_standing,
    refusal_text,
    refusal_word,
)
from tidegate.wire.reply import receipt_fields, standing_fields

STREAM = Stream("00c0ffee00c0ffee", "5f3759df5f3759df", "main")

OTHER = Stream("00c0ffee00c0ffee", "5f3759df5f3759de", "main")

GENERATION = "feedfacecafebeef"

RECEIPT = Receipt(3, 8, Cursor(9, 0xABCD), GENERATION)

STANDING = Standing(Cursor(9, 0xABCD), GENERATION, 4, 0xFF)

GONE = "gone"

WRONG_CURSOR = (
    ("stream", (GONE, None, "", str(OTHER), f"{STREAM}\n", 7)),
    ("generation", (GONE, None, "", "feedfacecafebee", "FEEDFACECAFEBEEF", 7, GENERATION + "0")),
    ("through", (GONE, None, "9", 9.0, -1, SEQ_MAX + 1, True, False, [])),
    ("hash", (GONE, None, "", "abcd", "0000ABCD", "0000abcg", "+000abcd", 0xABCD, "00000abcd")),
)

WRONG_RECEIPT = (
    ("first", (GONE, None, "3", 0, -1, 9, 10, True, 3.0)),
    ("last", (GONE, None, "8", 0, 2, 10, False, 8.5)),
    ("through", (0, 7)),
)

WRONG_STANDING = (
    ("at", (None, "4", -1, SEQ_MAX + 1, True)),
    ("hash_at", ("", "ff", "000000FF", 255)),
)

NO_OBJECTS = (None, [], "", "<html>Please log in</html>", 200, True, [receipt_fields])


def changed(fields, key, value):
    """Return `fields` with one changed, or gone."""
    other = dict(fields)
    if value == GONE:
        del other[key]
    else:
        other[key] = value
    return other


def assert_refused(read, fields):
    with raises(ProtocolError) as caught:
        read(STREAM, fields)
    assert caught.error.reason == "bad-receipt", fields


def test_a_receipt_comes_back():
    for receipt in (
        RECEIPT,
        Receipt(1, 1, Cursor(1, 0), GENERATION),
        Receipt(1, SEQ_MAX, Cursor(SEQ_MAX, 0xFFFFFFFF), GENERATION),
    ):
        assert read_receipt(STREAM, receipt_fields(STREAM, receipt)) == receipt


def test_a_standing_comes_back():
    for standing in (
        STANDING,
        Standing(NEW_STREAM, GENERATION, 0, None),
        Standing(NEW_STREAM, GENERATION, 5, None),
        Standing(Cursor(9, 0), GENERATION, 0, None),
        Standing(Cursor(9, 0), GENERATION, 9, 0),
    ):
        assert read_standing(STREAM, standing_fields(STREAM, standing)) == standing


def test_fields_that_nobody_knows_are_for_later_versions():
    assert read_receipt(STREAM, changed(receipt_fields(STREAM, RECEIPT), "new", 1)) == RECEIPT


def test_each_wrong_field_of_a_receipt_is_refused():
    fields = receipt_fields(STREAM, RECEIPT)
    for key, values in WRONG_CURSOR + WRONG_RECEIPT:
        for value in values:
            assert_refused(read_receipt, changed(fields, key, value))


def test_each_wrong_field_of_a_standing_is_refused():
    fields = standing_fields(STREAM, STANDING)
    for key, values in WRONG_CURSOR + WRONG_STANDING:
        for value in values:
            assert_refused(read_standing, changed(fields, key, value))


def test_an_answer_of_somebody_else_is_refused():
    for fields in NO_OBJECTS:
        assert_refused(read_receipt, fields)
        assert_refused(read_standing, fields)
    assert_refused(read_receipt, {})
    # A standing is no receipt: it names no range.
    assert_refused(read_receipt, standing_fields(STREAM, STANDING))


def test_only_a_receivers_own_word_is_a_refusals_word():
    assert refusal_word({"error": "fork", "detail": "x"}) == "fork"
    for fields in NO_OBJECTS + ({}, {"error": None}, {"error": 7}, {"detail": "fork"}):
        assert refusal_word(fields) is None, fields


def test_a_refusal_reads_as_one_sentence_whatever_came():
    for fields, text in (
        ({"error": "bad-topic", "detail": "# in a topic"}, "status 422 bad-topic: # in a topic"),
        ({"error": "bad-topic", "detail": 7}, "status 422 bad-topic"),
        ({"detail": "who speaks?"}, "status 422"),
        ("<html>", "status 422"),
        (None, "status 422"),
    ):
        assert refusal_text(422, fields) == text
