"""MQTT 3.1.1, chapters 4.3 to 4.6: delivery, and again after a reconnect."""

import pytest

from endpoint import client_codec as codec


def reading(site, qos=2):
    """Return a client of a kept session that has subscribed to `t`."""
    reader = site.client("r", version=4, clean_start=False)
    if not reader.connack.session_present:
        reader.subscribe("t", qos=qos)
    return reader


@pytest.mark.conforms("3.1.1", "MQTT-4.3.2-2")
def test_after_puback_the_identifier_stands_for_a_new_message(site):
    reader, writer = reading(site), site.client("w", version=4)
    for payload in (b"1", b"2"):
        writer.send_publish("t", payload, 1, 5)
        writer.expect(codec.PUBACK)
    assert [one.payload for one in reader.messages(2)] == [b"1", b"2"]


@pytest.mark.conforms("3.1.1", "MQTT-4.3.3-2")
def test_until_pubrel_a_repeated_message_is_not_delivered_again(site):
    reader, writer = reading(site), site.client("w", version=4)
    for dup in (False, True, True):
        writer.send_publish("t", b"1", 2, 5, dup=dup)
        assert writer.expect(codec.PUBREC).packet_id == 5
    writer.release(5)
    writer.release(5)
    writer.send_publish("t", b"2", 2, 5)
    writer.expect(codec.PUBREC)
    assert [one.payload for one in reader.messages(2)] == [b"1", b"2"]


@pytest.mark.parametrize("is_crash", [False, True])
@pytest.mark.conforms("3.1.1", "MQTT-4.3.3-2", "MQTT-4.1.0-1", "MQTT-4.4.0-1")
def test_a_message_that_is_sent_again_over_a_new_connection_is_delivered_once(make_site, is_crash):
    site = make_site()
    reading(site)
    writer = site.client("w", version=4, clean_start=False)
    writer.send_publish("t", b"1", 2, 5)
    writer.expect(codec.PUBREC)
    if is_crash:
        site.restart()
    writer = site.client("w", version=4, clean_start=False)
    writer.send_publish("t", b"1", 2, 5, dup=True)
    writer.expect(codec.PUBREC)
    writer.release(5)
    assert [one.payload for one in reading(site).drain()] == [b"1"]
    assert len(site.uplinked) == 1


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms(
    "3.1.1", "MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT-4.3.2-1", "MQTT-4.3.3-1", "MQTT-4.6.0-1"
)
def test_unacknowledged_messages_are_sent_again_with_dup_in_their_order(site, qos):
    reader, writer = reading(site, qos), site.client("w", version=4)
    for number in range(5):
        writer.publish("t", b"%d" % number, qos=qos)
    first = [reader.message(is_acknowledged=False) for _ in range(5)]
    assert not any(one.dup for one in first)
    assert len({one.packet_id for one in first} - {0}) == 5
    reader.wire.close()
    again = reading(site).messages(5)
    assert all(one.dup for one in again)
    assert [(o.packet_id, o.payload) for o in again] == [(o.packet_id, o.payload) for o in first]
    reading(site).nothing()


@pytest.mark.conforms("3.1.1", "MQTT-4.3.3-1", "MQTT-4.4.0-1")
def test_a_pubrel_is_sent_again_and_its_message_is_not(site):
    reader = reading(site)
    site.client("w", version=4).publish("t", b"x", qos=2)
    number = reader.message(is_acknowledged=False).packet_id
    reader.acknowledge(codec.PUBREC, number)
    assert reader.expect(codec.PUBREL).packet_id == number
    reader.wire.close()
    reader = reading(site)
    assert [(one.kind, one.packet_id) for one in reader.take()] == [(codec.PUBREL, number)]
    reader.acknowledge(codec.PUBCOMP, number)
    reader.wire.close()
    reading(site).nothing()


@pytest.mark.conforms("3.1.1", "MQTT-2.3.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
def test_an_identifier_in_use_is_given_to_no_other_message(site):
    reader, writer = reading(site), site.client("w", version=4)
    for number in range(60):
        writer.publish("t", b"%d" % number, qos=1 + number % 2)
    numbers = [reader.message(is_acknowledged=False).packet_id for _ in range(60)]
    assert 0 not in numbers
    assert len(set(numbers)) == 60


@pytest.mark.conforms("3.1.1", "MQTT-4.6.0-4")
def test_pubrels_are_in_the_order_of_the_pubrecs(site):
    reader, writer = reading(site), site.client("w", version=4)
    for number in range(4):
        writer.publish("t", b"%d" % number, qos=2)
    numbers = [reader.message(is_acknowledged=False).packet_id for _ in range(4)]
    asked = [numbers[at] for at in (2, 0, 3, 1)]
    reader.send(*[codec.acknowledge(codec.PUBREC, number) for number in asked])
    assert [one.packet_id for one in reader.take() if one.kind == codec.PUBREL] == asked


@pytest.mark.conforms("3.1.1", "MQTT-4.5.0-1")
def test_a_message_goes_to_every_session_that_matches(site):
    readers = [site.client(f"r{number}", version=4) for number in range(3)]
    for reader, filter_ in zip(readers, ["t", "+", "#"], strict=True):
        reader.subscribe(filter_, qos=1)
    site.client("w", version=4).publish("t", b"x", qos=1)
    assert [one.payload for reader in readers for one in reader.messages(1)] == [b"x"] * 3


@pytest.mark.conforms("3.1.1", "MQTT-2.3.1-5", "MQTT-4.3.1-1", "MQTT-3.3.1-2")
def test_qos_0_goes_out_once_and_is_not_kept(site):
    reader, writer = reading(site, 0), site.client("w", version=4)
    writer.publish("t", b"x", qos=2)
    packet = reader.message()
    assert (packet.packet_id, packet.dup, packet.payload) == (0, False, b"x")
    reader.wire.close()
    reading(site).nothing()


@pytest.mark.conforms("3.1.1", "MQTT-4.3.3-1", "MQTT-4.4.0-1", "MQTT-4.1.0-1")
def test_after_a_pubrel_and_a_crash_the_message_is_not_sent_again(make_site):
    site = make_site()
    reader = reading(site)
    site.client("w", version=4).publish("t", b"x", qos=2)
    number = reader.message(is_acknowledged=False).packet_id
    reader.acknowledge(codec.PUBREC, number)
    reader.expect(codec.PUBREL)
    site.restart()
    reader = reading(site)
    assert [(one.kind, one.packet_id) for one in reader.take()] == [(codec.PUBREL, number)]


@pytest.mark.conforms("3.1.1", "MQTT-4.6.0-2", "MQTT-3.3.5-2")
def test_answers_keep_their_order_where_one_message_is_not_allowed(make_site):
    site = make_site(access=[(("*",), ("*",), ("open/#",), ("#",))])
    writer = site.client("w", version=4)
    site.hold_commits()
    for number, topic in enumerate(("open/a", "closed/b", "open/c"), 1):
        writer.send_publish(topic, b"x", 1, number)
    writer.nothing()
    site.commit()
    assert [one.packet_id for one in writer.take()] == [1, 2, 3]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.conforms("3.1.1", "MQTT-4.3.2-2", "MQTT-4.3.3-2")
def test_nothing_is_acknowledged_before_it_is_durable(make_site, qos):
    site = make_site()
    reader, writer = reading(site), site.client("w", version=4)
    site.hold_commits()
    writer.send_publish("t", b"x", qos, 1)
    writer.nothing()
    reader.nothing()
    site.commit()
    assert [one.packet_id for one in writer.take()] == [1]
    assert reader.message().payload == b"x"
