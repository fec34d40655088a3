"""What arrives becomes records of the right lane, once, and is acknowledged either way."""

from builders import arrived, message
from tidegate.effects import Acknowledge
from tidegate.limits import PAYLOAD_BYTES_MAX
from tidegate.records.filters import FilterMap
from tidegate.records.record import RETAIN, Record, pack_properties
from tidegate.store.admission import Admission
from tidegate.store.lane import DEFAULT_LANE

LANES = [(b"+/alarm", "alarm"), (b"+/alarm/#", "never"), (b"low/#", "low")]


TOPIC = b"site/a"  # Of `message`.


def admission(lanes=LANES, names=(b"id",)):
    return Admission(FilterMap(lanes), list(names), {"source", "one", "two"}, 20, 30)


def payloads(one, messages):
    """Return the payloads of what is admitted of `messages`."""
    result = one.sort([arrived(messages)], 1)
    return [record.payload for _, records in result.records for record in records]


def test_a_message_becomes_a_record_of_the_running_boot():
    properties = pack_properties([(b"unit", b"bar")])
    one = message(7, b"a/b", payload=b"21", flags=RETAIN | 2, properties=properties, ticks_ms=99)
    result = admission().sort([arrived([one])], 5)
    assert result.records == [("main", [Record(5, 99, b"a/b", b"21", RETAIN | 2, properties)])]
    assert result.too_large == []
    assert result.answers == [Acknowledge("source", 1, [7])]


def test_the_first_filter_that_matches_names_the_lane():
    for topic, lane in (
        (b"x/alarm", "alarm"),
        (b"x/alarm/1", "never"),
        (b"low/alarm", "alarm"),
        (b"low/a/b", "low"),
        (b"low", "low"),
        (b"x/y", DEFAULT_LANE),
        (b"$SYS/alarm", DEFAULT_LANE),  # [MQTT-4.7.2-1]
    ):
        result = admission().sort([arrived([message(1, topic)])], 1)
        assert [name for name, _ in result.records] == [lane], topic


def test_each_lane_keeps_the_order_of_arrival():
    topics = (b"a/alarm", b"m", b"low/1", b"a/alarm", b"m", b"m", b"low/1")
    first = [message(number, topic) for number, topic in enumerate(topics)]
    second = [message(100, b"m"), message(101, b"a/alarm")]
    result = admission().sort([arrived(first, "one"), arrived(second, "two", 8)], 1)
    assert [(lane, [record.ticks_ms for record in found]) for lane, found in result.records] == [
        ("alarm", [0, 3, 101]),
        ("low", [2, 6]),
        ("main", [1, 4, 5, 100]),
    ]
    assert result.answers == [
        Acknowledge("one", 1, [0, 1, 2, 3, 4, 5, 6]),
        Acknowledge("two", 8, [100, 101]),
    ]


def test_what_asks_for_no_acknowledgement_gets_none():
    quiet = [message(number, token=None) for number in range(3)]
    result = admission().sort([arrived(quiet)], 1)
    assert len(result.records[0][1]) == 3
    assert result.answers == []
    result = admission().sort([arrived([quiet[0], message(9), quiet[1]])], 1)
    assert result.answers == [Acknowledge("source", 1, [9])]


def test_a_copy_that_its_producer_named_is_acknowledged_and_skipped():
    one = admission()
    first, copy = message(1, identity=b"x"), message(2, identity=b"x", payload=b"other")
    result = one.sort([arrived([first, copy, message(3, identity=b"y")])], 1)
    assert [record.ticks_ms for record in result.records[0][1]] == [1, 3]
    assert result.answers == [Acknowledge("source", 1, [1, 2, 3])]
    later = one.sort([arrived([message(4, identity=b"y")])], 1)
    assert later.records == []
    assert later.answers == [Acknowledge("source", 1, [4])]


def test_one_name_on_two_topics_names_two_messages():
    # Two devices may each count their messages from 1.
    one = admission()
    first, second = message(1, b"a", identity=b"1"), message(2, b"b", identity=b"1")
    assert payloads(one, [first, second, first, second]) == [b"1", b"2"]


def test_without_a_name_a_copy_is_rather_admitted_than_lost():
    one = admission()
    assert payloads(one, [message(1, payload=b"same"), message(2, payload=b"same")]) == [
        b"same",
        b"same",
    ]


def test_identities_are_found_again_in_the_records_of_the_journal():
    one = admission(names=[b"", b"id", b"uid"])
    one.restore(
        [
            (TOPIC, pack_properties([(b"unit", b"bar"), (b"id", b"x")])),
            (TOPIC, b""),
            (TOPIC, pack_properties([(b"uid", b"y")])),
            (TOPIC, pack_properties([(b"unit", b"z")])),
            (b"elsewhere", pack_properties([(b"id", b"z")])),
        ]
    )
    messages = [message(number, identity=name) for number, name in enumerate((b"x", b"y", b"z"))]
    assert payloads(one, messages) == [b"2"]


def test_damaged_properties_in_the_journal_cost_only_their_own_identity():
    one = admission()
    one.restore([(TOPIC, b"\xff\xff\x00"), (TOPIC, pack_properties([(b"id", b"x")]))])
    assert payloads(one, [message(1, identity=b"x"), message(2, identity=b"y")]) == [b"2"]


def test_identities_and_states_of_a_journal_that_failed_are_forgotten():
    one = admission()
    messages = [message(1, identity=b"x"), message(2, b"state", flags=RETAIN)]
    assert payloads(one, messages) == [b"1", b"2"]
    one.restore([])
    assert payloads(one, messages) == [b"1", b"2"]


def test_no_more_identities_are_remembered_than_stated():
    one = admission()
    names = [str(number).encode() for number in range(21)]
    one.sort([arrived([message(1, identity=name) for name in names])], 1)
    assert payloads(one, [message(2, identity=names[1])]) == []
    assert payloads(one, [message(3, identity=names[0])]) == [b"3"]
    # Which in turn pushed out the oldest that was left.
    assert payloads(one, [message(4, identity=names[1])]) == [b"4"]


def test_a_retained_message_that_says_what_is_known_is_skipped():
    one = admission()
    on, off = b"on", b"off"
    for number, (topic, payload, flags, admitted) in enumerate(
        (
            (b"a", on, RETAIN, True),
            (b"a", on, RETAIN, False),  # Again at a new subscription [MQTT-3.3.1-6].
            (b"b", on, RETAIN, True),
            (b"a", off, RETAIN, True),
            (b"a", on, RETAIN, True),  # Changed back is changed.
            (b"a", on, 0, True),  # A live message is an event, equal or not.
            (b"a", on, 0, True),
            (b"a", on, RETAIN, False),
            (b"a", off, 0, True),
            (b"a", off, RETAIN, False),
            (b"a", b"", RETAIN, True),
            (b"a", b"", RETAIN, False),
        )
    ):
        one_message = message(number, topic, payload=payload, flags=flags)
        result = one.sort([arrived([one_message])], 1)
        assert bool(result.records) == admitted, number
        assert result.answers == [Acknowledge("source", 1, [number])]


def test_two_brokers_may_retain_different_states_of_one_topic():
    one = admission()
    for number, (source, payload, admitted) in enumerate(
        (("one", b"on", 1), ("two", b"on", 1), ("one", b"on", 0), ("two", b"off", 1))
    ):
        retained = message(number, b"a", payload=payload, flags=RETAIN)
        result = one.sort([arrived([retained], source)], 1)
        assert len(result.records) == admitted, number


def test_no_more_states_are_remembered_than_stated():
    one = admission()
    topics = [f"t/{number}".encode() for number in range(30)]
    one.sort([arrived([message(1, topic, flags=RETAIN) for topic in topics])], 1)
    # A known topic needs no room: nothing is forgotten for it.
    assert payloads(one, [message(2, topics[0], flags=RETAIN)]) == [b"2"]
    assert payloads(one, [message(1, topics[1], flags=RETAIN)]) == []
    assert payloads(one, [message(1, b"new", flags=RETAIN)]) == [b"1"]
    assert payloads(one, [message(1, topics[1], flags=RETAIN)]) == [b"1"]


class Huge:
    """Stands for a payload that a small heap could not hold."""

    def __len__(self):
        return PAYLOAD_BYTES_MAX + 1


def test_the_largest_payload_there_may_be_is_admitted():
    try:
        largest = bytes(PAYLOAD_BYTES_MAX)
    except MemoryError:
        return  # MicroPython's heap is smaller than that.
    result = admission().sort([arrived([message(1, payload=largest)])], 1)
    assert (len(result.records), result.too_large) == (1, [])


def test_what_is_too_large_is_counted_and_acknowledged():
    large = Huge()
    messages = [
        message(1, b"a/alarm", payload=large, flags=RETAIN),
        message(2, b"m"),
        message(3, b"m", payload=large, identity=b"x"),
        message(3, b"m", payload=large, identity=b"x"),
        message(4, b"m", payload=large),
    ]
    result = admission().sort([arrived(messages)], 1)
    assert [(lane, len(found)) for lane, found in result.records] == [("main", 1)]
    assert result.too_large == [("alarm", 1), ("main", 2)]
    assert result.answers == [Acknowledge("source", 1, [1, 2, 3, 3, 4])]
