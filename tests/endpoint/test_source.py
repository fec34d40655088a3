"""The source "listen": nothing is acknowledged before it is durable, and nothing twice admitted."""

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Listening
from tidegate_linux.endpoint import turn_queue


@pytest.fixture
def site(tmp_path):
    with Listening(tmp_path) as running:
        yield running


def test_a_message_is_acknowledged_when_it_is_durable_and_not_before(site):
    client = site.client("a")
    site.stop_commits()
    client.publish(b"site/a", b"1", qos=1, answers=False)
    site.wait(lambda: site.arrived() == 1)
    assert client.is_silent()
    site.commit()
    answer = client.receive()
    assert (answer.kind, answer.packet_id, answer.reason) == (codec.PUBACK, 1, 0)
    assert site.payloads() == [b"1"]


def test_many_messages_of_one_read_are_one_arrival(site):
    client = site.client("a")
    site.stop_commits()
    client.send(b"".join(codec.publish(b"t", b"%d" % n, 1, packet_id=n) for n in range(1, 501)))
    site.wait(lambda: site.arrived() == 500)
    site.commit()
    assert [client.receive().packet_id for _ in range(500)] == list(range(1, 501))
    assert site.payloads() == [b"%d" % number for number in range(1, 501)]


def test_a_journal_that_fails_costs_no_client_its_connection_and_no_message(site):
    client = site.client("a")
    site.stop_commits()
    for number in (1, 2, 3):
        client.publish(b"t", b"%d" % number, qos=1, answers=False)
        site.wait(lambda number=number: site.arrived() == number)
    site.fail()
    site.wait(lambda: site.source.status()["state"] == "paused")
    assert client.is_silent()
    site.recover()
    assert [client.receive().packet_id for _ in range(3)] == [1, 2, 3]
    assert site.payloads() == [b"1", b"2", b"3"]
    client.publish(b"t", b"4", qos=1)


def test_what_was_durable_when_the_journal_failed_is_not_admitted_again(site):
    client = site.client("a")
    site.stop_commits()
    for number in (1, 2, 3):
        client.publish(b"t", b"%d" % number, qos=1, answers=False)
        site.wait(lambda number=number: site.arrived() == number)
    site.fail(durable=2)
    site.recover()
    assert [client.receive().packet_id for _ in range(3)] == [1, 2, 3]
    assert site.payloads() == [b"1", b"2", b"3"]


def test_a_journal_that_fails_again_and_again_costs_nothing(site):
    client = site.client("a")
    for number in range(1, 21):
        site.stop_commits()
        client.publish(b"t", b"%d" % number, qos=1, answers=False)
        site.wait(lambda: site.arrived() == 1)
        site.fail(durable=number % 2)
        site.recover()
        assert client.receive().packet_id == number
    assert site.payloads() == [b"%d" % number for number in range(1, 21)]


def test_clients_are_held_while_the_journal_is_gone_and_heard_after_it(site):
    client = site.client("a")
    site.fail()
    site.wait(lambda: site.source.status()["state"] == "paused")
    client.publish(b"t", b"1", qos=1, answers=False)
    assert client.is_silent()
    site.recover()
    assert client.receive().kind == codec.PUBACK
    assert site.payloads() == [b"1"]


def test_who_connects_while_the_journal_is_gone_waits(site):
    site.fail()
    site.wait(lambda: site.source.status()["state"] == "paused")
    sock = site.open()
    sock.sendall(codec.connect("late"))
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    site.recover()
    sock.settimeout(10)
    assert sock.recv(100)[0] == 0x20


def test_dropped_for_want_of_room_is_told_to_version_5(site):
    site.refuses = True
    assert site.client("a").publish(b"t", b"1", qos=1).reason == 0x97
    assert site.client("b", version=4).publish(b"t", b"1", qos=1).reason == 0
    assert site.payloads() == []


def test_unsettled_messages_are_bounded_by_not_reading(site, monkeypatch):
    monkeypatch.setattr(turn_queue, "MESSAGES_MAX", 100)
    client = site.client("a", version=4)
    site.stop_commits()
    packets = [codec.publish(b"t", bytes(1000), 0, version=4) for _ in range(1000)]
    client.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            client.send(b"".join(packets))
    client.sock.settimeout(10)
    before = site.arrived()
    assert 100 < before < 2000
    assert client.is_silent()
    assert site.arrived() == before
    site.commit()
    site.wait(lambda: len(site.messages) > before)


def test_a_session_and_what_is_retained_outlive_a_restart(site):
    client = site.client("kept", clean_start=False, properties=[(0x11, 3600)])
    client.subscribe(b"cmd/#", 1)
    client.send(codec.publish(b"state/a", b"on", 1, packet_id=7, retain=True))
    assert client.receive().kind == codec.PUBACK
    client.close()
    site.restart()
    again = site.client("other")
    again.publish(b"cmd/a", b"go", qos=1)
    again.send(codec.subscribe(2, [(b"state/#", 0)]))
    assert {again.receive().kind, again.receive().kind} == {codec.SUBACK, codec.PUBLISH}
    back = site.open()
    back.sendall(codec.connect("kept", clean_start=False, properties=[(0x11, 3600)]))
    data = b""
    while b"go" not in data:
        data += back.recv(1000)
    packets, _ = codec.decode(data, 5)
    assert packets[0].session_present
    assert (packets[1].topic, packets[1].payload) == (b"cmd/a", b"go")


def test_notes_are_read_in_pages(site, monkeypatch):
    monkeypatch.setattr(turn_queue, "PAGE_NOTES", 3)
    client = site.client("a")
    for number in range(10):
        client.send(codec.publish(b"r/%d" % number, b"x", 1, packet_id=1 + number, retain=True))
        client.receive()
    site.restart()
    assert site.figures()["retained"] == 10


def test_the_status_has_figures(site):
    client = site.client("a")
    client.subscribe(b"t/#", 0)
    client.publish(b"t/1", b"x", qos=1, answers=False)
    client.receive()
    site.wait(lambda: site.figures()["messages_received_total"] == 1)
    figures = site.figures()
    assert (figures["connections"], figures["subscriptions"]) == (1, 1)
    assert figures["messages_sent_total"] == 1
    assert figures["bytes_received_total"] > 0
    assert figures["bytes_sent_total"] > 0
    assert site.source.status()["broker"] == f"mqtt://127.0.0.1:{site.ports[0]}"


def test_clients_are_told_when_the_gateway_stops(site):
    client = site.client("a")
    site.source.close()
    answer = client.receive()
    assert (answer.kind, answer.reason) == (codec.DISCONNECT, 0x8B)
    assert client.receive() is None
    assert site.source.status()["state"] == "closed"


def test_a_source_that_was_never_started_can_be_closed(tmp_path):
    site = Listening(tmp_path)
    site.source.acknowledge(1, [1])
    site.source.close()
    assert site.source.status()["state"] == "closed"


def test_a_bug_ends_one_connection_and_is_told(tmp_path):
    site = Listening(tmp_path)
    site.start()
    client, other = site.client("a"), site.client("b")
    server = site.source._endpoint._server
    channel = next(channel for channel in server._channels if channel.connection.client_id == "a")
    channel.connection.reader = None  # As a bug might leave it.
    client.send(b"\xc0\x00")
    assert client.receive() is None
    other.ping()
    site.wait(lambda: site.reports.of("endpoint_bug"))
    site.wait(lambda: "a bug" in site.source.status()["last_error"])
    site.source.close()
