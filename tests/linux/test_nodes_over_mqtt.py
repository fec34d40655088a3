"""Nodes at a gateway's endpoint: real sockets, the real engine, a journal on disk."""

import contextlib
import json
import socket
import time
from pathlib import Path

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Client
from fixtures.batches import Node
from fixtures.broker import free_port
from fixtures.gateway import toml
from tidegate.delivery.answer import POISON, judge
from tidegate.records.origin import find_origin, packed_origin
from tidegate.records.record import Record, pack_properties, unpack_properties
from tidegate.wire.receipt import read_receipt, read_standing
from tidegate_linux.config import load_gateway
from tidegate_linux.endpoint.access.users import Users
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.nodes.arrivals import gap_payload
from tidegate_linux.shell import Shell

WAIT_S = 10.0
NODE = "00c0ffee00c0ffee"
ANSWERS = f"$tidegate/{NODE}/answer"


class Gateway:
    """A gateway in this process, with an endpoint."""

    def __init__(self, folder: Path, listener=None, **tables):
        self.port = free_port()
        url = f"mqtt://127.0.0.1:{self.port}"
        self._data = folder / "data"
        self._path = folder / "gateway.toml"
        tree = {
            "node": {"name": "site-7", "data": str(self._data)},
            "source": [{"type": "listen", "url": url, **(listener or {})}],
            "journal": {"reserve_bytes": 1_000_000},
            "status": {"url": ""},
            **tables,
        }
        self._path.write_text(toml(tree))
        self._path.chmod(0o600)
        self.shell = None

    def __enter__(self):
        self.shell = Shell(load_gateway(self._path)[0], [])
        self.shell.start()
        return self

    def __exit__(self, *_error):
        self.shell.stop()

    def add_user(self, name, password):
        self._data.mkdir(exist_ok=True)
        users = Users(self._data / "users")
        users.load()
        users.add(name, password.encode())

    def client(self, client_id, version=4, **connect):
        until = time.monotonic() + WAIT_S
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until
                time.sleep(0.01)
        client = Client(sock)
        client.connect(client_id, version=version, **connect)
        return client

    def records(self):
        """Stop the gateway and return what its journal holds."""
        self.shell.stop()
        journal = open_journal(self._data, ["main"], limit_bytes=1_000_000_000)
        journal.recover()
        records = journal.read("main", 1, 10_000, 1 << 30).records
        journal.close()
        return records


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as one:
        yield one


@pytest.fixture
def node():
    return Node(NODE, records=40)


def ask(client, token, payload, kind="batch", node=NODE, qos=0):
    """Publish a request and return the answer's fields."""
    client.publish(f"$tidegate/{node}/{kind}/{token}", payload, qos)
    return answer(client)


def answer(client):
    packet = client.receive()
    assert packet.kind == codec.PUBLISH and packet.topic == ANSWERS.encode(), packet
    assert (packet.qos, packet.retain) == (0, False)
    return json.loads(packet.payload)


def listening(gateway, client_id="node", **connect):
    client = gateway.client(client_id, **connect)
    client.subscribe(ANSWERS)
    return client


@pytest.mark.parametrize(("version", "qos"), [(4, 0), (4, 1), (5, 0), (5, 1)])
def test_a_batch_and_a_query_are_answered(gateway, node, version, qos):
    client = listening(gateway, version=version)
    fields = ask(client, 7, node.body(1, 10, compress=False), qos=qos)
    assert (fields["token"], fields["status"]) == (7, 200)
    receipt = read_receipt(node.stream, fields)
    assert (receipt.first, receipt.last, receipt.cursor) == (1, 10, (10, node.hashes[9]))
    fields = ask(client, 8, f"{node.stream} 4".encode(), "query")
    assert (fields["token"], fields["status"]) == (8, 200)
    standing = read_standing(node.stream, fields)
    assert (standing.cursor.through, standing.asked_hash) == (10, node.hashes[3])
    records = gateway.records()
    assert [record[2:5] for record in records] == [record[2:5] for record in node.records[:10]]
    origins = [find_origin(record.properties) for record in records]
    assert [(origin.stream, origin.seq) for origin in origins] == [
        (node.stream, seq) for seq in range(1, 11)
    ]


def test_a_qos_2_batch_is_taken_once(gateway, node):
    client = listening(gateway)
    topic, body = f"$tidegate/{NODE}/batch/1", node.body(1, 5, compress=False)
    client.send(codec.publish(topic, body, 2, packet_id=9, version=4))
    kinds = {}
    while len(kinds) < 2:
        packet = client.receive()
        kinds[packet.kind] = packet
    assert kinds[codec.PUBREC].packet_id == 9
    assert json.loads(kinds[codec.PUBLISH].payload)["status"] == 200
    client.send(codec.acknowledge(codec.PUBREL, 9, 0))
    assert client.receive().kind == codec.PUBCOMP
    assert len(gateway.records()) == 5


def test_the_same_batch_again_is_known(gateway, node):
    client = listening(gateway)
    for token in (1, 2, 3):
        assert ask(client, token, node.body(1, 5, compress=False))["status"] == 200
    assert len(gateway.records()) == 5


def test_nobody_else_hears_the_answer(gateway, node):
    spy = gateway.client("spy")
    for filter in ("$tidegate/#", ANSWERS, f"$tidegate/{NODE}/batch/+"):
        spy.subscribe(filter)
    client = listening(gateway)
    assert ask(client, 1, node.body(1, 5, compress=False))["status"] == 200
    assert spy.is_silent()


def test_requests_are_no_messages(gateway, node):
    client = listening(gateway)
    client.send(
        codec.publish(
            f"$tidegate/{NODE}/batch/1", node.body(1, 5, compress=False), 0, retain=True, version=4
        )
    )
    assert answer(client)["status"] == 200
    late = gateway.client("late")
    late.subscribe("$tidegate/#")
    assert late.is_silent()
    assert {record.topic[:5] for record in gateway.records()} == {b"site/"}


NOT_ALLOWED = (
    "$tidegate/gap",
    "$tidegate/x",
    ANSWERS,
    f"$tidegate/{NODE}/batch",
    f"$tidegate/{NODE}/batch/",
    f"$tidegate/{NODE}/batch/01",
    f"$tidegate/{NODE}/batch/-1",
    f"$tidegate/{NODE}/batch/1/2",
    f"$tidegate/{NODE}/other/1",
    f"$tidegate/{NODE.upper()}/batch/1",
    f"$tidegate/{NODE}0/batch/1",
    f"$tidegate/{NODE}/batch/{'9' * 16}",
)


def test_other_topics_there_are_refused(gateway, node):
    client = listening(gateway, version=5)
    for topic in NOT_ALLOWED:
        puback = client.publish(topic, node.body(1, 5, compress=False), 1)
        assert puback.reason == 0x87, topic
    client.ping()
    assert gateway.records() == []


@pytest.mark.parametrize(
    ("kind", "payload", "word", "status"),
    [
        ("batch", b"", "bad-length", 422),
        ("batch", b"x" * 50, "bad-magic", 422),
        ("batch", Node(NODE, records=20).body(1, 20), "no-deflate", 422),
        ("batch", Node("f" * 16, records=3).body(1, 3, compress=False), "foreign-stream", 422),
        ("batch", Node(NODE, records=9).body(5, 9, compress=False), "out-of-order", 409),
        ("query", b"", "foreign-stream", 422),
        ("query", b"\xff" * 20, "bad-stream", 422),
        ("query", b"x" * 1000, "bad-stream", 422),
        ("query", f"{NODE}.x.main".encode(), "bad-stream", 422),
        ("query", f"{'f' * 16}.{'e' * 16}.main".encode(), "foreign-stream", 422),
        ("query", f"{NODE}.{'e' * 16}.main x".encode(), "bad-range", 422),
        ("query", f"{NODE}.{'e' * 16}.main 1 2".encode(), "bad-range", 422),
    ],
)
def test_what_is_wrong_is_answered(gateway, kind, payload, word, status):
    client = listening(gateway)
    fields = ask(client, 5, payload, kind)
    assert (fields["token"], fields["status"], fields["error"]) == (5, status, word)
    client.ping()


def test_who_does_not_listen_gets_no_answer_and_the_batch_is_taken(gateway, node):
    client = gateway.client("node")
    client.publish(f"$tidegate/{NODE}/batch/1", node.body(1, 5, compress=False))
    assert client.is_silent()
    client.subscribe(ANSWERS)
    fields = ask(client, 2, str(node.stream).encode(), "query")
    assert fields["through"] == 5


def test_access_rules_hold_for_nodes(tmp_path, node):
    access = [
        {"users": ["node-*"], "publish": ["$tidegate/#", "site/#"], "subscribe": ["$tidegate/#"]},
        {"users": ["alice"], "publish": ["#"], "subscribe": ["#"]},
    ]
    with Gateway(tmp_path, {"anonymous": False}, access=access) as gateway:
        for name in ("node-1", "node-2", "alice"):
            gateway.add_user(name, "secret")
        gateway.shell.reload()
        login = {"version": 5, "password": b"secret"}
        body = node.body(1, 5, compress=False)
        alice = gateway.client("a", username="alice", **login)
        suback = alice.subscribe(ANSWERS)
        assert suback.reasons == (0x87,)
        assert alice.publish(f"$tidegate/{NODE}/batch/1", body, 1).reason == 0x87
        first = listening(gateway, "1", username="node-1", **login)
        assert ask(first, 1, body)["status"] == 200
        second = listening(gateway, "2", username="node-2", **login)
        fields = ask(second, 1, node.body(6, 9, compress=False))
        assert (fields["status"], fields["error"]) == (403, "foreign-node")


VICTIM = f"{'f' * 16}.{'e' * 16}.main"
OF_NODES = {"publish": ["$tidegate/#", "site/%u/#", "by/%c"], "subscribe": ["$tidegate/#"]}


@contextlib.contextmanager
def guarded(folder, **tables):
    """Have a gateway where node-1 may send what is below site/node-1; yield it and a client."""
    with Gateway(folder, {"anonymous": False}, access=[OF_NODES], **tables) as gateway:
        gateway.add_user("node-1", "secret")
        gateway.shell.reload()
        yield gateway, listening(gateway, "c-1", username="node-1", password=b"secret")


def batch_of(*topics, payload=b"x", properties=b""):
    """Return a node whose records have these topics, one after the other."""
    node = Node(NODE, records=len(topics))
    for seq, topic in enumerate(topics, 1):
        node.replace(seq, Record(1, seq, topic.encode(), payload, 1, properties))
    return node


@pytest.mark.parametrize(
    "topic",
    [
        "$tidegate/gap",
        f"$tidegate/{NODE}/batch/1",
        "$SYS/broker/uptime",
        "$",
        "site/other/x",
        "site/node-10/x",
        "by/c-2",
        "other",
        "site/node-1" + "/x" * 200,
        "site/node-1/" + "ä" * 1000,
    ],
)
def test_a_batch_with_a_topic_that_its_client_may_not_publish_is_refused(tmp_path, topic):
    forged = gap_payload(VICTIM, 1, 9, "overflow")
    with guarded(tmp_path, endpoint={"topic_bytes_max": 1000}) as (gateway, client):
        node = batch_of("site/node-1/a", topic, "site/node-1/b", payload=forged)
        fields = ask(client, 5, node.body(1, 3, compress=False))
        assert (fields["token"], fields["status"]) == (5, 422)
        assert fields["error"] == "topic-not-allowed"
        assert topic[:20] in fields["detail"] and len(fields["detail"]) < 200
        assert judge(422, fields, of_batch=True) == POISON
        # Nothing of it was taken; what is in front of it may still come.
        standing = ask(client, 6, str(node.stream).encode(), "query")
        assert standing["through"] == 0
        assert ask(client, 7, node.body(1, 1, compress=False))["status"] == 200
        assert [record.topic for record in gateway.records()] == [b"site/node-1/a"]


def test_a_batch_with_topics_that_its_client_may_publish_is_taken(tmp_path):
    with guarded(tmp_path) as (gateway, client):
        topics = ("site/node-1/a", "site/node-1", "by/c-1", "site/node-1/a")
        node = batch_of(*topics)
        assert ask(client, 1, node.body(1, 4, compress=False))["status"] == 200
        assert [record.topic.decode() for record in gateway.records()] == list(topics)


def test_a_gap_can_be_told_by_nobody_even_without_rules(gateway):
    client = listening(gateway)
    node = batch_of("$tidegate/gap", payload=gap_payload(VICTIM, 1, 9, "overflow"))
    fields = ask(client, 1, node.body(1, 1, compress=False))
    assert (fields["status"], fields["error"]) == (422, "topic-not-allowed")
    assert gateway.records() == []


def test_a_nodes_own_gap_is_told_whatever_the_rules_say(tmp_path):
    with guarded(tmp_path) as (gateway, client):
        node = batch_of("site/node-1/a", "site/other/x", "site/node-1/b")
        node.drop(2, 2)
        assert ask(client, 1, node.body(1, 3, compress=False))["status"] == 200
        records = gateway.records()
    assert [record.topic for record in records] == [
        b"site/node-1/a", b"$tidegate/gap", b"site/node-1/b"
    ]  # fmt: skip
    assert json.loads(records[1].payload)["stream"] == str(node.stream)


def test_an_origin_that_a_node_brings_along_counts_for_nothing(gateway):
    forged = pack_properties([(b"a", b"1")]) + packed_origin(f"{VICTIM} 7 -".encode())
    client = listening(gateway)
    node = batch_of("site/a", properties=forged)
    assert ask(client, 1, node.body(1, 1, compress=False))["status"] == 200
    (record,) = gateway.records()
    names = [name for name, _ in unpack_properties(record.properties)]
    assert names == [b"a", b"tidegate-origin"]
    origin = find_origin(record.properties)
    assert (origin.stream, origin.seq) == (node.stream, 1)


@pytest.mark.parametrize("version", [4, 5])
def test_who_may_listen_but_not_ask_is_told(tmp_path, node, version):
    access = [{"publish": ["site/#"], "subscribe": ["$tidegate/#"]}]
    with Gateway(tmp_path, {"anonymous": False}, access=access) as gateway:
        gateway.add_user("node-1", "secret")
        gateway.shell.reload()
        client = listening(gateway, "1", version=version, username="node-1", password=b"secret")
        for token, kind in ((1, "batch"), (2, "query")):
            fields = ask(client, token, node.body(1, 5, compress=False), kind)
            assert (fields["token"], fields["status"]) == (token, 403)
            assert fields["error"] == "not-allowed"
        client.publish("$tidegate/other", b"x")
        assert client.is_silent()
        assert gateway.records() == []


def test_a_client_cannot_forge_an_origin(gateway, node):
    client = gateway.client("device", version=5)
    forged = f"{node.stream} 1 -".encode()
    properties = [(0x26, (b"a", b"1")), (0x26, (b"tidegate-origin", forged)), (0x26, (b"b", b"2"))]
    client.send(codec.publish("site/a", b"x", 1, packet_id=1, version=5, properties=properties))
    assert client.receive().kind == codec.PUBACK
    record = gateway.records()[0]
    assert record.properties == b"\x01\x00\x01\x00a1\x01\x00\x01\x00b2"
    assert packed_origin(forged) not in record.properties
