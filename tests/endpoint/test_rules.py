"""Rules allow what they say and nothing more, whatever clients call themselves."""

from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.config.settings import AccessSettings
from tidegate.records.filters import check_filter, matches, overlap
from tidegate_linux.endpoint.access.rules import Rules, covers, matches_pattern


def access(publish=(), subscribe=(), users=("*",), client_ids=("*",)):
    """Return one [[access]] table."""
    return AccessSettings(users, client_ids, publish, subscribe)


def test_without_a_rule_everybody_may_do_everything():
    rules = Rules(())
    assert rules.may_publish("", "c", b"a")
    assert rules.may_subscribe("u", "c", b"#")


def test_with_a_rule_only_what_it_says_is_allowed():
    rules = Rules((access(("site/#",), ("cmd/+",), ("dev-*",)), access((), ("#",), ("admin",))))
    assert rules.may_publish("dev-1", "c", b"site/a/b")
    assert rules.may_publish("dev-1", "c", b"site")
    assert not rules.may_publish("dev-1", "c", b"cmd/a")
    assert not rules.may_publish("admin", "c", b"site/a")
    assert not rules.may_publish("", "c", b"site/a")
    assert rules.may_subscribe("dev-1", "c", b"cmd/+")
    assert not rules.may_subscribe("dev-1", "c", b"cmd/#")
    assert rules.may_subscribe("admin", "c", b"+/a/#")
    assert not rules.may_subscribe("admin", "c", b"$SYS/#")


def test_client_ids_are_looked_at_too():
    rules = Rules((access(("a",), client_ids=("meter-*",)),))
    assert rules.may_publish("u", "meter-1", b"a")
    assert not rules.may_publish("u", "pump-1", b"a")


def test_of_a_shared_filter_the_filter_in_it_counts():
    rules = Rules((access((), ("a/+",)),))
    assert rules.may_subscribe("u", "c", b"$share/g/a/b")
    assert not rules.may_subscribe("u", "c", b"$share/g/b")
    assert not rules.may_subscribe("u", "c", b"$share/g")
    assert not rules.may_subscribe("u", "c", b"$share/a/+")


def test_the_names_of_a_client_are_filled_in():
    rules = Rules((access(("site/%u/#", "by/%c", "%u-%c"), ("cmd/%c/+",)),))
    assert rules.may_publish("u1", "c1", b"site/u1/x")
    assert rules.may_publish("u1", "c1", b"by/c1")
    assert rules.may_publish("u1", "c1", b"u1-c1")
    assert not rules.may_publish("u1", "c1", b"site/u2/x")
    assert rules.may_subscribe("u1", "c1", b"cmd/c1/a")
    assert not rules.may_subscribe("u1", "c1", b"cmd/+/a")
    assert rules.may_publish("%c", "c1", b"site/%c/x")
    assert not rules.may_publish("%c", "c1", b"site/c1/x")


def test_no_name_opens_more_than_a_part_of_one_level():
    rules = Rules((access(("site/%u/#", "%c/#"), ("site/%u/#", "%c/#")),))
    for name in ("+", "#", "a/b", "a+", "a#", "/", ""):
        for topic in (b"site/a", b"site/a/b/c", b"a/b", b"site//x", b"+/x"):
            assert not rules.may_publish(name, name, topic), name
            assert not rules.may_subscribe(name, name, topic), name
        assert not rules.may_subscribe(name, name, b"site/" + name.encode() + b"/#"), name
    assert not rules.may_subscribe("u", "$SYS", b"$SYS/#")
    assert not rules.may_subscribe("u", "$share", b"$share/g/a")


def test_answers_are_remembered_within_bounds():
    rules = Rules((access(("a/#",)),), answers_max=10)
    for number in range(100):
        for _ in range(2):
            assert rules.may_publish("u", "c", b"a/%d" % number)
            assert not rules.may_publish("u", "c", b"b/%d" % number)
    assert len(rules._answers) <= 10
    assert rules.may_publish("u", "c" * 100_000, b"a/x")
    assert all(len(question[1]) < 1000 for question in rules._answers)


def test_what_may_be_published_may_not_be_subscribed_to_by_that():
    rules = Rules((access(("a",), ("b",)),))
    assert rules.may_publish("u", "c", b"a")
    assert not rules.may_subscribe("u", "c", b"a")


def test_a_pattern_is_the_whole_name():
    for pattern, text, expected in (
        ("*", "", True),
        ("*", "any\nthing", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "ab", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("a**c", "ac", True),
        ("[a]?", "a?", False),
        ("[a]?", "[a]?", True),
    ):
        assert matches_pattern(pattern, text) == expected, (pattern, text)
    assert not matches_pattern("*a" * 50 + "b", "a" * 65_000)


LEVELS = st.sampled_from([b"a", b"b", b"", b"+", b"#", b"$s"])
FILTERS = st.lists(LEVELS, min_size=1, max_size=5).map(b"/".join)
NAMES = st.sampled_from([b"a", b"b", b"", b"$s", b"new"])
TOPICS = st.lists(NAMES, min_size=1, max_size=6).map(b"/".join)


def is_filter(text):
    try:
        check_filter(text)
    except ValueError:
        return False
    return True


@given(st.lists(FILTERS.filter(is_filter), max_size=3), FILTERS, st.lists(TOPICS, max_size=20))
def test_every_topic_of_an_allowed_subscription_is_allowed(allowed, asked, topics):
    assume(is_filter(asked))
    texts = tuple(filter.decode() for filter in allowed)
    rules = Rules((access(texts, texts),))
    if not rules.may_subscribe("u", "c", asked):
        return
    for topic in topics:
        if topic and matches(asked, topic):
            assert any(matches(filter, topic) for filter in allowed)
            assert rules.may_publish("u", "c", topic)


@given(FILTERS.filter(is_filter), FILTERS.filter(is_filter))
def test_a_filter_covers_only_what_it_overlaps(allowed, asked):
    # The emptiest filters, such as $s/#, overlap themselves too.
    if covers(allowed.split(b"/"), asked.split(b"/")):
        assert overlap(allowed, asked)


@given(FILTERS.filter(is_filter), TOPICS)
def test_for_a_single_topic_to_cover_is_to_match(allowed, topic):
    assume(topic)
    assert covers(allowed.split(b"/"), topic.split(b"/")) == matches(allowed, topic)
