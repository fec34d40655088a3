"""The link over MQTT, on MicroPython: against Mosquitto, and against a broker that misbehaves."""

import pytest

from fixtures.broker import Broker
from micropython.link_process import LinkProcess
from micropython.responder import GENERATION, Responder
from samples import STREAM, span_of
from tidegate.wire.receipt import read_receipt, read_standing


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def test_a_query_is_answered_with_the_standing(broker):
    with Responder(broker), LinkProcess("mqtt", "127.0.0.1", broker.port) as link:
        link.query(7)
        [(token, status, fields, retry_after, sent_bytes)] = link.run(10)
    assert (token, status, retry_after) == (7, 200, None)
    assert read_standing(STREAM, fields).cursor.through == 0
    assert sent_bytes > len(str(STREAM))


def test_batches_arrive_whole_each_with_its_receipt(broker):
    with Responder(broker) as gateway, LinkProcess("mqtt", "127.0.0.1", broker.port) as link:
        link.send(1, 1, 5)
        events = link.run(10)
        link.send(2, 6, 60)
        events += link.run(10)
    assert [event[:2] for event in events] == [[1, 200], [2, 200]]
    receipts = [read_receipt(STREAM, fields) for _, _, fields, _, _ in events]
    assert [(one.first, one.last, one.generation) for one in receipts] == [
        (1, 5, GENERATION),
        (6, 60, GENERATION),
    ]
    assert gateway.records[str(STREAM)] == span_of(1, 60).records
