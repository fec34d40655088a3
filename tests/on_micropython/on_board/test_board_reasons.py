"""What keeps a line down is told in words, and by its number where there are none."""

from tidegate_micropython.reasons import REFUSALS, words_of


def test_what_a_socket_says_is_in_words():
    for number, words in ((111, "nothing listens there"), (-2, "unknown host"), (110, "timed out")):
        assert words_of(OSError(number)) == f"{words} ({number})"


def test_what_has_no_words_is_told_as_it_is():
    assert words_of(OSError(77)) == "OSError(77,)"
    assert "certificate" in words_of(OSError("the certificate is not signed"))
    assert words_of(AssertionError()) == "AssertionError()"
    assert words_of(OSError(5)) == "OSError(5,)"  # A number of CONNACK, but none of a socket.


def test_what_a_broker_refuses_is_in_words():
    assert words_of(ValueError(4), REFUSALS) == "wrong name or password (4)"
    assert "[[access]]" in words_of(ValueError(128), REFUSALS)
    assert words_of(ValueError(2), REFUSALS) == "ValueError(2,)"
