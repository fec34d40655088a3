"""The link over HTTP, on MicroPython, against a server that does everything a receiver does not."""

import gzip
import json
import socket
import ssl
import threading

import pytest

from fixtures.certificates import Authority
from fixtures.raw_server import RawServer, reply
from on_micropython.link_process import LinkProcess
from samples import STREAM, batch_of, span_of
from tidegate.wire.batch import encode

FIELDS = {"stream": "x", "through": 3}
QUERY, BATCH = f"GET /v1/streams/{STREAM} ", f"POST /v1/streams/{STREAM}/batches "


def serving(data):
    return RawServer(lambda peer: peer.say(data))


def linked(server, **options):
    return LinkProcess("http", "127.0.0.1", server.port, **options)


def test_a_query_and_a_batch_are_answered():
    with serving(reply(json.dumps(FIELDS).encode())) as server, linked(server) as link:
        link.query(7)
        link.query(8, 12)
        link.send(9, 1, 60)
        answers = link.run(10, 3)
        assert server.connections == 1, "the connection is kept"
    (query, _), (query_at, _), (head, body) = server.requests
    assert answers[0] == [7, 200, FIELDS, None, len(query) + 4]
    assert answers[2] == [9, 200, FIELDS, None, len(head) + 4 + len(body)]
    assert query.decode().startswith(QUERY)
    assert query_at.decode().startswith(f"GET /v1/streams/{STREAM}?at=12 ")
    assert head.decode().startswith(BATCH)
    assert b"\r\nAuthorization: Bearer secret-token" in head
    assert body == encode(batch_of(span_of(1, 60)))


def test_a_path_in_the_url_stands_before_ours():
    with serving(reply(b"{}")) as server, linked(server, path="/tide") as link:
        link.query(1)
        link.run(10)
    assert server.requests[0][0].startswith(b"GET /tide/v1/streams/")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
ANSWERS = {
    "whole": (reply(b'{"a": 1}'), 200, {"a": 1}, None),
    "in chunks": (
        CHUNKED + b'5\r\n{"a":\r\n3;x=y\r\n 1}\r\n0\r\nT: x\r\n\r\n',
        200,
        {"a": 1},
        None,
    ),
    "after an interim one": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + reply(b'{"a": 1}'),
        200,
        {"a": 1},
        None,
    ),
    "a pause": (
        reply(b'{"error": "busy"}', "503 Busy", "Retry-After: 17"),
        503,
        {"error": "busy"},
        "17",
    ),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None, None),
    "a redirect": (reply(b"", "302 Found", "Location: http://127.0.0.1:1/"), 302, None, None),
    "a portal's page": (reply(b"<html>please log in</html>"), 200, None, None),
    "not UTF-8": (reply(b'{"a": "\xff"}')[:-1] + b"\xfe", 200, None, None),
    "half of it": (reply(b'{"stream": "'), 200, None, None),
    "nested": (reply(b"[" * 2000), 200, None, None),
    "many digits": (reply(b"1" * 2000 + b"x"), 200, None, None),
    "compressed": (
        reply(gzip.compress(b"{}"), "200 OK", "Content-Encoding: gzip"),
        200,
        None,
        None,
    ),
    "too long": (reply(b'{"a": "' + b"x" * 70_000 + b'"}'), 200, None, None),
    "a long chunk": (CHUNKED + b"11170\r\n" + b"x" * 70_000 + b"\r\n0\r\n\r\n", 200, None, None),
    "many chunks": (CHUNKED + b"400\r\n%s\r\n" % (b"1" * 1024) * 9, 200, None, None),
}


@pytest.mark.parametrize(("data", "status", "fields", "retry"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_taken_for_what_it_is(data, status, fields, retry):
    with serving(data) as server, linked(server) as link:
        link.send(3, 1, 5)
        assert [one[:4] for one in link.run(10)] == [[3, status, fields, retry]]
        # And the next request is not confused by what is left of this one.
        server.behave = lambda peer: peer.say(reply(b'{"b": 2}'))
        link.query(4)
        assert [one[:3] for one in link.run(10)] == [[4, 200, {"b": 2}]]


def test_an_answer_that_ends_with_the_connection_is_whole():
    def behave(peer):
        peer.say(CLOSED + b'{"a": 1}')
        peer.close()

    with RawServer(behave) as server, linked(server) as link:
        link.query(1)
        assert link.run(10)[0][1:3] == [200, {"a": 1}]


def test_an_answer_may_be_cut_into_single_bytes():
    server = RawServer(lambda peer: peer.drip(reply(b'{"a": 1}'), 0.001))
    with server, linked(server) as link:
        link.query(1)
        assert link.run(10)[0][1:3] == [200, {"a": 1}]


def test_a_connection_that_ends_at_any_byte_leaves_the_request_unanswered():
    whole = reply(b'{"a": 1}')
    for size in range(len(whole)):

        def behave(peer, size=size):
            peer.say(whole[:size])
            peer.close()

        if size % 8 == 0:
            server = RawServer(behave)
            with server, linked(server) as link:
                link.query(1)
                assert link.run(10)[0][1] is None, whole[:size]
                server.behave = lambda peer: peer.say(whole)
                link.query(2)
                assert link.run(10)[0][1] == 200


FAULTS = {
    "hangs up": lambda peer: peer.close(),
    "resets": lambda peer: peer.reset(),
    "stalls": lambda peer: peer.wait(30),
    "stalls in the body": lambda peer: (peer.say(reply(b"x" * 100)[:-50]), peer.wait(30)),
    "speaks something else": lambda peer: (peer.say(b"SSH-2.0-OpenSSH_9.2\r\n"), peer.wait(30)),
    "sends headers without end": lambda peer: peer.say(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 999),
    "sends a line without end": lambda peer: peer.say(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 9999),
    "says no status": lambda peer: peer.say(b"HTTP/1.1 OK\r\n\r\n"),
    "says no length": lambda peer: peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    "drips": lambda peer: peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99, 0.2),
}


@pytest.mark.parametrize("behave", FAULTS.values(), ids=FAULTS)
def test_a_request_without_a_whole_answer_is_unanswered_once(behave):
    with RawServer(behave) as server, linked(server, timeout_s=0.7) as link:
        link.send(5, 1, 5)
        [(token, status, reason, _, sent_bytes)] = link.run(10)
        head, body = server.requests[0]
        assert (token, status) == (5, None), reason
        assert sent_bytes == len(head) + 4 + len(body), "it may have arrived: it counts"
        assert link.longest_ms < 100
        server.behave = lambda peer: peer.say(reply(b"{}"))
        link.query(6)
        assert [one[:2] for one in link.run(10)] == [[6, 200]]
        assert link.run(0.3) == []


def test_a_server_that_reads_nothing_does_not_hold_the_node_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]
        with LinkProcess("http", "127.0.0.1", port, timeout_s=1, heap="64m") as link:
            link.send_large(1, 5_000_000)
            assert link.run(10)[0][1] is None
            assert link.longest_ms < 200


def test_a_refusal_that_comes_before_the_batch_was_read_is_an_answer():
    def refuse(listener):
        connected, _ = listener.accept()
        connected.recv(1000)
        connected.sendall(reply(b'{"error": "too-large"}', "413 Too Large", "Connection: close"))
        connected.close()  # With bytes unread: the other side sees a reset.

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        with LinkProcess("http", "127.0.0.1", port, heap="64m") as link:
            link.send_large(1, 5_000_000)
            assert link.run(10)[0][1:3] == [413, {"error": "too-large"}]


def test_nothing_counts_as_sent_where_nobody_listens():
    with RawServer(lambda peer: None) as server:
        pass
    with linked(server) as link:
        link.send(1, 1, 5)
        [(_, status, reason, _, sent_bytes)] = link.run(10)
    assert (status, sent_bytes) == (None, 0), reason
    assert "nothing listens there (111)" in reason


def test_a_closed_link_has_answered_everything_once():
    with RawServer(lambda peer: peer.wait(30)) as server, linked(server) as link:
        for token in (1, 2, 3):
            link.query(token)
        assert link.run(0.3, 9) == []
        link.close()
        link.query(4)
        assert [one[:2] for one in link.run(0.3, 9)] == [[number, None] for number in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_answer(issuer, trusted, name="DNS:localhost", expired=False):
    certificate, key = issuer.issue("hub", name, expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with RawServer(lambda peer: peer.say(reply(b'{"a": 1}')), context) as server:
        with LinkProcess("http", "localhost", server.port, ca_file=trusted) as link:
            link.send(1, 1, 60)
            [answer] = link.run(20)
        assert answer[1] == 200 or server.requests == [], "the token went out"
        return answer


def test_a_certificate_of_our_authority_is_trusted(authority):
    assert tls_answer(authority, str(authority.certificate))[1:3] == [200, {"a": 1}]


def test_a_certificate_that_is_not_right_is_refused(authority, tmp_path):
    other = Authority(tmp_path / "other", "another root")
    ours = str(authority.certificate)
    assert "not correctly signed" in tls_answer(other, ours)[2]
    assert "does not match" in tls_answer(authority, ours, "DNS:elsewhere")[2]
    assert "has expired" in tls_answer(authority, ours, expired=True)[2]


def test_authorities_that_cannot_be_read_are_said(authority, tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    assert "ca_file" in tls_answer(authority, str(nonsense))[2]
    assert "ca_file" in tls_answer(authority, "")[2]
    assert "ca_file" in tls_answer(authority, "/nowhere/root.pem")[2]
