"""The link over MQTT, on MicroPython: against Mosquitto, and against a broker that misbehaves."""

import contextlib
import json
import struct
import threading
import time

import pytest

from fixtures.broker import Broker
from fixtures.certificates import Authority
from fixtures.scripted_broker import CONNACK_NEW, ScriptedBroker
from on_micropython.link_process import LinkProcess
from on_micropython.responder import GENERATION, Responder
from samples import STREAM, span_of
from tidegate.wire.receipt import read_receipt, read_standing


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def linked(broker, **options):
    return LinkProcess("mqtt", "127.0.0.1", broker.port, **options)


def test_a_query_is_answered_with_the_standing(broker):
    with Responder(broker), linked(broker) as link:
        link.query(7)
        [(token, status, fields, retry_after, sent_bytes)] = link.run(10)
    assert (token, status, retry_after) == (7, 200, None)
    assert read_standing(STREAM, fields).cursor.through == 0
    assert sent_bytes > len(str(STREAM))


def test_batches_arrive_whole_each_with_its_receipt(broker):
    with Responder(broker) as gateway, linked(broker) as link:
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


def test_what_the_gateway_says_is_handed_on(broker):
    answers = [
        {"status": 503, "error": "busy", "detail": "later", "retry_after": "5"},
        {"status": 409, "error": "out-of-order", "expected": 3, "retry_after": 5},
    ]
    edit = lambda answer: {"token": answer["token"], **answers[edited.pop(0)]}  # noqa: E731
    edited = [0, 1]
    with Responder(broker, edit), linked(broker) as link:
        link.query(1)
        [first] = link.run(10)
        link.query(2)
        [second] = link.run(10)
    assert first[:2] == [1, 503]
    assert (first[2]["error"], first[3]) == ("busy", "5")
    assert second[:2] == [2, 409]
    assert (second[2]["expected"], second[3]) == (3, None), "a header is text"


NO_ANSWERS = {
    "another token": lambda answer: {**answer, "token": answer["token"] + 1},
    "a token as text": lambda answer: {**answer, "token": str(answer["token"])},
    "token 0": lambda answer: {**answer, "token": 0},
    "no token": lambda answer: {"status": 200},
    "no status": lambda answer: {"token": answer["token"]},
    "true as status": lambda answer: {**answer, "status": True},
    "a list": lambda answer: [answer],
    "half": lambda answer: json.dumps(answer).encode()[:-1],
    "no text": lambda _: b"\xff\xfe",
    "nothing": lambda _: b"",
    "silence": lambda _: None,
}


@pytest.mark.parametrize("edit", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_to_the_request_counts_for_nothing(broker, edit):
    with Responder(broker, edit) as gateway, linked(broker, timeout_s=0.4) as link:
        link.query(1)
        assert [one[:2] for one in link.run(5)] == [[1, None]]
        gateway.edit = lambda answer: answer
        link.query(2)
        assert [one[:2] for one in link.run(5)] == [[2, 200]]


def test_a_late_answer_and_a_second_one_count_for_nothing(broker):
    with Responder(broker, lambda answer: kept.append(answer)) as gateway:
        kept = []
        with linked(broker, timeout_s=0.4) as link:
            link.query(1)
            assert [one[:2] for one in link.run(5)] == [[1, None]]
            gateway.edit = lambda answer: answer
            link.query(2)
            assert [one[:2] for one in link.run(5)] == [[2, 200]]
            for answer in (kept[0], kept[0]):
                gateway.say(STREAM.node, answer)
            link.query(3)
            assert [one[:2] for one in link.run(5, 3)] == [[3, 200]]


def test_requests_of_several_lanes_are_under_way_together(broker):
    with Responder(broker, lambda answer: kept.append(answer)) as gateway, linked(broker) as link:
        kept = []
        for token in (1, 2, 3):
            link.query(token)
        link.run(0.5)
        for answer in reversed(kept):
            gateway.say(STREAM.node, answer)
        assert [one[:2] for one in link.run(5, 3)] == [[3, 200], [2, 200], [1, 200]]


def test_the_numbers_of_requests_never_meet_those_of_an_earlier_run(broker):
    seen = []
    with Responder(broker, lambda answer: seen.append(answer["token"]) or answer):
        for seed in (1, 2):
            with linked(broker, seed=seed) as link:
                link.query(1)
                link.run(5)
    assert abs(seen[0] - seen[1]) > 1000


def test_a_name_and_a_password_may_be_of_any_letters(tmp_path):
    with Broker(tmp_path, users={"knöten": "päss wörd"}) as broker:
        with Responder(broker), linked(broker, username="knöten", password="päss wörd") as link:
            link.query(1)
            assert link.run(10)[0][1] == 200
        with linked(broker, username="knöten", password="wrong") as link:
            link.query(1)
            [(_, status, fields, _, _)] = link.run(10)
            assert (status, fields["error"]) == (401, "refused")


def test_a_broker_that_restarts_is_come_back_to(tmp_path):
    with Broker(tmp_path) as broker, linked(broker, timeout_s=2) as link:
        with Responder(broker):
            link.query(1)
            assert link.run(10)[0][1] == 200
        broker.kill()
        assert link.run(0.3) == [], "a line that breaks while nobody waits is nobody's fault"
        link.query(2)
        [(_, status, reason, _, sent_bytes)] = link.run(10)
        assert (status, sent_bytes) == (None, 0), reason
        broker.start()
        with Responder(broker):
            link.query(3)
            assert link.run(10)[0][1] == 200


def test_a_frozen_broker_is_given_up_and_connected_to_anew(tmp_path):
    with Broker(tmp_path) as broker, linked(broker, timeout_s=0.8) as link, Responder(broker):
        link.query(1)
        assert link.run(10)[0][1] == 200
        broker.freeze()
        link.query(2)
        assert link.run(10)[0][1] is None
        broker.thaw()
        link.query(3)
        assert link.run(10)[0][1] == 200
    assert broker.log().count("New client connected from 127.0.0.1") >= 2


def test_the_connection_is_kept_alive_and_found_dead_without_requests(tmp_path):
    with Broker(tmp_path) as broker, linked(broker, keepalive_s=2) as link, Responder(broker):
        link.query(1)
        link.run(10)
        link.run(4)
        assert "exceeded timeout" not in broker.log()
        broker.freeze()
        link.run(4)
        assert link.state() == "closed"
        broker.thaw()


def test_tls_verifies_the_broker(tmp_path):
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("broker", "DNS:localhost")
    with Broker(tmp_path / "broker", certificate=certificate, key=key) as broker:
        other = Authority(tmp_path / "other", "another root")
        with LinkProcess("mqtt", "localhost", broker.port, ca_file=str(other.certificate)) as link:
            link.query(1)
            [(_, status, reason, _, sent_bytes)] = link.run(10)
            assert (status, sent_bytes) == (None, 0)
            assert "not correctly signed" in reason
        ours = str(authority.certificate)
        with Responder(broker), LinkProcess("mqtt", "localhost", broker.port, ca_file=ours) as link:
            link.send(1, 1, 60)
            assert link.run(10)[0][1] == 200


SUBACK = b"\x90\x03\x00\x01\x00"


def answer_with(token, **fields):
    text = json.dumps({"token": token, "status": 200, **fields}).encode()
    topic = f"$tidegate/{STREAM.node}/answer".encode()
    body = struct.pack("!H", len(topic)) + topic + text
    return bytes([0x30, len(body)]) + body


def script(behave, **options):
    """Return what a query gets from a broker that does `behave(peer)`, and the longest wait."""
    with ScriptedBroker() as broker:

        def serve():
            with contextlib.suppress(EOFError, OSError):
                behave(broker.accept())

        thread = threading.Thread(target=serve)
        thread.start()
        with linked(broker, **{"timeout_s": 0.6, "block_ms_max": 250, **options}) as link:
            link.query(1)
            answers = link.run(10)
            again = link.run(0.2)
        broker.close()
        thread.join()
        assert again == []
        return answers, link.longest_ms


def open_session(peer):
    peer.read()
    peer.write(CONNACK_NEW)
    peer.read()
    peer.write(SUBACK)
    _, body = peer.read()
    size = struct.unpack_from("!H", body)[0]
    return int(body[2 : 2 + size].rsplit(b"/", 1)[1])


def wait_for_the_end(peer):
    with contextlib.suppress(EOFError, OSError):
        while True:
            peer.read()


def test_an_answer_cut_at_any_byte_is_whole_when_all_of_it_came():
    def behave(peer):
        for byte in answer_with(open_session(peer)):
            peer.write(bytes([byte]))
            time.sleep(0.002)
        wait_for_the_end(peer)

    answers, longest_ms = script(behave)
    assert [one[:2] for one in answers] == [[1, 200]]
    assert longest_ms < 100


def greeted(*data):
    """Return a behaviour: CONNACK, then `data`, then waiting."""

    def behave(peer):
        peer.read()
        peer.write(CONNACK_NEW)
        peer.read()
        for part in data:
            peer.write(part)
        wait_for_the_end(peer)

    return behave


def opened(*data):
    """Return a behaviour: all goes well up to the request; then `data`, then waiting."""

    def behave(peer):
        number = open_session(peer)
        for part in data:
            peer.write(part(number) if callable(part) else part)
        wait_for_the_end(peer)

    return behave


def said_first(data):
    def behave(peer):
        peer.read()
        peer.write(data)
        wait_for_the_end(peer)

    return behave


MISBEHAVIOURS = {
    "never answers CONNECT": wait_for_the_end,
    "closes at once": lambda peer: peer.close(),
    "resets after CONNECT": lambda peer: (peer.read(), peer.reset()),
    "half a CONNACK": said_first(b"\x20\x02\x00"),
    "a CONNACK of another length": said_first(b"\x20\x03\x00\x00\x00"),
    "HTTP": said_first(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "a web page": said_first(b"<html>" + b"x" * 5000),
    "a length that never ends": said_first(b"\x20\xff\xff\xff\xff\xff"),
    "a huge packet": said_first(b"\x20\xff\xff\xff\x7f"),
    "never answers SUBSCRIBE": greeted(),
    "a SUBACK for another packet": greeted(b"\x90\x03\x00\x07\x00"),
    "a short SUBACK": greeted(b"\x90\x02\x00\x01"),
    "something else than a SUBACK": greeted(b"\x40\x02\x00\x01"),
    "closes after the request": lambda peer: (open_session(peer), peer.close()),
    "resets after the request": lambda peer: (open_session(peer), peer.reset()),
    "half an answer": opened(lambda number: answer_with(number)[:-3]),
    "a topic longer than its packet": opened(b"\x30\x05\x00\xffabc"),
    "a PUBLISH too short for its topic's length": opened(b"\x30\x01\x00"),
    "a PUBLISH without a packet id": opened(b"\x32\x04\x00\x02ab"),
    "a PUBLISH of QoS 2": opened(b"\x34\x06\x00\x02ab\x00\x01"),
    "a PINGRESP with a body": opened(b"\xd0\x01\x00"),
    "an empty PUBACK": opened(b"\x40\x00"),
    "packet type 0 and 15": opened(b"\x00\x00", b"\xf0\x00"),
    "an answer over the limit": opened(lambda number: b"\x30\x84\x20" + bytes(4100)),
}


@pytest.mark.parametrize("behave", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
def test_a_broker_that_misbehaves_leaves_the_request_unanswered_once(behave):
    answers, longest_ms = script(behave)
    assert [one[:2] for one in answers] == [[1, None]]
    assert longest_ms < 450, "no call may wait longer than block_ms_max"


def test_a_refused_subscription_is_a_refusal_of_us():
    answers, _ = script(greeted(b"\x90\x03\x00\x01\x80"))
    assert [one[:2] for one in answers] == [[1, 403]]
    assert "[[access]] needs" in str(answers[0])


@pytest.mark.parametrize(("code", "status"), [(1, 401), (2, 401), (3, None), (4, 401), (5, 401)])
def test_a_refused_connection_is_what_its_code_says(code, status):
    answers, _ = script(said_first(bytes([0x20, 2, 0, code])))
    assert [one[:2] for one in answers] == [[1, status]]
    words = {4: "wrong name or password (4)", 5: "not allowed (5)"}.get(code, f"({code},)")
    assert words in str(answers[0])


def test_other_packets_do_not_disturb(broker):
    foreign = b"\x30\x05\x00\x02abx"
    qos_1 = b"\x32\x07\x00\x02ab\x00\x05x"
    others = (foreign, qos_1, b"\xd0\x00", b"\x40\x02\x00\x09", b"\x90\x03\x00\x09\x00")
    answers, _ = script(opened(*others, answer_with))
    assert [one[:2] for one in answers] == [[1, 200]]


def test_nobody_there_is_no_answer():
    with ScriptedBroker() as broker:
        pass
    with linked(broker, timeout_s=1) as link:
        link.query(1)
        [(_, status, reason, _, sent_bytes)] = link.run(10)
    assert (status, sent_bytes) == (None, 0), reason
    assert reason == "127.0.0.1: dialing: nothing listens there (111)"


def test_a_name_that_does_not_exist_is_no_answer():
    with LinkProcess("mqtt", "broker.invalid", 1883) as link:
        link.query(1)
        [(_, status, reason, _, sent_bytes)] = link.run(20)
    assert (status, sent_bytes) == (None, 0)
    assert "broker.invalid" in reason  # The unix port has words of its own.


def test_a_closed_link_has_answered_everything_once(broker):
    with linked(broker) as link:
        for token in (1, 2):
            link.query(token)
        link.run(0.3)
        link.close()
        link.query(3)
        assert [one[:2] for one in link.run(0.3, 9)] == [[number, None] for number in (1, 2, 3)]


def test_a_topic_that_umqtt_would_mangle_is_refused_before_anything_is_sent(broker):
    with linked(broker) as link:
        assert link.subscribe(122) == {"raised": "OSError", "written": 4 + 2 + 122 + 1}
        assert link.subscribe(123) == {"raised": "ValueError", "written": 0}
