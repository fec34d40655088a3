"""The intake takes any byte stream apart: at every split, within bounds."""

import random
import struct

import pytest

from tidegate.errors import ProtocolError
from tidegate.limits import PAYLOAD_BYTES_MAX, PROPERTIES_BYTES_MAX
from tidegate.records.record import RETAIN, unpack_properties
from tidegate_linux.mqtt.intake import PACKET_BYTES_MAX, TOPICS_MAX, Intake, escaped

PINGRESP = b"\xd0\x00"


def text(data):
    return struct.pack("!H", len(data)) + data


def number(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def publish(topic, payload, qos=1, packet=1, retain=False, dup=False, properties=None):
    """Encode a PUBLISH; `properties` (bytes) makes it one of MQTT 5."""
    head = 0x30 | dup << 3 | qos << 1 | retain
    body = text(topic) + (struct.pack("!H", packet) if qos else b"")
    if properties is not None:
        body += number(len(properties)) + properties
    body += payload
    return bytes([head]) + number(len(body)) + body


def pair(name, value):
    return b"\x26" + text(name) + text(value)


def intake(version_5=False, filters=(b"#",), identity=b""):
    return Intake(version_5, list(filters), identity)


STREAM_3 = b"".join(
    [
        b"\x20\x02\x01\x00",
        publish(b"a", b"", qos=0),
        publish(b"a/b", b"one", packet=1),
        PINGRESP,
        publish(b"a/b", b"two" * 50, packet=65535, retain=True),
        publish("ä/€".encode(), b"x" * 200, qos=2, packet=7, dup=True),
        b"\x90\x03\x00\x01\x01",
    ]
)


def parts_of(messages):
    return [(m.topic, m.payload, m.flags, m.token) for m in messages]


EXPECTED_3 = [
    (b"a", b"", 0, None),
    (b"a/b", b"one", 1, b"\x40\x02\x00\x01"),
    (b"a/b", b"two" * 50, 1 | RETAIN, b"\x40\x02\xff\xff"),
    ("ä/€".encode(), b"x" * 200, 2, b"\x50\x02\x00\x07"),
]


def test_a_read_becomes_messages_and_the_rest_goes_to_paho():
    taken = intake()
    assert parts_of(taken.feed(STREAM_3, 5)) == EXPECTED_3
    assert bytes(taken.control) == b"\x20\x02\x01\x00" + PINGRESP + b"\x90\x03\x00\x01\x01"


def test_every_split_gives_the_same_messages():
    for cut in range(len(STREAM_3) + 1):
        taken = intake()
        messages = taken.feed(STREAM_3[:cut], 1) + taken.feed(STREAM_3[cut:], 2)
        assert parts_of(messages) == EXPECTED_3, f"cut at {cut}"
    taken = intake()
    messages = []
    for at in range(len(STREAM_3)):
        messages += taken.feed(STREAM_3[at : at + 1], at)
    assert parts_of(messages) == EXPECTED_3


def test_the_time_is_that_of_the_read_that_completed_the_message():
    taken = intake()
    assert taken.feed(STREAM_3[:20], 1)[0].ticks_ms == 1
    assert [message.ticks_ms for message in taken.feed(STREAM_3[20:], 9)] == [9, 9, 9]


def test_user_properties_and_the_content_type_are_kept_in_their_order():
    properties = b"".join(
        [
            b"\x01\x01",
            pair(b"k", b"1"),
            b"\x02\x00\x00\x00\x05",
            b"\x03" + text(b"text/plain"),
            b"\x08" + text(b"reply/to"),
            b"\x09" + text(b"\xff\x00"),
            b"\x0b\x80\x01",
            pair(b"k", b"2"),
        ]
    )
    taken = intake(version_5=True)
    (message,) = taken.feed(publish(b"a", b"payload", properties=properties), 1)
    assert message.payload == b"payload"
    assert unpack_properties(message.properties) == [
        (b"k", b"1"),
        (b"content-type", b"text/plain"),
        (b"k", b"2"),
    ]
    assert taken.trimmed == 0


def test_properties_are_read_at_every_split():
    data = publish(b"a", b"p", properties=pair(b"name", b"value") + b"\x03" + text(b"t"))
    for cut in range(len(data) + 1):
        taken = intake(version_5=True)
        (message,) = taken.feed(data[:cut], 1) + taken.feed(data[cut:], 1)
        assert message.payload == b"p", f"cut at {cut}"
        assert len(unpack_properties(message.properties)) == 2


def test_the_identity_is_the_first_user_property_of_that_name():
    properties = pair(b"other", b"x") + pair(b"id", b"m-1") + pair(b"id", b"m-2")
    data = publish(b"a", b"p", properties=properties)
    assert intake(version_5=True, identity=b"id").feed(data, 1)[0].identity == b"m-1"
    assert intake(version_5=True, identity=b"uid").feed(data, 1)[0].identity == b""
    assert intake(version_5=True).feed(data, 1)[0].identity == b""


def test_a_message_whose_properties_do_not_fit_keeps_those_that_do():
    half = b"v" * (PROPERTIES_BYTES_MAX // 2)
    properties = pair(b"a", half) + pair(b"b", half) + pair(b"\xff", b"no text")
    taken = intake(version_5=True)
    (message,) = taken.feed(publish(b"a", b"p", properties=properties), 1)
    assert unpack_properties(message.properties) == [(b"a", half)]
    assert message.payload == b"p"
    assert taken.trimmed == 1


BAD_TOPICS = [b"", b"a/+", b"#", b"\xff", b"a\x00b", b"\xed\xa0\x80"]


def test_a_message_with_a_topic_that_is_none_is_refused_and_owed():
    for topic in BAD_TOPICS:
        taken = intake()
        assert taken.feed(publish(topic, b"p", packet=3), 1) == [], topic
        assert taken.refused == 1
        assert taken.take_owed() == b"\x40\x02\x00\x03"
        assert taken.take_owed() == b""
        assert "\n" not in taken.refused_last[0]


def test_a_refused_message_is_acknowledged_in_its_turn():
    taken = intake()
    stream = publish(b"a", b"", packet=1) + publish(b"#", b"", packet=2) + publish(b"", b"", qos=0)
    stream += (
        publish(b"+", b"", packet=3) + publish(b"q", b"", qos=0) + publish(b"a", b"", packet=4)
    )
    tokens = [message.token for message in taken.feed(stream, 1)]
    assert tokens == [
        b"\x40\x02\x00\x01",
        None,
        b"\x40\x02\x00\x02\x40\x02\x00\x03\x40\x02\x00\x04",
    ]
    assert taken.owed == b""


def test_a_hostile_topic_stays_on_its_line():
    assert escaped(b"a\nb\x1b[31m\xff") == "a\\nb\\x1b[31m\\\\xff"


def test_a_topic_of_no_configured_filter_is_noticed_and_kept():
    taken = intake(filters=(b"site/#", b"$share/group/shared/+"))
    assert len(taken.feed(publish(b"site/a", b"") + publish(b"shared/x", b""), 1)) == 2
    assert taken.stray == ""
    assert len(taken.feed(publish(b"other", b""), 1)) == 1
    assert taken.stray == "other"


def test_topics_are_remembered_as_one_object_and_in_bounded_number():
    taken = intake()
    first, second = taken.feed(publish(b"a/b", b"1") + publish(b"a/b", b"2"), 1)
    assert first.topic is second.topic
    for count in range(TOPICS_MAX * 2):
        taken.feed(publish(b"t/%d" % count, b""), 1)
    taken.feed(publish(b"long/" + b"x" * 5000, b""), 1)
    assert len(taken._topics) <= TOPICS_MAX


def feed_in_pieces(taken, data, size):
    messages = []
    for at in range(0, len(data), size):
        messages += taken.feed(data[at : at + size], 1)
        held_bytes = taken._parts_bytes
        assert held_bytes <= PACKET_BYTES_MAX + size
    return messages


def test_a_message_of_the_largest_size_comes_whole():
    payload = bytes(PAYLOAD_BYTES_MAX)
    for version_5, properties in ((False, None), (True, pair(b"n", b"v" * 65000))):
        taken = intake(version_5)
        data = publish(b"t" * 65535, payload, properties=properties)
        (message,) = feed_in_pieces(taken, data, 256 * 1024)
        assert message.payload == payload


def test_of_a_message_that_is_too_large_only_the_beginning_is_held():
    for version_5, properties in ((False, None), (True, pair(b"n", b"v")), (True, None)):
        taken = intake(version_5)
        data = publish(b"big", bytes(3 * PAYLOAD_BYTES_MAX), packet=8, properties=properties)
        data += publish(b"next", b"p", properties=None if properties is None else b"")
        if version_5 and properties is None:
            # All of it properties, by its length field; the payload is nowhere in reach.
            data = publish(b"big", b"", packet=8, properties=b"\x26" * (3 * PAYLOAD_BYTES_MAX))
            data += publish(b"next", b"p", properties=b"")
        big, following = feed_in_pieces(taken, data, 1 << 20)
        assert PAYLOAD_BYTES_MAX < len(big.payload) <= PACKET_BYTES_MAX + (1 << 20)
        assert big.token == b"\x40\x02\x00\x08"
        assert (following.topic, following.payload) == (b"next", b"p")


MALFORMED = [
    (False, b"\x36\x05\x00\x01a\x00\x01", "QoS 3"),
    (False, b"\x32\x01\x00", "too short for a topic"),
    (False, b"\x32\x03\x00\x09a", "too short for its topic"),
    (False, b"\x32\x04\x00\x01a\x00", "too short for its topic"),
    (False, b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
    (True, b"\x30\x03\x00\x01a", "does not end"),
    (True, b"\x30\x04\x00\x01a\x05", "longer than their packet"),
    (True, publish(b"a", b"", properties=b"\x23\x00\x01"), "alias"),
    (True, publish(b"a", b"", properties=b"\x11\x00\x00\x00\x01"), "no place"),
    (True, publish(b"a", b"", properties=b"\x26\x00\x01"), "longer than the properties"),
    (True, publish(b"a", b"", properties=b"\x26\x00\x01a\x00\x05b"), "longer than the properties"),
    (True, publish(b"a", b"", properties=b"\x02\x00"), "middle"),
    (True, publish(b"a", b"", properties=b"\x0b\xff\xff\xff\xff"), "does not end"),
    (True, publish(b"a", b"", properties=b"\x26"), "longer than the properties"),
]


def test_malformed_packets_are_the_brokers_fault():
    for version_5, data, part in MALFORMED:
        with pytest.raises(ProtocolError) as caught:
            intake(version_5).feed(data, 1)
        assert part in caught.value.detail, data


def test_a_giant_packet_that_is_no_message_is_refused():
    taken = intake()
    data = b"\x90" + number(100_000_000) + bytes(PACKET_BYTES_MAX)
    with pytest.raises(ProtocolError):
        feed_in_pieces(taken, data, 1 << 20)


def test_any_bytes_give_messages_or_a_protocol_error():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sound = STREAM_3 + publish(b"a", b"p", properties=pair(b"n", b"v") + b"\x03" + text(b"x"))
    for _ in range(3000):
        data = bytearray(sound)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        taken = intake(version_5=chance.random() < 0.5)
        try:
            for at in range(0, len(data), 37):
                taken.feed(bytes(data[at : at + 37]), 1)
        except ProtocolError:
            continue


def test_an_origin_is_ours_alone_to_say():
    pairs = [(b"a", b"1"), (b"tidegate-origin", b"x"), (b"b", b"2")]
    properties = b"".join([pair(*each) for each in pairs])
    taken = intake(version_5=True)
    (message,) = taken.feed(publish(b"a", b"payload", properties=properties), 1)
    assert unpack_properties(message.properties) == [(b"a", b"1"), (b"b", b"2")]
    assert taken.trimmed == 0, "nothing is lost that was the producer's to say"
