"""Errors quote safely and guess well."""

from tidegate.config.words import (
    SHOWN_CHARACTERS_MAX,
    edit_distance,
    kind_of,
    listed,
    nearest,
    shown,
)


def test_text_is_quoted_without_control_characters():
    for text, expected in (
        ("a", '"a"'),
        ('say "x"\\', '"say \\"x\\"\\\\"'),
        ("a\nb\x1b[31m\x7f\x9b", '"a\\u000ab\\u001b[31m\\u007f\\u009b"'),
        ("é€", '"é€"'),
        ("", '""'),
    ):
        assert shown(text) == expected, text


def test_long_text_is_cut_short():
    assert shown("x" * 1000) == '"' + "x" * (SHOWN_CHARACTERS_MAX - 3) + '..."'
    assert shown("x" * SHOWN_CHARACTERS_MAX) == '"' + "x" * SHOWN_CHARACTERS_MAX + '"'


def test_words_are_listed():
    assert listed(["a", "b"]) == '"a", "b"'


def test_edit_distance_counts_slips():
    for one, other, distance in (
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("abc", "abd", 1),
        ("abc", "ab", 1),
        ("abc", "xabc", 1),
        ("topcis", "topics", 1),
        ("ab", "ba", 1),
        ("kitten", "sitting", 3),
        ("abcdef", "badcfe", 3),
    ):
        assert edit_distance(one, other) == distance, (one, other)
        assert edit_distance(other, one) == distance, (other, one)


def test_the_nearest_word_is_found_when_it_is_near():
    known = ["url", "topics", "client_id", "token", "token_file", "retry_max_s"]
    for word, expected in (
        ("topcis", "topics"),
        ("topic", "topics"),
        ("Topics", "topics"),
        ("clientid", "client_id"),
        ("client-id", "client_id"),
        ("tokenfile", "token_file"),
        ("tokn", "token"),
        ("uri", "url"),
        ("retry_max", "retry_max_s"),
        ("colour", ""),
        ("", ""),
        ("x" * 100_000, ""),
    ):
        assert nearest(word, known) == expected, word[:20]
    assert nearest("a", []) == ""


def test_kinds_are_named_without_the_value():
    for value, expected in (
        (True, "true or false"),
        (False, "true or false"),
        (None, "null"),
        ("x", "text"),
        (1, "a whole number"),
        (1.5, "a number with a fraction"),
        ([], "a list"),
        ({}, "a table"),
        (b"x", "a date or a time"),
    ):
        assert kind_of(value) == expected, value
