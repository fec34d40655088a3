"""MQTT 5.0, chapter 4.8: shared subscriptions."""

from collections import Counter

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import SUBSCRIPTION_ID

BAD_FILTERS = [
    "$share/",
    "$share/g",
    "$share//t",
    "$share/g/",
    "$share/g+/t",
    "$share/#/t",
]


def make_group(site, count, filter="$share/g/t", qos=1, **options):
    members = [site.client(f"member-{n}", **options) for n in range(count)]
    for member in members:
        assert member.subscribe(filter, qos=qos).reasons == (qos,)
    return members


@pytest.mark.parametrize("filter", BAD_FILTERS)
@pytest.mark.conforms("5.0", "MQTT-4.8.2-1", "MQTT-4.8.2-2")
def test_a_shared_filter_out_of_form_is_refused(site, filter):
    client = site.client("a")
    client.send(codec.subscribe(1, [(filter, 0)]))
    packet = client.expect(codec.SUBACK) if not client.wire.has_ended else None
    if packet is None:
        client.refused(0x81, 0x82, 0x8F)
    else:
        assert packet.reasons[0] >= 0x80


@pytest.mark.conforms("5.0", "MQTT-4.8.2-1", "MQTT-4.8.2-2")
def test_each_message_goes_to_one_member_of_each_group(site):
    members = make_group(site, 3)
    other, alone = site.client("other"), site.client("alone")
    other.subscribe("$share/h/t", qos=1)
    alone.subscribe("t", qos=1)
    writer = site.client("writer")
    for count in range(30):
        writer.publish("t", b"%d" % count, qos=1)
    found = [one.payload for member in members for one in member.drain()]
    assert sorted(found) == sorted(b"%d" % count for count in range(30))
    assert len(other.drain()) == len(alone.drain()) == 30


@pytest.mark.conforms("5.0", "MQTT-4.8.2-1")
def test_every_member_of_a_group_gets_its_share(site):
    members = make_group(site, 3)
    writer = site.client("writer")
    for _ in range(30):
        writer.publish("t", b"x", qos=1)
    assert all(len(member.drain()) >= 5 for member in members)


@pytest.mark.conforms("5.0", "MQTT-4.8.2-1")
def test_the_filter_in_a_shared_one_may_have_wildcards(site):
    (member,) = make_group(site, 1, "$share/g/a/+/#")
    writer = site.client("writer")
    for topic in ("a/b", "a/b/c", "a", "$SYS/a/b"):
        writer.publish(topic, b"x", qos=1)
    assert [one.topic for one in member.messages(2)] == [b"a/b", b"a/b/c"]


@pytest.mark.conforms("5.0", "MQTT-4.8.2-3")
def test_the_granted_qos_of_each_member_counts(site):
    low, high = site.client("low"), site.client("high")
    low.subscribe("$share/g/t", qos=0)
    high.subscribe("$share/g/t", qos=2)
    writer = site.client("writer")
    for _ in range(10):
        writer.publish("t", b"x", qos=2)
    assert {one.qos for one in low.drain()} == {0}
    assert {one.qos for one in high.drain()} == {2}


@pytest.mark.conforms("5.0", "MQTT-4.8.2-4")
def test_qos_2_that_was_begun_is_completed_with_the_same_member(site):
    members = make_group(site, 2, qos=2, clean_start=False, expiry_s=60)
    site.client("writer").publish("t", b"x", qos=2)
    chosen, other = members
    packets = chosen.take()
    if not packets:
        chosen, other = other, chosen
        packets = chosen.take()
    (packet,) = packets
    name = f"member-{members.index(chosen)}"
    chosen.lose()
    other.nothing()
    again = site.client(name, clean_start=False, expiry_s=60)
    assert again.message().packet_id == packet.packet_id
    other.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.8.2-5")
def test_when_the_session_of_a_member_ends_nobody_else_gets_what_it_had_begun(make_site):
    site = make_site(keepalive_s_max=65_535)
    members = make_group(site, 2, qos=2, clean_start=False, expiry_s=60)
    writer = site.client("writer")
    for _ in range(6):
        writer.publish("t", b"x", qos=2)
    first, second = members
    begun = [one for one in first.take() if one.kind == codec.PUBLISH]
    assert begun
    count = len(second.drain())
    assert len(begun) + count == 6
    first.lose()
    site.advance(61_000)
    second.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.8.2-6")
def test_a_message_that_a_member_refuses_goes_to_nobody_else(site):
    members = make_group(site, 2, qos=2)
    writer = site.client("writer")
    writer.publish("t", b"one", qos=1)
    writer.publish("t", b"two", qos=2)
    refused = 0
    for member in members:
        for packet in member.take():
            kind = codec.PUBACK if packet.qos == 1 else codec.PUBREC
            member.acknowledge(kind, packet.packet_id, 0x80)
            refused += 1
    assert refused == 2
    for member in members:
        member.nothing()


@pytest.mark.conforms("5.0", "MQTT-3.3.1-9")
def test_retained_messages_are_not_sent_to_a_shared_subscription(site):
    site.client("writer").publish("t", b"x", qos=1, retain=True)
    (member,) = make_group(site, 1)
    member.nothing()


@pytest.mark.conforms("5.0", "MQTT-4.8.2-1")
def test_members_that_are_there_are_preferred_to_those_that_are_away(site):
    members = make_group(site, 2, clean_start=False, expiry_s=60)
    members[0].lose()
    writer = site.client("writer")
    for _ in range(10):
        writer.publish("t", b"x", qos=1)
    assert len(members[1].drain()) == 10


@pytest.mark.conforms("5.0", "MQTT-4.5.0-1", "MQTT-4.8.2-1")
def test_a_group_all_of_whose_members_are_away_loses_nothing(make_site):
    site = make_site()
    for member in make_group(site, 2, clean_start=False, expiry_s=60):
        member.lose()
    for count in range(10):
        site.client("writer").publish("t", b"%d" % count, qos=1)
    site.restart()
    back = [site.client(f"member-{n}", clean_start=False, expiry_s=60) for n in range(2)]
    found = Counter(one.payload for member in back for one in member.drain())
    assert found == Counter(b"%d" % count for count in range(10))


@pytest.mark.conforms("5.0", "MQTT-3.10.4-1")
def test_unsubscribing_from_a_shared_filter_leaves_the_others(site):
    members = make_group(site, 2)
    members[0].subscribe("t", qos=1)
    assert members[0].unsubscribe("$share/g/t").reasons == (0,)
    site.client("writer").publish("t", b"x", qos=1)
    assert [len(member.drain()) for member in members] == [1, 1]


@pytest.mark.conforms("5.0", "MQTT-3.3.4-3")
def test_a_shared_subscription_has_its_own_identifier(site):
    client = site.client("a")
    client.subscribe("$share/g/t", qos=1, properties=[(SUBSCRIPTION_ID, 7)])
    site.client("writer").publish("t", b"x", qos=1)
    assert client.message().all_of(SUBSCRIPTION_ID) == [7]
