"""Strict UTF-8 against CPython's own decoder, which is strict."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.records.text import check_utf8, find_malformed

# Bytes at which the table of well-formed sequences changes: random bytes alone seldom meet them.
EDGES = bytes.fromhex("00 01 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")
nearly_text = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from(EDGES), max_size=12).map(bytes),
    st.text(max_size=12).map(lambda text: text.encode()),
    st.tuples(st.text(max_size=6), st.binary(max_size=3), st.text(max_size=6)).map(
        lambda parts: parts[0].encode() + parts[1] + parts[2].encode()
    ),
)


def first_malformed(data):
    """Return where CPython's decoder stops, or -1."""
    try:
        data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        return error.start
    return -1


@given(nearly_text)
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
def test_malformed_bytes_are_found_where_cpython_finds_them(data):
    assert find_malformed(data) == first_malformed(data)


@given(nearly_text)
def test_checked_text_is_what_mqtt_allows(data):
    if first_malformed(data) == -1 and b"\0" not in data:
        check_utf8(data)
    else:
        with pytest.raises(ValueError, match="at byte"):
            check_utf8(data)


@given(st.characters())
def test_every_character_but_zero_passes(character):
    if character != "\0":
        check_utf8(character.encode())
        assert find_malformed(character.encode()) == -1
