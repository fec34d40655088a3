"""What the reader refuses, with which reason: a line for each rule, citing where it stands."""

import pytest

from endpoint import client_codec as client
from endpoint.codec_samples import FRONT
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.control import FILTERS_MAX
from tidegate_linux.endpoint.codec.properties import USER_PROPERTIES_MAX
from tidegate_linux.endpoint.codec.reader import Reader

MALFORMED, PROTOCOL, VERSION = 0x81, 0x82, 0x84
FILTER, TOPIC, ALIAS, TOO_LARGE, OURS = 0x8F, 0x90, 0x94, 0x95, 0x83
BOTH = (4, 5)

connect, publish, subscribe = client.connect, client.publish, client.subscribe
acknowledge, packet = client.acknowledge, client.packet

# (the rule, the bytes, the reason); nothing is in front of these.
FIRST = [
    ("first is CONNECT [MQTT-3.1.0-1]", client.PINGREQ, PROTOCOL),
    ("first is CONNECT, a PUBLISH", publish("a"), PROTOCOL),
    ("first is CONNECT, type 0", b"\0\0", PROTOCOL),
    ("flags of CONNECT [MQTT-2.1.3-1]", b"\x11" + FRONT[4][1:], MALFORMED),
    ("name [MQTT-3.1.2-1]", connect(name=b"MQTt"), VERSION),
    ("MQTT 3.1", connect(version=3, name=b"MQIsdp"), VERSION),
    ("version 3 [MQTT-3.1.2-2]", connect(version=3), VERSION),
    ("version 6", connect(version=6), VERSION),
    ("no name", packet(0x10, b""), MALFORMED),
    ("no version", packet(0x10, client.binary(b"MQTT")), MALFORMED),
    ("no flags", packet(0x10, client.binary(b"MQTT") + b"\5"), MALFORMED),
    ("reserved flag [MQTT-3.1.2-3]", connect(flags=3), MALFORMED),
    ("reserved flag, 3.1.1", connect(version=4, flags=3), MALFORMED),
    ("will of QoS 3 [MQTT-3.1.2-12]", connect(will=(b"a", b"", 3, False)), MALFORMED),
    ("will QoS without a will [MQTT-3.1.2-11]", connect(flags=0x08), MALFORMED),
    ("will retain without a will [MQTT-3.1.2-13]", connect(flags=0x20), MALFORMED),
    ("password alone, 3.1.1 [MQTT-3.1.2-22]", connect(version=4, password=b"p"), MALFORMED),
    ("will flag without a will [MQTT-3.1.2-9]", connect(flags=0x04), MALFORMED),
    ("user name flag, no name [MQTT-3.1.2-17]", connect(flags=0x80), MALFORMED),
    ("password flag, none [MQTT-3.1.2-19]", connect(flags=0x40), MALFORMED),
    ("user name without its flag [MQTT-3.1.2-16]", connect(username="u", flags=0), MALFORMED),
    ("client id is UTF-8 [MQTT-3.1.3-4]", connect(b"\xff"), MALFORMED),
    ("client id holds U+0000", connect(b"\0", 4), MALFORMED),
    ("user name is UTF-8 [MQTT-3.1.3-12]", connect(username=b"\xc0\x80"), MALFORMED),
    ("will topic is UTF-8 [MQTT-3.1.3-11]", connect(will=(b"\xff", b"", 0, 0)), MALFORMED),
    ("will topic is a topic", connect(will=(b"a/#", b"", 0, False)), TOPIC),
    ("will topic is not empty", connect(will=(b"", b"", 0, False), version=4), TOPIC),
    ("receive maximum 0 (3.1.2.11.3)", connect(properties=[(0x21, 0)]), PROTOCOL),
    ("maximum packet size 0 (3.1.2.11.4)", connect(properties=[(0x27, 0)]), PROTOCOL),
    ("request response 2 (3.1.2.11.6)", connect(properties=[(0x19, 2)]), PROTOCOL),
    ("request problem 2 (3.1.2.11.7)", connect(properties=[(0x17, 2)]), PROTOCOL),
    ("data without a method (3.1.2.11.10)", connect(properties=[(0x16, b"")]), PROTOCOL),
    ("twice (3.1.2.11.2)", connect(properties=[(0x11, 1), (0x11, 1)]), PROTOCOL),
    ("out of place (2.2.2.2)", connect(properties=[(0x23, 1)]), MALFORMED),
    ("a server's (2.2.2.2)", connect(properties=[(0x13, 1)]), MALFORMED),
    ("a will's, in front", connect(properties=[(0x18, 1)]), MALFORMED),
    ("no will's", connect(will=(b"a", b"", 0, 0), will_properties=[(0x23, 1)]), MALFORMED),
    (
        "will: response topic",
        connect(will=(b"a", b"", 0, 0), will_properties=[(8, b"#")]),
        PROTOCOL,
    ),
    ("length in too many bytes [MQTT-1.5.5-1]", b"\x10\x8e\0" + FRONT[5][2:], MALFORMED),
    ("length of five bytes", b"\x10\x80\x80\x80\x80\1", MALFORMED),
    ("too large (3.1.2.11.4)", b"\x10\xff\xff\xff\x7f", TOO_LARGE),
    ("bytes behind it", packet(0x10, FRONT[4][2:] + b"\0"), MALFORMED),
    (
        "too many user properties",
        connect(properties=[(0x26, (b"", b""))] * (USER_PROPERTIES_MAX + 1)),
        OURS,
    ),
]

# (the rule, the versions, the bytes, the reason), behind a CONNECT of that version.
LATER = [
    ("DUP at QoS 0 [MQTT-3.3.1-2]", BOTH, b"\x38\x04\0\1a\0", MALFORMED),
    ("QoS 3 [MQTT-3.3.1-4]", BOTH, b"\x36\x06\0\1a\0\1\0", MALFORMED),
    ("QoS 3, too short for one", BOTH, b"\x36\0", MALFORMED),
    ("no topic, QoS 0", BOTH, b"\x30\0", MALFORMED),
    ("half a length, QoS 0", BOTH, b"\x30\1\0", MALFORMED),
    ("topic too short, QoS 0", BOTH, b"\x30\2\0\1", MALFORMED),
    ("no topic, QoS 1", BOTH, b"\x32\0", MALFORMED),
    ("half a length, QoS 1", BOTH, b"\x32\1\0", MALFORMED),
    ("half a packet id", BOTH, b"\x32\4\0\1a\0", MALFORMED),
    ("a packet id of the next packet", BOTH, b"\x32\3\0\1a" + client.PINGREQ, MALFORMED),
    ("packet id 0 [MQTT-2.2.1-3]", (4,), publish("a", b"", 1, 0, version=4), PROTOCOL),
    ("packet id 0, QoS 2", (5,), publish("a", b"", 2, 0), PROTOCOL),
    ("topic with + [MQTT-3.3.2-2]", (4,), publish("a/+", version=4), TOPIC),
    ("topic with # [MQTT-3.3.2-2]", (5,), publish("#", b"", 1, 1), TOPIC),
    ("topic is UTF-8 [MQTT-3.3.2-1]", (4,), publish(b"\xed\xa0\x80", version=4), MALFORMED),
    ("topic holds U+0000 [MQTT-1.5.4-2]", (5,), publish(b"a\0"), MALFORMED),
    ("no topic [MQTT-4.7.3-1]", (4,), publish("", version=4), PROTOCOL),
    ("no topic, no alias (3.3.2.1)", (5,), publish("", b"", 1, 1), PROTOCOL),
    ("alias 0 [MQTT-3.3.2-8]", (5,), publish("a", properties=[(0x23, 0)]), ALIAS),
    ("no property length [MQTT-2.2.2-1]", (5,), b"\x30\3\0\1a", MALFORMED),
    ("no property length, QoS 1", (5,), b"\x32\5\0\1a\0\1", MALFORMED),
    ("property length too long", (5,), b"\x30\4\0\1a\1", MALFORMED),
    ("property length of two bytes", (5,), b"\x30\x05\0\1a\x80\0", MALFORMED),
    ("property length does not end", (5,), b"\x30\x05\0\1a\x80\x80", MALFORMED),
    ("property length of five bytes", (5,), b"\x30\x08\0\1a\x80\x80\x80\x80\1", MALFORMED),
    ("unknown property (2.2.2.2)", (5,), b"\x30\x06\0\1a\2\x7f\0", MALFORMED),
    ("property id of two bytes", (5,), b"\x30\x07\0\1a\3\x81\0\1", MALFORMED),
    ("property is cut off, two", (5,), b"\x30\x06\0\1a\2\x23\0", MALFORMED),
    ("property is cut off, four", (5,), b"\x30\x08\0\1a\4\2\0\0\0", MALFORMED),
    ("property is cut off, byte", (5,), b"\x30\x05\0\1a\1\1", MALFORMED),
    ("property is cut off, text", (5,), b"\x30\x08\0\1a\4\3\0\2a", MALFORMED),
    ("property is cut off, data", (5,), b"\x30\x08\0\1a\4\x09\0\2a", MALFORMED),
    ("user property is cut off, name", (5,), b"\x30\x07\0\1a\3\x26\0\1x", MALFORMED),
    ("user property is cut off, value", (5,), b"\x30\x0a\0\1a\6\x26\0\1x\0\1x", MALFORMED),
    ("user property, half a length", (5,), b"\x30\x06\0\1a\2\x26\0", MALFORMED),
    (
        "user name [MQTT-1.5.7-1]",
        (5,),
        publish("a", properties=[(0x26, (b"\xff", b""))]),
        MALFORMED,
    ),
    ("user value [MQTT-1.5.7-1]", (5,), publish("a", properties=[(0x26, (b"", b"\0"))]), MALFORMED),
    ("user name, U+0000", (5,), publish("a", properties=[(0x26, (b"\0", b""))]), MALFORMED),
    ("user value, a half", (5,), publish("a", properties=[(0x26, (b"", b"\xc3"))]), MALFORMED),
    ("content type [MQTT-3.3.2-19]", (5,), publish("a", properties=[(3, b"\xff")]), MALFORMED),
    ("response topic [MQTT-3.3.2-13]", (5,), publish("a", properties=[(8, b"\xff")]), MALFORMED),
    ("response topic is empty", (5,), publish("a", properties=[(8, b"")]), PROTOCOL),
    ("response topic [MQTT-3.3.2-14]", (5,), publish("a", properties=[(8, b"a/+")]), PROTOCOL),
    ("payload format 2", (5,), publish("a", properties=[(1, 2)]), PROTOCOL),
    ("identifier [MQTT-3.3.4-6]", (5,), publish("a", properties=[(0x0B, 1)]), PROTOCOL),
    ("out of place (2.2.2.2)", (5,), publish("a", properties=[(0x11, 1)]), MALFORMED),
    *[
        (
            f"{kind:#04x} twice (3.3.2.3)",
            (5,),
            publish("a", properties=[(kind, value)] * 2),
            PROTOCOL,
        )
        for kind, value in [(1, 1), (2, 1), (3, b""), (8, b"a"), (9, b""), (0x23, 1)]
    ],
    ("length of two bytes [MQTT-1.5.5-1]", (5,), b"\xc0\x80\0", MALFORMED),
    ("length of four bytes", (5,), b"\x30\x85\x80\x80\0\0\1a\0\0", MALFORMED),
    ("length of five bytes", BOTH, b"\x30\xff\xff\xff\xff\1", MALFORMED),
    ("too large", BOTH, b"\x30\xff\xff\xff\x7f", TOO_LARGE),
    *[
        (f"flags of type {kind} [MQTT-2.1.3-1]", BOTH, packet(kind << 4 | bits, b"\0\1"), MALFORMED)
        for kind, bits in [(4, 2), (5, 1), (6, 0), (7, 8), (8, 0), (10, 0), (12, 1), (14, 4)]
    ],
    *[
        (f"packet id 0 of type {kind}", BOTH, packet(kind << 4 | bits, b"\0\0\0"), PROTOCOL)
        for kind, bits in [(4, 0), (5, 0), (6, 2), (7, 0), (8, 2), (10, 2)]
    ],
    *[
        (f"half a packet id of type {kind}", BOTH, packet(kind << 4 | bits, b"\1"), MALFORMED)
        for kind, bits in [(4, 0), (6, 2), (8, 2), (10, 2)]
    ],
    ("3.1.1 acknowledgement with a reason", (4,), acknowledge(4, 1, 0x10), MALFORMED),
    ("PUBACK's reason [MQTT-3.4.2-1]", (5,), acknowledge(4, 1, 0x92), PROTOCOL),
    ("PUBREC's reason [MQTT-3.5.2-1]", (5,), acknowledge(5, 1, 0x92), PROTOCOL),
    ("PUBREL's reason [MQTT-3.6.2-1]", (5,), acknowledge(6, 1, 0x80), PROTOCOL),
    ("PUBCOMP's reason [MQTT-3.7.2-1]", (5,), acknowledge(7, 1, 0x10), PROTOCOL),
    ("out of place", (5,), acknowledge(4, 1, 0, [(0x11, 1)]), MALFORMED),
    ("bytes behind it", (5,), packet(0x40, b"\0\1\0\0\0"), MALFORMED),
    ("no filter [MQTT-3.8.3-3]", (4,), subscribe(1, [], 4), PROTOCOL),
    ("no filter [MQTT-3.8.3-2]", (5,), subscribe(1, []), PROTOCOL),
    ("filter is cut off", (4,), packet(0x82, b"\0\1\0\2a"), MALFORMED),
    ("no options", (4,), packet(0x82, b"\0\1\0\1a"), MALFORMED),
    ("reserved options [MQTT-3.8.3-5]", (5,), subscribe(1, [("a", 0x40)]), MALFORMED),
    ("reserved options, with QoS 3", (5,), subscribe(1, [("a", 0x83)]), MALFORMED),
    ("reserved options, 3.1.1 [MQTT-3.8.3-4]", (4,), subscribe(1, [("a", 4)], 4), MALFORMED),
    ("QoS 3 (3.8.3.1)", (5,), subscribe(1, [("a", 0), ("a", 3)]), PROTOCOL),
    ("QoS 3, 3.1.1 [MQTT-3.8.3-4]", (4,), subscribe(1, [("a", 3)], 4), MALFORMED),
    ("retain handling 3 (3.8.3.1)", (5,), subscribe(1, [("a", 0x30)]), PROTOCOL),
    ("no local, shared [MQTT-3.8.3-4]", (5,), subscribe(1, [("$share/g/a", 4)]), PROTOCOL),
    ("filter is UTF-8 [MQTT-3.8.3-1]", (4,), subscribe(1, [(b"\xff", 0)], 4), MALFORMED),
    ("filter is empty [MQTT-4.7.3-1]", (5,), subscribe(1, [("", 0)]), FILTER),
    ("# is last [MQTT-4.7.1-1]", (5,), subscribe(1, [("#/a", 0)]), FILTER),
    ("+ is a level [MQTT-4.7.1-2]", (4,), subscribe(1, [("a+", 0)], 4), FILTER),
    ("a share has a name [MQTT-4.8.2-1]", (5,), subscribe(1, [("$share//a", 0)]), FILTER),
    ("a share has a filter [MQTT-4.8.2-2]", (5,), subscribe(1, [("$share/g", 0)]), FILTER),
    ("identifier 0 (3.8.2.1.2)", (5,), subscribe(1, [("a", 0)], properties=[(11, 0)]), PROTOCOL),
    ("identifier twice", (5,), subscribe(1, [("a", 0)], properties=[(11, 1)] * 2), PROTOCOL),
    ("out of place", (5,), subscribe(1, [("a", 0)], properties=[(0x1F, b"")]), MALFORMED),
    ("no filter [MQTT-3.10.3-2]", (4,), client.unsubscribe(1, [], 4), PROTOCOL),
    ("no filter, 5.0", (5,), client.unsubscribe(1, []), PROTOCOL),
    ("filter [MQTT-3.10.3-1]", (5,), client.unsubscribe(1, [b"\xff"]), MALFORMED),
    ("filter's form", (5,), client.unsubscribe(1, ["a/#/b"]), FILTER),
    ("out of place", (5,), client.unsubscribe(1, ["a"], properties=[(11, 1)]), MALFORMED),
    ("too many filters", (5,), subscribe(1, [("a", 0)] * (FILTERS_MAX + 1)), OURS),
    ("too many to end", (4,), client.unsubscribe(1, ["a"] * (FILTERS_MAX + 1), 4), OURS),
    ("PINGREQ has no body", BOTH, b"\xc0\1\0", MALFORMED),
    ("DISCONNECT has none, 3.1.1", (4,), b"\xe0\1\0", MALFORMED),
    ("a server's reason [MQTT-3.14.2-1]", (5,), client.disconnect(0x8E), PROTOCOL),
    ("out of place", (5,), client.disconnect(0, [(0x21, 1)]), MALFORMED),
    ("expiry twice (3.14.2.2.2)", (5,), client.disconnect(0, [(0x11, 1)] * 2), PROTOCOL),
    ("bytes behind DISCONNECT", (5,), packet(0xE0, b"\0\0\0"), MALFORMED),
    ("AUTH in 3.1.1 (2.2.1)", (4,), b"\xf0\0", MALFORMED),
    ("flags of AUTH [MQTT-3.15.1-1]", (5,), b"\xf1\0", MALFORMED),
    ("AUTH, success [MQTT-3.15.2-1]", (5,), b"\xf0\0", PROTOCOL),
    ("AUTH, success in full", (5,), client.auth(0, [(0x15, b"m")]), PROTOCOL),
    ("AUTH, another reason", (5,), client.auth(0x87, [(0x15, b"m")]), PROTOCOL),
    ("AUTH without properties", (5,), b"\xf0\1\x18", PROTOCOL),
    ("AUTH without a method (3.15.2.2.2)", (5,), client.auth(0x19), PROTOCOL),
    ("AUTH, data alone", (5,), client.auth(0x18, [(0x16, b"d")]), PROTOCOL),
    ("AUTH, method twice", (5,), client.auth(0x18, [(0x15, b"m")] * 2), PROTOCOL),
    ("AUTH, out of place", (5,), client.auth(0x18, [(0x15, b"m"), (0x11, 1)]), MALFORMED),
    ("bytes behind AUTH", (5,), packet(0xF0, b"\x18\4\x15\0\1m\0"), MALFORMED),
    *[
        (f"type {kind} is the server's", BOTH, packet(kind << 4, b"\0\1"), PROTOCOL)
        for kind in (0, 2, 9, 11, 13)
    ],
]
CASES = [(f"{rule}, {v}", FRONT[v] + data, reason) for rule, vs, data, reason in LATER for v in vs]


def refusal(data):
    reader = Reader(1 << 20)
    reader.feed(data)
    return reader.error


@pytest.mark.parametrize(("rule", "data", "reason"), FIRST + CASES)
def test_is_refused(rule, data, reason):
    error = refusal(data)
    assert error is not None, rule
    assert (error.reason, bool(error.text)) == (reason, True), (rule, error.text)
    assert not reasons.name_of(error.reason).startswith("reason"), "every reason has a name"


@pytest.mark.parametrize(
    ("head", "front", "back", "allowed"),
    [
        (0x40, "0001", "", "00 10 80 83 87 90 91 97 99"),  # Table 3-4.
        (0x50, "0001", "", "00 10 80 83 87 90 91 97 99"),  # Table 3-5.
        (0x62, "0001", "", "00 92"),  # Table 3-6.
        (0x70, "0001", "", "00 92"),  # Table 3-7.
        (0xE0, "", "", "00 04 80 81 82 83 90 93 94 95 96 97 98 99"),  # 3.14.2.1, the client's.
        (0xF0, "", "041500016d", "18 19"),  # 3.15.2.1, the client's.
    ],
)
def test_only_the_reasons_of_its_table_are_read(head, front, back, allowed):
    read = set()
    for reason in range(256):
        body = bytes.fromhex(front) + bytes([reason]) + bytes.fromhex(back)
        error = refusal(FRONT[5] + packet(head, body))
        if error is None:
            read.add(reason)
        else:
            assert error.reason == PROTOCOL
    assert read == set(bytes.fromhex(allowed))


@pytest.mark.parametrize(
    "data",
    [
        # 3.1.1 is silent about lengths in too many bytes (2.2.3).
        FRONT[4] + b"\xc0\x80\x80\x80\0",
        FRONT[4] + b"\x30\x84\0\0\1ab",
        b"\x10\x8d\0" + FRONT[4][2:],
        # What is announced as text is not looked at (5.0, 3.3.2.3.2: "MAY").
        FRONT[5] + publish("a", b"\xff", properties=[(1, 1)]),
        connect(will=(b"a", b"\xff", 0, False), will_properties=[(1, 1)]),
        # A byte order mark and other characters that should be avoided are text [MQTT-1.5.4-3].
        FRONT[5] + publish("\ufeffa\x01\uffff"),
        FRONT[5] + publish("$SYS/a"),
        connect(properties=[(0x26, (b"", b""))] * USER_PROPERTIES_MAX),
        FRONT[5] + subscribe(1, [("a", 0)] * FILTERS_MAX),
    ],
)
def test_is_allowed(data):
    assert refusal(data) is None
