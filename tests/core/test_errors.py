"""Errors print as one line: the word for programs, then the sentence for people."""

from tidegate.errors import STORAGE_FULL, ProtocolError, StorageError


def test_errors_carry_their_word_and_sentence():
    error = ProtocolError("bad-checksum", "the batch was damaged on its way")
    assert (error.reason, error.detail) == ("bad-checksum", "the batch was damaged on its way")
    assert str(error) == "bad-checksum: the batch was damaged on its way"
    error = StorageError(STORAGE_FULL, "no room for 10 pages")
    assert (error.kind, error.detail) == ("full", "no room for 10 pages")
    assert str(error) == "full: no room for 10 pages"


def test_a_peers_fault_is_no_fault_of_ours_or_of_the_world():
    # `except ValueError` and `except OSError` must not swallow them, nor the one the other.
    for error in (ProtocolError("a", "b"), StorageError("io", "b")):
        assert not isinstance(error, (ValueError, OSError))
    assert not isinstance(ProtocolError("a", "b"), StorageError)


def test_errors_can_be_raised_while_another_is_handled():
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise ProtocolError("bad-text", str(error))
    except ProtocolError as error:
        assert error.args == ("bad-text", "inner")
