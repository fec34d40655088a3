"""What a batch may be about: what its client might publish, and nothing that begins with $."""

import pytest

from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.settings import AccessSettings
from tidegate_linux.endpoint.access.topics import BatchTopics, is_oversized

SETTINGS = read_gateway(
    {
        "source": [{"type": "listen", "url": "mqtt://127.0.0.1"}],
        "endpoint": {"topic_bytes_max": 20, "topic_levels_max": 3},
    }
).endpoint


def topics_of(*publish):
    if not publish:
        return BatchTopics(SETTINGS, ())
    return BatchTopics(SETTINGS, (AccessSettings(("*",), ("*",), publish, ()),))


def test_without_rules_everything_but_dollars():
    judge = topics_of().judge_of("", "c")
    assert [judge(topic) for topic in (b"a", b"a/b/c", b"a$", b"/$x")] == [""] * 4
    for topic in (b"$", b"$tidegate/gap", b"$SYS/x", b"$x"):
        assert "begins with $" in judge(topic)


def test_a_rule_that_names_a_dollar_opens_none():
    """`$tidegate/#` says that a client may send batches, not that they may be about it."""
    judge = topics_of("$tidegate/#", "#").judge_of("u", "c")
    assert judge(b"a/b") == ""
    assert judge(b"$tidegate/gap")


def test_rules_are_those_of_the_client():
    topics = topics_of("site/%u/#", "by/%c")
    judge = topics.judge_of("node-1", "c-1")
    assert [judge(topic) for topic in (b"site/node-1", b"site/node-1/a", b"by/c-1")] == [""] * 3
    for topic in (b"site/node-2/a", b"by/c-2", b"site", b"other"):
        assert judge(topic) == (
            f"topic '{topic.decode()}' is not among those that the access rules allow"
        )
    assert topics.judge_of("node-2", "c-2")(b"site/node-2/a") == ""
    assert topics.judge_of("", "c-2")(b"site//a")


@pytest.mark.parametrize(
    ("topic", "is_over"),
    [(b"x" * 20, False), (b"x" * 21, True), (b"a/b/c", False), (b"a/b/c/d", True), (b"///", True)],
)
def test_limits_are_those_of_a_publish(topic, is_over):
    assert is_oversized(SETTINGS, topic) == is_over
    assert ("longer or deeper" in topics_of().judge_of("", "c")(topic)) == is_over


def test_a_topic_is_quoted_and_cut():
    judge = topics_of("a").judge_of("", "c")
    assert judge(b"$\n'\xff" + b"y" * 5000).startswith("topic \"$\\n'\ufffdyyy")
    for topic in (b"\xf4\x8f\xbf\xbf" * 5000, b"y" * 5000):
        assert len(judge(topic)) < 800
