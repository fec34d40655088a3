"""Nodes that send to a gateway over HTTP: the exchange of a hub, with a journal behind it."""

import contextlib
import hashlib
import socket
import time

import pytest
import requests

from endpoint.listening import Client
from fixtures.batches import Node
from fixtures.broker import free_port
from fixtures.certificates import Authority
from fixtures.gateway import toml
from tidegate.records.origin import find_origin
from tidegate.wire.receipt import read_receipt, read_standing
from tidegate_linux.check.listener import check_nodes
from tidegate_linux.config import ConfigError, load_gateway
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.shell import Shell
from tidegate_linux.status.metrics import metrics_text

WAIT_S = 10.0
TOKEN = "6f1d0c7a5b3e4d2f"
OTHER = "0a1b2c3d4e5f6071"


class Gateway:
    """A gateway in this process with a place for nodes."""

    def __init__(self, folder, name="far", source=None, tokens=None, **tables):
        self.port = free_port()
        self.data = folder / name
        self.path = folder / f"{name}.toml"
        self.tokens = folder / f"{name}.tokens"
        digest = hashlib.sha256(OTHER.encode()).hexdigest()
        self.tokens.write_text(tokens or f"# who may\nnode-1 {TOKEN}\n\nnode-2 sha256:{digest}\n")
        self.tokens.chmod(0o600)
        place = {
            "type": "nodes",
            "url": f"http://127.0.0.1:{self.port}",
            "tokens_file": str(self.tokens),
            **(source or {}),
        }
        self.tree = {
            "node": {"name": name, "data": str(self.data)},
            "source": [place],
            "journal": {"reserve_bytes": 1_000_000},
            "status": {"url": ""},
            **tables,
        }
        self.shell = None

    @property
    def url(self):
        return self.tree["source"][0]["url"]

    def load(self):
        self.path.write_text(toml(self.tree))
        self.path.chmod(0o600)
        return load_gateway(self.path)[0]

    def __enter__(self):
        self.shell = Shell(self.load(), [])
        self.shell.start()
        return self

    def __exit__(self, *_error):
        self.shell.stop()

    def close(self):
        self.shell.stop()

    def status(self):
        return self.shell._nodes.status()

    def wait(self, is_so):
        until = time.monotonic() + WAIT_S
        while not is_so(self.status()):
            assert time.monotonic() < until, self.status()
            time.sleep(0.01)

    def ready(self):
        self.wait(lambda status: status["state"] == "connected")
        return self

    def post(self, node, first, last, token=TOKEN, body=None, **options):
        return requests.post(
            f"{self.url}/v1/streams/{node.stream}/batches",
            body or node.body(first, last),
            headers={"Authorization": f"Bearer {token}"},
            timeout=WAIT_S,
            **options,
        )

    def get(self, node, at="", token=TOKEN):
        return requests.get(
            f"{self.url}/v1/streams/{node.stream}",
            params={"at": at} if at else {},
            headers={"Authorization": f"Bearer {token}"},
            timeout=WAIT_S,
        )

    def records(self):
        self.shell.stop()
        journal = open_journal(self.data, ["main"], limit_bytes=1_000_000_000)
        journal.recover()
        records = journal.read("main", 1, 10_000, 1 << 30).records
        journal.close()
        return records


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as one:
        yield one.ready()


@pytest.fixture
def node():
    return Node(records=40)


def test_a_batch_is_taken_and_the_standing_told(gateway, node):
    answer = gateway.post(node, 1, 10)
    receipt = read_receipt(node.stream, answer.json())
    assert (answer.status_code, receipt.cursor) == (200, (10, node.hashes[9]))
    standing = read_standing(node.stream, gateway.get(node, "7").json())
    assert (standing.cursor.through, standing.asked_hash) == (10, node.hashes[6])
    assert gateway.post(node, 1, 12).status_code == 200
    figures = gateway.status()["nodes"]
    assert (figures["streams"], figures["batches_total"], figures["records_total"]) == (1, 2, 12)
    origins = [find_origin(record.properties).seq for record in gateway.records()]
    assert origins == list(range(1, 13))


def test_status_and_metrics_tell_of_nodes(gateway, node):
    gateway.post(node, 1, 12)
    gateway.post(node, 20, 22)
    until = time.monotonic() + WAIT_S
    lines = []
    while 'tidegate_nodes_refused_total{error="out-of-order"} 1' not in lines:
        assert time.monotonic() < until, lines
        time.sleep(0.05)
        snapshot = gateway.shell.snapshot
        lines = metrics_text(snapshot, 0.0, True).splitlines() if snapshot else []
    for name, value in (("nodes", 1), ("streams", 1), ("batches_total", 1), ("records_total", 12)):
        assert f"tidegate_nodes_{name} {value}" in lines
    (source,) = snapshot.fields["sources"]
    assert (source["name"], source["state"], source["broker"]) == (
        "nodes",
        "connected",
        gateway.url,
    )


def test_only_who_is_named_may_send(gateway, node):
    answer = gateway.post(node, 1, 3, "wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert gateway.get(node, token="wrong").status_code == 401
    assert gateway.post(node, 1, 3).status_code == 200
    answer = gateway.post(node, 4, 5, OTHER)
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign-node")
    other = Node("00000000000000aa", records=3)
    assert gateway.post(other, 1, 3, OTHER).status_code == 200


def test_what_is_wrong_is_answered_as_a_hub_does(gateway, node):
    answer = gateway.post(node, 5, 9)
    assert (answer.status_code, answer.json()["expected"]) == (409, 1)
    answer = gateway.post(node, 1, 2, body=b"x" * 30)
    assert (answer.status_code, answer.json()["error"]) == (422, "bad-magic")
    assert gateway.get(node, at="x").status_code == 422
    assert requests.get(f"{gateway.url}/metrics", timeout=WAIT_S).status_code == 404
    assert requests.get(f"{gateway.url}/healthz", timeout=WAIT_S).status_code == 200
    assert gateway.status()["nodes"]["refused_total"] == {
        "out-of-order": 1,
        "bad-magic": 1,
        "bad-range": 1,
    }


def test_a_gateway_behind_a_gateway(tmp_path, node):
    """Its own records get its stream as their origin; what it took from nodes keeps theirs."""
    with Gateway(tmp_path, "near") as near:
        near.ready()
        port = free_port()
        uplink = {"type": "http", "url": near.url, "token": TOKEN, "batch_age_ms": 50}
        far = Gateway(tmp_path, "far", uplink=uplink)
        far.tree["source"].append({"type": "listen", "url": f"mqtt://127.0.0.1:{port}"})
        with far:
            far.ready()
            assert far.post(node, 1, 5).status_code == 200
            client = Client(_connected(port))
            client.connect("device", version=4)
            client.publish("site/own", b"own", 1)
            near.wait(lambda status: status["nodes"]["records_total"] == 6)
        records = near.records()
    origins = [find_origin(record.properties) for record in records]
    assert [(origin.stream, origin.seq) for origin in origins[:5]] == [
        (node.stream, seq) for seq in range(1, 6)
    ]
    assert records[5].payload == b"own" and origins[5].seq == 6
    assert origins[5].stream.node != node.stream.node
    assert [origin.quality for origin in origins[:5]] == [2] * 5


def _connected(port):
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_over_tls(tmp_path, node):
    authority = Authority(tmp_path)
    cert, key = authority.issue("localhost", "DNS:localhost")
    port = free_port()
    source = {"url": f"https://localhost:{port}", "cert_file": str(cert), "key_file": str(key)}
    with Gateway(tmp_path, source=source) as gateway:
        gateway.ready()
        answer = gateway.post(node, 1, 5, verify=str(authority.certificate))
        assert answer.status_code == 200


def test_a_port_that_is_taken_is_told_and_tried_again(tmp_path, node, monkeypatch):
    from tidegate_linux.nodes import http_place

    monkeypatch.setattr(http_place, "RETRY_S", 0.05)
    gateway = Gateway(tmp_path)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", gateway.port))
        other.listen()
        gateway.__enter__()
        gateway.wait(lambda status: "in use" in status["last_error"])
        assert gateway.status()["state"] == "connecting"
    with contextlib.closing(gateway):
        gateway.ready()
        assert gateway.post(node, 1, 5).status_code == 200
        assert gateway.status()["last_error"] == ""


def test_a_server_that_breaks_is_told_and_begun_anew(tmp_path, node, monkeypatch):
    from tidegate_linux.nodes import http_place

    def broken(*_arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(http_place, "RETRY_S", 0.05)
    with Gateway(tmp_path) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(http_place, "server_of", broken)
            gateway.shell.reload()
            gateway.wait(lambda status: "broken" in status["last_error"])
        gateway.ready()
        assert gateway.post(node, 1, 5).status_code == 200


def test_tokens_are_read_again(gateway, node):
    assert gateway.post(node, 1, 3).status_code == 200
    gateway.tokens.write_text("nonsense")
    gateway.shell.reload()
    assert gateway.post(node, 1, 4).status_code == 200, "what is of no use changes nothing"
    gateway.tokens.write_text("node-1 another-token-of-it\n")
    gateway.shell.reload()
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        try:
            if gateway.post(node, 1, 5, "another-token-of-it").status_code == 200:
                break
        except requests.ConnectionError:
            time.sleep(0.01)
    assert gateway.post(node, 1, 5, TOKEN).status_code == 401


WRONG = (
    ({"tokens_file": ""}, "source[0].tokens_file: is missing"),
    ({"url": "mqtt://127.0.0.1"}, "source[0].url"),
    ({"url": "http://127.0.0.1:8081/x"}, "source[0].url"),
    ({"url": "https://127.0.0.1:8081"}, "source[0].cert_file: is missing"),
    ({"cert_file": "/c", "key_file": "/k"}, "source[0].cert_file: is for TLS"),
    ({"topics": ["#"]}, "source[0].topics: is for another type"),
    ({"tokens_file": "/nowhere/tokens"}, "source[0].tokens_file: /nowhere/tokens cannot be read"),
)


@pytest.mark.parametrize(("source", "expected"), WRONG)
def test_wrong_configurations_have_one_clear_error(tmp_path, source, expected):
    with pytest.raises(ConfigError) as caught:
        Gateway(tmp_path, source=source).load()
    assert expected in caught.value.what and caught.value.hint


WRONG_TOKENS = (
    ("\n# nobody\n", "leads to a file that names nobody"),
    ("node-1\n", "in line 1"),
    ("# x\nnode-1 a b\n", "in line 2"),
    ("node-1 sha256:12\n", "in line 1"),
    ("n\u00f6de t\n", "in line 1"),
    ("a t0ken\nb t0ken\n", "a and b have the same token"),
    ("a t0ken\na t1ken\n", "two nodes are called a"),
    ("x" * (1 << 20) + "y", "has more than"),
)


@pytest.mark.parametrize(("tokens", "expected"), WRONG_TOKENS)
def test_a_wrong_file_of_tokens_is_told_without_any_of_it(tmp_path, tokens, expected):
    with pytest.raises(ConfigError) as caught:
        Gateway(tmp_path, tokens=tokens).load()
    assert expected in caught.value.what
    assert "t0ken" not in caught.value.what


def test_two_places_on_one_port(tmp_path):
    gateway = Gateway(tmp_path)
    listener = {"type": "listen", "url": f"mqtt://127.0.0.1:{gateway.port}"}
    gateway.tree["source"].append(listener)
    with pytest.raises(ConfigError, match="is listened at twice"):
        gateway.load()


def test_check_looks_at_port_and_tokens(tmp_path):
    gateway = Gateway(tmp_path)
    (place,) = gateway.load().nodes
    texts = [finding.what for finding in check_nodes(place, gateway.data)]
    assert texts[0].endswith("is free") and texts[1].startswith("2 may send")
    gateway.tokens.chmod(0o644)
    assert check_nodes(place, gateway.data)[-1].level == "warning"
    gateway.tokens.write_text("")
    assert check_nodes(place, gateway.data)[-1].level == "error"


def test_whoever_reads_along_is_warned_of(tmp_path):
    gateway = Gateway(tmp_path, source={"url": "http://192.0.2.1:8081"})
    gateway.load()
    warnings = load_gateway(gateway.path)[1]
    assert any("nodes send records and tokens to 192.0.2.1 in plaintext" in one for one in warnings)
    gateway.tokens.chmod(0o644)
    assert any("every user can read it" in one for one in load_gateway(gateway.path)[1])
