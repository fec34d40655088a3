"""Topic names, MQTT section 4.7."""

from support import raises
from tidegate.records.topics import check_topic

GOOD_TOPICS = (
    b"a",
    b"/",
    b"//",
    b"/finance",
    b"sport/tennis/player1",
    b"a b/c",  # Spaces are characters [4.7.3].
    b"ACCOUNTS",
    b"$SYS/broker/load",
    b"$share/group/a",  # As a topic this is a name like others.
    b"caf\xc3\xa9/\xf0\x9f\x8c\x8a",
    b"a" * 65535,
)

BAD_TOPICS = (
    (b"", "at least one character"),
    (b"a" * 65536, "at most 65535 bytes"),
    (b"a\0b", "U+0000 at byte 1"),
    (b"a/\xed\xa0\x80", "malformed UTF-8 at byte 2"),
    (b"a/+", "no wildcard"),
    (b"#", "no wildcard"),
    (b"a#b", "no wildcard"),
)


def test_good_topics_pass():
    for topic in GOOD_TOPICS:
        check_topic(topic)


def test_bad_topics_are_refused_with_the_reason():
    for topic, reason in BAD_TOPICS:
        with raises(ValueError) as caught:
            check_topic(topic)
        assert reason in str(caught.error), (topic[:20], str(caught.error))
