"""`raises` catches what it names and nothing else: the other tests of the core rest on it."""

from support import raises


def test_raises_keeps_the_error_it_caught():
    with raises(ValueError) as caught:
        raise ValueError("the reason")
    assert str(caught.error) == "the reason"


def test_raises_accepts_a_kind_of_the_kind():
    with raises(ArithmeticError) as caught:
        raise ZeroDivisionError("")
    assert type(caught.error) is ZeroDivisionError


def test_raises_fails_when_nothing_is_raised():
    failed = False
    try:
        with raises(ValueError):
            pass
    except AssertionError as error:
        failed = True
        assert str(error) == "ValueError was not raised"
    assert failed


def test_raises_lets_other_errors_through():
    passed_through = False
    try:
        with raises(ValueError):
            raise KeyError("other")
    except KeyError:
        passed_through = True
    assert passed_through
