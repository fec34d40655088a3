"""Who publishes faster than a subscriber reads waits a little for it, and for a slow one not."""

from endpoint import client_codec as codec
from endpoint.rig import Site
from tidegate_linux.endpoint.broker.handling.braking import BRAKE_MS, PROOF_MS, REST_MS

QUEUE = {"queue_messages_max": 400, "inflight_max": 20}


def is_held(client):
    return client.wire.connection.is_held


def publish(client, numbers):
    for number in numbers:
        client.send_publish("a/b", b"%d" % number, 1, client.new_id())


def dropped(site):
    return site.broker.counters.dropped.get("queue full", 0)


def pair(site):
    reader, writer = site.client("reader", 4), site.client("writer", 4)
    reader.subscribe("a/#", qos=1)
    return reader, writer


def test_who_fills_the_queue_of_a_reader_waits_until_it_has_room():
    site = Site(**QUEUE)
    reader, writer = pair(site)
    payloads, holds = [], 0
    for number in range(1000):
        while is_held(writer):
            holds += 1
            assert not is_held(reader)
            payloads.append(int(reader.message().payload))
        publish(writer, [number])
    while len(payloads) < 1000:
        payloads.append(int(reader.message().payload))
    assert payloads == list(range(1000)) and dropped(site) == 0
    assert holds > 500 and not site.broker._state.brakes


def test_nobody_waits_for_a_reader_that_has_stopped():
    site = Site(**QUEUE)
    reader, writer = pair(site)
    publish(writer, range(300))
    assert is_held(writer)
    site.advance(BRAKE_MS)
    assert not is_held(writer)
    publish(writer, range(300, 1000))
    assert not is_held(writer) and dropped(site) > 0
    site.advance(REST_MS)
    publish(writer, range(3))
    assert not is_held(writer), "it has taken nothing since"
    reader.message()
    publish(writer, range(3))
    assert is_held(writer), "it reads again, and is given another chance"
    site.advance(BRAKE_MS)
    reader.lose()
    publish(writer, range(3))
    assert not is_held(writer)


def test_many_readers_that_have_stopped_hold_nobody_one_after_the_other():
    site = Site(**QUEUE)
    readers = [site.client(f"reader-{number}", 4) for number in range(5)]
    for reader in readers:
        reader.subscribe("a/#", qos=1)
    writer = site.client("writer", 4)
    site.advance(PROOF_MS + 1)
    publish(writer, range(300))
    assert not is_held(writer)


def test_who_reads_as_well_as_it_publishes_is_not_held_by_its_own_queue():
    site = Site(**QUEUE)
    reader, writer = pair(site)
    writer.subscribe("a/#", qos=1)
    publish(writer, range(390))
    assert not is_held(writer)
    assert reader.message().kind == codec.PUBLISH
