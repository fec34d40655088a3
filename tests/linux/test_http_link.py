"""The link over HTTP against a server that does everything a hub does not."""

import gzip
import json
import queue
import socket
import ssl
import time

import pytest

from builders import uplink_settings
from fixtures.batches import Node
from fixtures.certificates import Authority
from fixtures.raw_server import RawServer, reply
from tidegate.events import Answered, Unanswered
from tidegate.records.span import Span
from tidegate.wire.batch import Batch
from tidegate.wire.decoder import decode
from tidegate_hub.answers import inflate
from tidegate_linux.http.link import HttpLink

NODE = Node(records=50)
FIELDS = {"stream": "x", "through": 3}
TOKEN = "canary-0123456789abcdef"


class Harness:
    """A started link and what it delivers."""

    def __init__(self, url, workers=1, deadline_s=None, **changes):
        settings = uplink_settings(**{"url": url, "token": TOKEN, "timeout_s": 2, **changes})
        self.link = HttpLink(settings, workers)
        if deadline_s is not None:
            self.link.deadline_s = deadline_s
        self.events = queue.Queue()
        self.link.start(self.events.put)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.link.close()

    def query(self, token=1, at=0):
        self.link.query(token, NODE.stream, at)
        return self.events.get(timeout=20)

    def send(self, token=1):
        self.link.send(token, NODE.batch(1, 50))
        return self.events.get(timeout=20)


def serving(data):
    return RawServer(lambda peer: peer.say(data))


def test_a_query_asks_for_the_stream_with_the_token():
    with serving(reply(json.dumps(FIELDS).encode())) as server, Harness(server.url) as harness:
        answer = harness.query(7)
        harness.query(8, at=12)
    head = server.requests[0][0].decode()
    assert answer == Answered(7, 200, FIELDS, None, len(head) + 4)
    assert head.startswith(f"GET /v1/streams/{NODE.stream} HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    assert server.requests[1][0].startswith(
        b"GET /v1/streams/%s?at=12 " % str(NODE.stream).encode()
    )


@pytest.mark.parametrize("compress", [True, False])
def test_a_batch_arrives_whole_and_is_counted(compress):
    with (
        serving(reply(b"{}")) as server,
        Harness(server.url, compress=compress) as harness,
    ):
        answer = harness.send()
    head, body = server.requests[0]
    assert head.startswith(b"POST /v1/streams/%s/batches " % str(NODE.stream).encode())
    assert decode(body, inflate) == NODE.batch(1, 50)
    assert answer.sent_bytes == len(head) + 4 + len(body)
    assert (len(body) < len(NODE.body(1, 50, compress=False))) == compress


def test_a_path_in_the_url_stands_before_ours():
    with serving(reply(b"{}")) as server, Harness(server.url + "/tide/") as harness:
        harness.query()
    assert server.requests[0][0].startswith(b"GET /tide/v1/streams/")


def test_the_connection_is_kept_for_the_next_request():
    with serving(reply(b'{"a": 1}')) as server, Harness(server.url) as harness:
        for token in range(1, 6):
            assert harness.query(token).status == 200
        assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again():
    with serving(reply(b"{}")) as server, Harness(server.url) as harness:
        harness.link.idle_s_max = 0.0
        harness.query(1)
        harness.query(2)
        assert server.connections == 2


NOT_FROM_A_HUB = {
    "a portal's page": reply(b"<html>please log in</html>", "200 OK", "Content-Type: text/html"),
    "nothing": reply(b""),
    "not UTF-8": reply(b'{"a": "\xff"}'),
    "half of it": reply(b'{"stream": "'),
    "nested beyond reason": reply(b"[" * 60_000),
    "a number of 60,000 digits": reply(b"1" * 60_000),
    "compressed, though we did not ask": reply(
        gzip.compress(b"{}"), "200 OK", "Content-Encoding: gzip"
    ),
    "a bomb": reply(gzip.compress(bytes(50_000_000)), "200 OK", "Content-Encoding: gzip"),
    "too long": reply(b'{"a": "' + b"x" * 70_000 + b'"}'),
}


@pytest.mark.parametrize("data", NOT_FROM_A_HUB.values(), ids=NOT_FROM_A_HUB.keys())
def test_an_answer_that_no_hub_gives_has_no_fields(data):
    with serving(data) as server, Harness(server.url) as harness:
        answer = harness.send(3)
        assert (answer.token, answer.status, answer.fields) == (3, 200, None)
        # And the next request is not confused by what is left of this one.
        assert harness.query(4).fields is None


def test_a_body_without_end_is_cut_off():
    def behave(peer):
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            peer.say(b"x" * 65536)

    with RawServer(behave) as server, Harness(server.url) as harness:
        began_s = time.monotonic()
        assert harness.query().fields is None
        assert time.monotonic() - began_s < 2


def test_a_redirect_is_an_answer_and_not_followed():
    with serving(reply(b"{}")) as elsewhere:
        data = reply(b"", "302 Found", f"Location: {elsewhere.url}/v1/login")
        with serving(data) as server, Harness(server.url) as harness:
            assert harness.query().status == 302
        assert elsewhere.requests == []


def test_retry_after_comes_with_the_answer():
    data = reply(b'{"error": "busy", "detail": "x"}', "503 Busy", "Retry-After: 17")
    with serving(data) as server, Harness(server.url) as harness:
        answer = harness.send()
    assert (answer.status, answer.retry_after) == (503, "17")
    assert answer.fields == {"error": "busy", "detail": "x"}


def test_a_cookie_is_not_sent_back():
    data = reply(b"{}", "200 OK", "Set-Cookie: portal=1; Path=/")
    with serving(data) as server, Harness(server.url) as harness:
        harness.query(1)
        harness.query(2)
    assert b"ookie" not in server.requests[1][0]


def test_the_environment_has_no_say(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(reply(b"{}")) as server, Harness(server.url) as harness:
        assert harness.query().status == 200
    assert f"Authorization: Bearer {TOKEN}".encode() in server.requests[0][0]


# What a peer does -> the reason that the operator reads.
FAULTS = {
    "hangs up": (lambda peer: peer.close(), "the connection broke"),
    "resets": (lambda peer: peer.reset(), "the connection broke"),
    "answers half": (
        lambda peer: (peer.say(reply(b"x" * 100)[:-50]), peer.close()),
        "the connection broke",
    ),
    "stalls": (lambda peer: peer.wait(30), "no answer from 127.0.0.1"),
    "stalls in the body": (
        lambda peer: (peer.say(reply(b"x" * 100)[:-50]), peer.wait(30)),
        "no answer from 127.0.0.1",
    ),
    "speaks something else": (
        lambda peer: (peer.say(b"SSH-2.0-OpenSSH_9.2\r\n"), peer.close()),
        "the connection broke",
    ),
    "sends headers without end": (
        lambda peer: (peer.say(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000), peer.wait(1)),
        "",
    ),
}


@pytest.mark.parametrize(("behave", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_a_request_without_a_whole_answer_is_unanswered_once(behave, reason):
    with RawServer(behave) as server, Harness(server.url, timeout_s=1) as harness:
        answer = harness.send(5)
        assert isinstance(answer, Unanswered)
        assert answer.token == 5
        assert reason in answer.reason
        head, body = server.requests[0]
        assert answer.sent_bytes == len(head) + 4 + len(body), "it may have arrived: it counts"
        server.behave = lambda peer: peer.say(reply(b"{}"))
        assert harness.query(6).status == 200
        assert harness.events.empty()


def test_a_peer_that_drips_is_given_up_at_the_deadline():
    def behave(peer):
        peer.drip(b"HTTP/1.1 200 OK\r\n" + b"A: bcdefghij\r\n" * 100, 0.2)

    with RawServer(behave) as server, Harness(server.url, deadline_s=1.5) as harness:
        began_s = time.monotonic()
        answer = harness.query()
        assert 1 < time.monotonic() - began_s < 6
        assert isinstance(answer, Unanswered)
        assert "no whole answer within" in answer.reason
        server.behave = lambda peer: peer.say(reply(b"{}"))
        assert harness.query(2).status == 200


def test_nothing_counts_as_sent_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Harness(f"http://127.0.0.1:{port}") as harness:
        answer = harness.send()
    assert answer == Unanswered(1, f"nothing listens at 127.0.0.1 port {port}", 0)


def test_a_name_that_does_not_exist_is_said():
    with Harness("http://hub.invalid") as harness:
        answer = harness.query()
    assert "hub.invalid" in answer.reason
    assert answer.sent_bytes == 0


def test_a_closed_link_has_answered_everything_once():
    with RawServer(lambda peer: peer.wait(30)) as server, Harness(server.url) as harness:
        for token in (1, 2, 3):
            harness.link.query(token, NODE.stream, 0)
        while not server.requests:
            time.sleep(0.01)
        began_s = time.monotonic()
        harness.link.close()
        assert time.monotonic() - began_s < 2
        harness.link.query(4, NODE.stream, 0)
        answers = [harness.events.get(timeout=1) for _ in range(4)]
        time.sleep(0.1)
        assert harness.events.empty()
    assert sorted(answer.token for answer in answers) == [1, 2, 3, 4]
    assert all(isinstance(answer, Unanswered) for answer in answers)


def test_lanes_do_not_wait_for_each_other():
    def behave(peer):
        if b"at=1" in peer.request[0]:
            peer.wait(3)
        peer.say(reply(b"{}"))

    with RawServer(behave) as server, Harness(server.url, workers=2) as harness:
        harness.link.query(1, NODE.stream, 1)
        harness.link.query(2, NODE.stream, 2)
        assert harness.events.get(timeout=1).token == 2


def test_a_bug_in_a_worker_is_an_answer_too():
    empty = Span(1, 0, 0, [], [], [], [], 0)
    with serving(reply(b"{}")) as server, Harness(server.url) as harness:
        harness.link.send(1, Batch(NODE.stream, empty, 1, 1))
        answer = harness.events.get(timeout=5)
        assert answer == Unanswered(1, "a bug: AssertionError", 0)
        assert harness.query(2).status == 200


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def tls(authority, alternatives="IP:127.0.0.1", expired=False, ask=False):
    certificate, key = authority.issue("hub", alternatives, expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if ask:
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls_answer(context, **changes):
    with (
        RawServer(lambda peer: peer.say(reply(b"{}")), context) as server,
        Harness(server.url, **changes) as harness,
    ):
        answer = harness.send()
        assert isinstance(answer, Answered) or server.requests == [], "the token went out"
        return answer


def test_a_certificate_of_our_authority_is_trusted(authority):
    assert tls_answer(tls(authority), ca_file=str(authority.certificate)).status == 200


def test_a_certificate_that_is_not_right_is_refused(authority, tmp_path):
    other = Authority(tmp_path / "other", "another root")
    ours = str(authority.certificate)
    for context, ca_file, words in (
        (tls(other), ours, "signed by an authority that is not trusted"),
        (tls(authority), "", "signed by an authority that is not trusted"),
        (tls(authority, "DNS:elsewhere"), ours, "does not name the"),
        (tls(authority, expired=True), ours, "has expired"),
    ):
        answer = tls_answer(context, ca_file=ca_file)
        assert isinstance(answer, Unanswered)
        assert words in answer.reason
        assert answer.sent_bytes == 0


def test_a_client_certificate_is_shown(authority):
    certificate, key = authority.issue("gateway")
    context = tls(authority, ask=True)
    ours = {"ca_file": str(authority.certificate)}
    shown = {"cert_file": str(certificate), "key_file": str(key)}
    assert tls_answer(context, **ours, **shown).status == 200
    answer = tls_answer(context, **ours)
    assert isinstance(answer, Unanswered)


def test_a_missing_file_of_authorities_is_said(authority):
    answer = tls_answer(tls(authority), ca_file="/nowhere/root.pem")
    assert isinstance(answer, Unanswered)
    assert "/nowhere/root.pem" in answer.reason


def test_tls_to_a_plain_port_is_said():
    with serving(reply(b"{}")) as server, Harness("https" + server.url[4:]) as harness:
        answer = harness.query()
    assert "does not speak TLS" in answer.reason
