"""Topic filters, MQTT section 4.7."""

from support import raises
from tidegate.records.filters import (
    CACHE_TOPIC_BYTES_MAX,
    FilterMap,
    check_filter,
    matches,
    overlap,
    shared,
)
from tidegate.records.topics import check_topic

GOOD_FILTERS = (
    b"a",
    b"/",
    b"#",
    b"+",
    b"/#",
    b"/+",
    b"+/",
    b"+/+/#",
    b"sport/#",
    b"+/tennis/#",
    b"sport/+/player1",
    b"$SYS/#",
    b"$share",  # Without a slash it is a name like others.
    b"$shared/a",
    b"$share/group/a",
    b"$share/group/#",
    b"$share/group//",
    b"$share/g/+/b",
    b"$share/g/$share/g/a",  # The filter within is not shared once more.
)

BAD_FILTERS = (
    (b"", "at least one character"),
    (b"a" * 65536, "at most 65535 bytes"),
    (b"a\0", "U+0000"),
    (b"\xff/#", "malformed UTF-8 at byte 0"),
    (b"sport/tennis#", "# shares its level"),
    (b"#a", "# shares its level"),
    (b"##", "# shares its level"),
    (b"+#", "# shares its level"),
    (b"sport/tennis/#/ranking", "# is not the last level"),
    (b"#/", "# is not the last level"),
    (b"sport+", "+ shares its level"),
    (b"+a/b", "+ shares its level"),
    (b"a/++/b", "+ shares its level"),
    (b"$share/", "names its group"),
    (b"$share//a", "names its group"),
    (b"$share/g", "ends with a filter"),
    (b"$share/g/", "ends with a filter"),
    (b"$share/+/a", "group of a shared filter holds no wildcard"),
    (b"$share/a#b/a", "group of a shared filter holds no wildcard"),
    (b"$share/g/a#", "# shares its level"),
    (b"$share/g/#/a", "# is not the last level"),
)

# The examples of MQTT 5 §4.7.1 to §4.7.3, then the edges.
MATCHES = (
    (b"sport/tennis/player1/#", b"sport/tennis/player1", True),
    (b"sport/tennis/player1/#", b"sport/tennis/player1/ranking", True),
    (b"sport/tennis/player1/#", b"sport/tennis/player1/score/wimbledon", True),
    (b"sport/#", b"sport", True),
    (b"#", b"sport/tennis", True),
    (b"sport/tennis/+", b"sport/tennis/player1", True),
    (b"sport/tennis/+", b"sport/tennis/player2", True),
    (b"sport/tennis/+", b"sport/tennis/player1/ranking", False),
    (b"sport/+", b"sport", False),
    (b"sport/+", b"sport/", True),
    (b"+/+", b"/finance", True),
    (b"/+", b"/finance", True),
    (b"+", b"/finance", False),
    (b"#", b"$SYS/monitor/Clients", False),
    (b"+/monitor/Clients", b"$SYS/monitor/Clients", False),
    (b"$SYS/#", b"$SYS/monitor/Clients", True),
    (b"$SYS/monitor/+", b"$SYS/monitor/Clients", True),
    (b"ACCOUNTS", b"Accounts", False),
    (b"/finance", b"finance", False),
    (b"+", b"$SYS", False),
    (b"$SYS", b"$SYS", True),
    (b"$SYS/#", b"$SYS", True),
    (b"+/#", b"$SYS/a", False),
    (b"a/+", b"a/$SYS", True),  # The rule is for the first level alone.
    (b"a/#", b"a/$SYS/b", True),
    (b"/#", b"/", True),
    (b"/#", b"a", False),
    (b"/", b"/", True),
    (b"+/", b"/", True),
    (b"+", b"/", False),
    (b"+/+", b"/", True),
    (b"+/+/+", b"//", True),
    (b"//", b"//", True),
    (b"a//b", b"a//b", True),
    (b"a/+/b", b"a//b", True),
    (b"a/b", b"a//b", False),
    (b"a/b", b"a/b/", False),
    (b"a/b/", b"a/b", False),
    (b"a/b", b"a/bc", False),
    (b"a/#", b"ab", False),
    (b"a/b/#", b"a", False),
    (b"+/b/#", b"a/b", True),
    (b"$share/g/a/+", b"a/b", True),
    (b"$share/g/a/+", b"b/b", False),
    (b"$share/g/#", b"$SYS/a", False),
    (b"$share/g/$SYS/#", b"$SYS/a", True),
    (b"$share/g/$share/g/a", b"$share/g/a", True),
    (b"$share/g/a", b"$share/g/a", False),
    (b"caf\xc3\xa9/+", b"caf\xc3\xa9/\xe2\x82\xac", True),
    (b"caf\xc3\xa9", b"cafe\xcc\x81", False),  # Nothing is normalised [4.7.3].
)


def test_good_filters_pass():
    for filter in GOOD_FILTERS:
        check_filter(filter)


def test_bad_filters_are_refused_with_the_reason():
    for filter, reason in BAD_FILTERS:
        with raises(ValueError) as caught:
            check_filter(filter)
        assert reason in str(caught.error), (filter[:20], str(caught.error))


def test_filters_match_as_the_specification_says():
    for filter, topic, expected in MATCHES:
        check_filter(filter)
        check_topic(topic)
        assert matches(filter, topic) is expected, (filter, topic)


def test_shared_filters_are_split():
    cases = (
        (b"$share/group/a/+/#", (b"group", b"a/+/#")),
        (b"$share/g//", (b"g", b"/")),
        (b"$share/caf\xc3\xa9/a", (b"caf\xc3\xa9", b"a")),
        (b"$share/g/$share/g/a", (b"g", b"$share/g/a")),
        (b"a/b", None),
        (b"$share", None),
        (b"$Share/g/a", None),
        (b"/$share/g/a", None),
    )
    for filter, expected in cases:
        assert shared(filter) == expected, filter


def test_filters_overlap_when_a_topic_matches_both():
    # All filters and topics of a small world, so that a topic in common is among them.
    names = [b"a", b"b", b"$s", b""]
    topics = names[:3]
    for level in names:
        topics = topics + [first + b"/" + level for first in names]
    topics = topics + [topic + b"/a" for topic in topics] + [b"a/b/c/a", b"$s/b/c/a"]
    filters = [b"a", b"$s", b"+", b"#"]
    for first in (b"a", b"b", b"$s", b"+"):
        filters = filters + [first + b"/" + last for last in (b"a", b"b", b"+", b"#")]
    filters = filters + [b"/a", b"+/+/#", b"a/+/a", b"$share/g/a/#"]
    matched = [{topic for topic in topics if matches(filter, topic)} for filter in filters]
    for one, ours in zip(filters, matched):
        for other, theirs in zip(filters, matched):
            assert overlap(one, other) == bool(ours & theirs), (one, other)


def test_filter_map_gives_the_first_match():
    lanes = FilterMap(
        [
            (b"alarm/#", "alarm"),
            (b"+/test", "test"),
            (b"alarm/quiet", "never"),
            (b"$share/g/shared/+", "shared"),
            (b"#", "main"),
        ]
    )
    cases = (
        (b"alarm", "alarm"),
        (b"alarm/test", "alarm"),
        (b"alarm/quiet", "alarm"),
        (b"site/test", "test"),
        (b"shared/a", "shared"),
        (b"site/other", "main"),
        (b"$SYS/x", None),
    )
    # Asked twice: the second answer comes from memory.
    for topic, lane in cases + cases:
        assert lanes.find(topic) == lane, topic


def test_an_empty_filter_map_finds_nothing():
    assert FilterMap([]).find(b"a") is None


def test_filter_map_refuses_a_malformed_filter():
    with raises(ValueError):
        FilterMap([(b"a", "x"), (b"a/#/b", "y")])
    with raises(ValueError):
        FilterMap([], 0)


def test_filter_map_remembers_no_more_than_its_limit():
    lanes = FilterMap([(b"a/#", "a")], 4)
    for number in range(100):
        topic = b"a/" + str(number).encode()
        assert lanes.find(topic) == "a"
        assert len(lanes._cache) <= 4
    assert lanes.find(b"a/99") == "a"


def test_filter_map_does_not_remember_long_topics():
    lanes = FilterMap([(b"a/#", "a")])
    topic = b"a/" + b"x" * (CACHE_TOPIC_BYTES_MAX - 2)
    assert lanes.find(topic + b"x") == "a"
    assert len(lanes._cache) == 0
    assert lanes.find(topic) == "a"
    assert len(lanes._cache) == 1
