"""Topics and filters against a naive oracle: the filter as a regular expression."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.records.filters import FilterMap, check_filter, matches, shared
from tidegate.records.topics import check_topic

# Few names and short lists, so that filters and topics often meet.
names = st.sampled_from(["", "a", "b", "ab", "$SYS", "$a", "a.b", "ä", "(", "\\"])
levels = st.one_of(names, st.just("+"))


def joined(parts):
    return "/".join(parts).encode()


topics = st.lists(names, min_size=1, max_size=5).map(joined).filter(bool)
filters = (
    st.tuples(st.lists(levels, max_size=5), st.sampled_from([[], ["#"]]))
    .map(lambda parts: joined(parts[0] + parts[1]))
    .filter(bool)
)
loose = st.lists(st.sampled_from([*"+#/a$", "$share/", "\0", "g/"]), max_size=8).map(
    lambda parts: "".join(parts).encode()
)


def oracle_matches(filter, topic):
    """Match by a regular expression over characters, not by levels."""
    text = filter.decode()
    if text.startswith("$share/"):
        text = re.fullmatch(r"\$share/[^/]+/(.+)", text, re.DOTALL).group(1)
    if topic.startswith(b"$") and text[0] in "+#":
        return False
    pattern = re.escape(text).replace(r"\+", "[^/]*")
    if text == "#":
        pattern = ".*"
    elif text.endswith("/#"):
        pattern = pattern[: -len(re.escape("/#"))] + "(/.*)?"
    return re.fullmatch(pattern, topic.decode(), re.DOTALL) is not None


def oracle_accepts_filter(filter):
    """Judge a filter by one regular expression of its grammar."""
    text = filter.decode()
    level = r"(?:\+|[^+#/\0]*)"
    plain = rf"(?:{level}/)*(?:#|{level})"
    if text.startswith("$share/"):
        return re.fullmatch(rf"\$share/[^+#/\0]+/(?=.){plain}", text, re.DOTALL) is not None
    return bool(text) and re.fullmatch(plain, text, re.DOTALL) is not None


@settings(max_examples=1000)
@given(filters, topics)
def test_matches_agrees_with_the_oracle(filter, topic):
    check_filter(filter)
    check_topic(topic)
    assert matches(filter, topic) is oracle_matches(filter, topic)


@given(filters, topics)
def test_a_shared_filter_matches_what_its_filter_matches(filter, topic):
    whole = b"$share/group/" + filter
    check_filter(whole)
    assert shared(whole) == (b"group", filter)
    assert matches(whole, topic) is oracle_matches(filter, topic)


@given(topics)
def test_a_topic_matches_itself(topic):
    if not topic.startswith(b"$share/"):
        assert matches(topic, topic)


@settings(max_examples=1000)
@given(loose)
def test_filters_are_judged_as_the_grammar_says(filter):
    if oracle_accepts_filter(filter):
        check_filter(filter)
    else:
        with pytest.raises(ValueError, match=r"."):
            check_filter(filter)


@given(loose)
def test_topics_are_judged_as_the_grammar_says(topic):
    if topic and not set(topic) & set(b"+#\0"):
        check_topic(topic)
    else:
        with pytest.raises(ValueError, match=r"."):
            check_topic(topic)


@given(st.binary(max_size=30))
def test_any_bytes_are_accepted_or_a_value_error(data):
    for check in (check_topic, check_filter):
        try:
            check(data)
        except ValueError as error:
            assert str(error)


@given(
    st.lists(st.tuples(filters, st.sampled_from("xyz")), max_size=6),
    st.lists(topics, max_size=30),
    st.integers(1, 5),
)
def test_filter_map_finds_the_first_whatever_it_remembers(pairs, asked, topics_max):
    known = FilterMap(pairs, topics_max)
    for topic in asked:
        hits = [value for filter, value in pairs if oracle_matches(filter, topic)]
        assert known.find(topic) == (hits[0] if hits else None)
