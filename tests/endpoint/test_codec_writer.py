"""The writer: what a server sends is read as it was meant, in both versions and at the edges."""

import pytest

from endpoint import client_codec as client
from endpoint.client_codec import Packet
from tidegate_linux.endpoint.codec import reasons, writer
from tidegate_linux.endpoint.codec.writer import ConnackProperties

VERSIONS = (4, 5)
TEXT = "größe \U0001f600"
SIZES = [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000]


def read(data, version):
    """Return the one packet that `data` is, without its size."""
    packets, rest = client.decode(data, version)
    assert (len(packets), rest) == (1, b"")
    assert packets[0].size == len(data)
    return packets[0]._replace(size=0)


@pytest.mark.parametrize("is_present", [False, True])
def test_connack(is_present):
    assert writer.connack(4, is_present, 0) == bytes((0x20, 2, is_present, 0))
    found = read(writer.connack(5, is_present, 0), 5)
    assert found == Packet(client.CONNACK, session_present=is_present)


@pytest.mark.parametrize(
    ("told", "properties"),
    [
        (ConnackProperties(), ()),
        (ConnackProperties(0, 1, 1, "", 0, 0, ""), ((17, 0), (33, 1), (39, 1), (34, 0), (19, 0))),
        (
            ConnackProperties(0xFFFFFFFF, 65535, 0xFFFFFFFF, TEXT, 65535, 65535, "why"),
            (
                (0x11, 0xFFFFFFFF),
                (0x21, 65535),
                (0x27, 0xFFFFFFFF),
                (0x12, TEXT.encode()),
                (0x22, 65535),
                (0x1F, b"why"),
                (0x13, 65535),
            ),
        ),
        (ConnackProperties(client_id="y" * 65535), ((0x12, b"y" * 65535),)),
    ],
)
def test_connack_tells_what_is_to_be_told_and_no_more(told, properties):
    found = read(writer.connack(5, True, 0x80, told), 5)
    assert found == Packet(client.CONNACK, reason=0x80, session_present=True, properties=properties)
    assert read(writer.connack(4, False, 0x80, told), 4) == Packet(client.CONNACK, reason=3)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (reasons.SUCCESS, 0),
        (reasons.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (reasons.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (reasons.UNSPECIFIED_ERROR, 3),
        (reasons.IMPLEMENTATION_SPECIFIC_ERROR, 3),
        (reasons.SERVER_UNAVAILABLE, 3),
        (reasons.SERVER_BUSY, 3),
        (reasons.SERVER_SHUTTING_DOWN, 3),
        (reasons.QUOTA_EXCEEDED, 3),
        (reasons.CONNECTION_RATE_EXCEEDED, 3),
        (reasons.BAD_USER_NAME_OR_PASSWORD, 4),
        (reasons.NOT_AUTHORIZED, 5),
        (reasons.BANNED, 5),
    ],
)
def test_a_3_1_1_client_gets_the_nearest_return_code(reason, code):
    assert writer.connack(4, False, reason) == bytes((0x20, 2, 0, code))
    assert writer.connack(0, False, reason) == bytes((0x20, 2, 0, code)), "no version: as 3.1.1"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("dup", [False, True])
def test_publish(version, qos, retain, dup):
    for packet_id in (1, 0xFFFF):
        data = writer.publish(version, b"a/b", b"pay", qos, retain, dup, packet_id)
        found = read(data, version)
        assert (found.kind, found.topic, found.payload) == (client.PUBLISH, b"a/b", b"pay")
        assert (found.qos, found.retain, found.dup) == (qos, retain, dup)
        assert found.packet_id == (packet_id if qos else 0)
        assert found.properties == ()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("payload_bytes", SIZES)
def test_publish_of_every_length_of_length(version, payload_bytes):
    for topic in (b"", b"a", b"t" * 65535):
        payload = bytes(payload_bytes)
        found = read(writer.publish(version, topic, payload, 1, False, False, 1), version)
        assert (found.topic, found.payload) == (topic, payload)


FORWARDED = [(1, 1), (0x26, (b"a", b"b")), (3, b"x"), (9, b"\0"), (8, b"r"), (0x26, (b"", b""))]


@pytest.mark.parametrize(
    ("more", "properties"),
    [
        ({}, []),
        ({"expiry_s": 0}, [(2, 0)]),
        ({"expiry_s": 0xFFFFFFFF}, [(2, 0xFFFFFFFF)]),
        ({"alias": 1}, [(0x23, 1)]),
        ({"alias": 0xFFFF}, [(0x23, 0xFFFF)]),
        ({"identifiers": [1]}, [(0x0B, 1)]),
        ({"identifiers": (0x0FFFFFFF, 0x80)}, [(0x0B, 0x0FFFFFFF), (0x0B, 0x80)]),
        (
            {"expiry_s": 1, "alias": 2, "identifiers": [3, 4]},
            [(2, 1), (0x23, 2), (0x0B, 3), (0x0B, 4)],
        ),
    ],
)
@pytest.mark.parametrize("forwarded", [[], FORWARDED, [(0x26, (b"x" * 300, b""))]])
def test_publish_forwards_properties_unaltered_and_adds_its_own(forwarded, more, properties):
    data = client.pack_properties(forwarded)
    data = data[1:] if data[0] < 0x80 else data[2:]
    found = read(writer.publish(5, b"a", b"p", 1, False, False, 1, data, **more), 5)
    assert found.properties == (*forwarded, *properties)
    assert found.payload == b"p"
    old = writer.publish(4, b"a", b"p", 1, False, False, 1, data, **more)
    assert old == writer.publish(4, b"a", b"p", 1, False, False, 1), "3.1.1 has no properties"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [client.PUBACK, client.PUBREC, client.PUBREL, client.PUBCOMP])
def test_acknowledgements(kind, version):
    for packet_id in (1, 0x1234, 0xFFFF):
        for reason, text in [(0, ""), (0x10, ""), (0x97, TEXT), (0, "x" * 300)]:
            found = read(writer.acknowledgement(kind, version, packet_id, reason, text), version)
            assert (found.kind, found.packet_id) == (kind, packet_id)
            assert found.reason == (reason if version == 5 else 0)
            assert found.property(0x1F) == (text.encode() if version == 5 and text else None)


def test_an_acknowledgement_is_as_short_as_it_may_be():
    assert writer.acknowledgement(client.PUBACK, 5, 258) == b"\x40\2\1\2"
    assert writer.acknowledgement(client.PUBREL, 5, 258) == b"\x62\2\1\2"
    assert writer.acknowledgement(client.PUBREC, 5, 258, 0x97) == b"\x50\3\1\2\x97"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("packet_ids", [[], [1], [0xFFFF, 1, 0x100], range(1, 1001)])
def test_many_at_once_are_as_one_after_the_other(version, packet_ids):
    for many, kind in [(writer.pubacks, client.PUBACK), (writer.pubrecs, client.PUBREC)]:
        single = [writer.acknowledgement(kind, version, packet_id) for packet_id in packet_ids]
        assert many(version, packet_ids) == b"".join(single)


def test_suback():
    answers = [0, 1, 2, 0x80, 0x87, 0x8F, 0x97]
    found = read(writer.suback(5, 0xFFFF, answers), 5)
    assert found == Packet(client.SUBACK, packet_id=0xFFFF, reasons=tuple(answers))
    found = read(writer.suback(4, 1, answers), 4)
    assert found.reasons == (0, 1, 2, 0x80, 0x80, 0x80, 0x80)  # 3.1.1, [MQTT-3.9.3-2]
    assert len(read(writer.suback(5, 1, [0] * 10_000), 5).reasons) == 10_000


def test_unsuback():
    found = read(writer.unsuback(5, 0xFFFF, [0, 0x11, 0x87]), 5)
    assert found == Packet(client.UNSUBACK, packet_id=0xFFFF, reasons=(0, 0x11, 0x87))
    assert writer.unsuback(4, 258, [0, 0x11]) == b"\xb0\2\1\2"


def test_pingresp():
    for version in VERSIONS:
        assert read(writer.PINGRESP, version) == Packet(client.PINGRESP)


def test_disconnect():
    assert writer.disconnect(0x8E) == b"\xe0\1\x8e"
    found = read(writer.disconnect(0x81, TEXT, 0xFFFFFFFF), 5)
    assert (found.kind, found.reason) == (client.DISCONNECT, 0x81)
    assert found.properties == ((0x11, 0xFFFFFFFF), (0x1F, TEXT.encode()))
    assert read(writer.disconnect(0, session_expiry_s=0), 5).properties == ((0x11, 0),)


@pytest.mark.parametrize("value", [*SIZES, writer.LENGTH_MAX])
def test_lengths(value):
    assert writer.length(value) == client.number(value)


def test_a_length_beyond_four_bytes_is_our_own_bug():
    with pytest.raises(AssertionError, match="four bytes"):
        writer.length(writer.LENGTH_MAX + 1)


def test_every_reason_has_a_name_of_its_own():
    values = {value for value in vars(reasons).values() if isinstance(value, int)}
    assert len({reasons.name_of(value) for value in values}) == len(values)
    assert reasons.name_of(0x81) == "malformed packet"
    assert reasons.name_of(0x80) == "unspecified error"
    assert reasons.name_of(0x42) == "reason 0x42"
