"""Bounds over all clients: what one does not read is not kept at the cost of the others."""

import pytest

from endpoint import client_codec as codec
from endpoint.rig import Site
from tidegate_linux.endpoint.broker.limits import PACKET_ID_BYTES, SUBSCRIPTIONS_BYTES_MAX
from tidegate_linux.endpoint.broker.subscriptions import Subscriptions, cost_of

QUOTA = 0x97
GONE = {"clean_start": False, "expiry_s": 600}


def leave(site, client_id, filter, expiry_s=600):
    """Have a client subscribe, and go."""
    client = site.client(client_id, clean_start=False, expiry_s=expiry_s)
    client.subscribe(filter, qos=1)
    client.lose()


def queued(site):
    """Return how many notes of queues there are."""
    return len([key for key in site.committed if key.startswith(b"Q")])


def tally(site):
    """Return what all queues hold by the broker's books, and what it really is."""
    state = site.broker._state
    real = 0
    for session in state.sessions.values():
        real += session.outbox.total_bytes + len(session.received) * PACKET_ID_BYTES
        real += 0 if session.will is None else session.will.size_bytes
    return state.queued.total_bytes, real


def test_many_queues_together_stay_within_their_bound():
    site = Site(queued_bytes_max=50_000)
    for number in range(20):
        leave(site, f"gone-{number}", "a/#")
    writer = site.client("writer")
    for number in range(30):
        assert writer.publish("a/b", b"%03d" % number + bytes(300), qos=1).reason == 0
    booked, real = tally(site)
    assert booked == real <= 50_000
    assert queued(site) < 80
    assert site.broker.counters.dropped["all queues full"] == 20 * 30 - queued(site)
    assert "queues_full" in [event for _, event, _ in site.reports]


def test_the_largest_queue_makes_room_and_who_reads_loses_nothing():
    site = Site(queued_bytes_max=200_000)
    leave(site, "gone", "a/#")
    reader, writer = site.client("reader"), site.client("writer")
    reader.subscribe("a/#", qos=1)
    payloads = [b"%04d" % number + bytes(300) for number in range(600)]
    for payload in payloads:
        writer.publish("a/b", payload, qos=1)
        assert reader.message().payload == payload
    booked, real = tally(site)
    assert booked == real <= 200_000
    # What is left to the one that is away is the end of it, in its order.
    back = site.client("gone", **GONE)
    got = []
    while packets := back.take():
        for packet in packets:
            got.append(packet.payload)
            back.acknowledge(codec.PUBACK, packet.packet_id)
    assert got == payloads[-len(got) :]
    assert len(got) > 200


def test_the_books_are_right_after_a_crash_and_after_expiry():
    site = Site(queued_bytes_max=1_000_000)
    for number in range(5):
        leave(site, f"gone-{number}", "a")
    writer = site.client("writer", expiry_s=600)
    for number in range(400):
        writer.publish("a", b"%d" % number, qos=1)
    writer.send_publish("a", b"2", qos=2, packet_id=7)
    site.restart()
    booked, real = tally(site)
    assert booked == real > 400 * 5 * 400
    site.advance(601_000)
    assert tally(site) == (0, 0)
    assert queued(site) == 0


def test_packet_ids_that_are_never_released_are_bounded():
    site = Site(queued_bytes_max=100 * PACKET_ID_BYTES, receive_maximum=65535)
    client = site.client("five", expiry_s=600)
    reasons = []
    for packet_id in range(1, 121):
        client.send_publish("a", b"1", qos=2, packet_id=packet_id)
        reasons.append(client.expect(codec.PUBREC).reason)
    assert reasons == [0] * 100 + [QUOTA] * 20
    assert len(site.uplinked) == 100
    older = site.client("four", version=4)
    older.send_publish("a", b"1", qos=2, packet_id=1)
    older.ended()
    client.acknowledge(codec.PUBREL, 1)
    assert client.expect(codec.PUBCOMP).reason == 0
    client.send_publish("a", b"1", qos=2, packet_id=1)
    assert client.expect(codec.PUBREC).reason == 0
    client.lose()
    site.client("five", clean_start=True)
    assert tally(site) == (0, 0)


@pytest.mark.parametrize(("version", "refusal"), [(5, QUOTA), (4, 3)])
def test_wills_are_bounded_together(version, refusal):
    site = Site(queued_bytes_max=100_000)
    will = (b"will", bytes(30_000), 0, False)
    clients = [site.client(f"c{number}", version, will=will) for number in range(3)]
    refused = site.client("one more", version, will=will, is_accepted=False)
    assert refused.connack.reason == refusal
    site.client("none", version)
    clients[0].lose()
    assert len(site.uplinked) == 1
    clients[0] = site.client("one more", version, will=will)
    for client in clients:
        client.lose()
    assert tally(site) == (0, 0)


@pytest.mark.parametrize(("version", "refusal"), [(5, QUOTA), (4, 0x80)])
def test_subscriptions_of_all_clients_are_bounded_together(version, refusal):
    site = Site()
    one, other = site.client("one", version), site.client("other", version)
    count = SUBSCRIPTIONS_BYTES_MAX // cost_of(long_filter(0))
    for number in range(count):
        client = one if number % 2 else other
        assert client.subscribe(long_filter(number)).reasons == (0,)
    assert other.subscribe(long_filter(count)).reasons == (refusal,)
    assert other.subscribe(long_filter(0), qos=1).reasons == (1,)  # In place of the one it has.
    assert [event for _, event, _ in site.reports if event == "subscriptions_full"]
    one.lose()
    assert other.subscribe(long_filter(count)).reasons == (0,)


def long_filter(number):
    return b"%04d" % number + b"x" * 60_000


def test_the_cost_of_subscriptions_comes_and_goes_with_them():
    site = Site()
    client = site.client("a")
    client.subscribe("a/+/b", qos=1)
    client.subscribe("$share/g/a/#")
    subscriptions: Subscriptions = site.broker._state.subscriptions
    assert subscriptions.total_bytes == cost_of(b"a/+/b") + cost_of(b"$share/g/a/#")
    client.unsubscribe("a/+/b")
    assert subscriptions.total_bytes == cost_of(b"$share/g/a/#")
    client.lose()
    assert subscriptions.total_bytes == 0
