"""A secret is revealed only on demand."""

from collections import namedtuple

from tidegate.config.secret import Secret

CANARY = "canary-7f3a"


def test_a_secret_reveals_its_text():
    assert Secret(CANARY).reveal() == CANARY


def test_no_way_of_printing_shows_a_secret():
    secret = Secret(CANARY)
    holder = namedtuple("Holder", ("name", "secret"))("a", secret)
    for printed in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        "%s" % (secret,),  # noqa: UP031
        "{}".format(secret),  # noqa: UP032
        str([secret]),
        str({"a": secret}),
        repr(holder),
        str(ValueError(secret)),
    ):
        assert CANARY not in printed, printed
        assert "Secret(***)" in printed, printed


def test_a_secret_that_was_not_given_is_false_and_looks_so():
    assert not Secret("")
    assert Secret("x")
    assert repr(Secret("")) == "Secret()"


def test_secrets_compare_by_their_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
