"""The hub over real HTTP, on both databases: statuses, tokens, bounds, and what a client sees."""

import socket
import threading
import time
import zlib
from pathlib import Path

import pytest
import requests

from fixtures.batches import Node
from fixtures.hub import OTHER_TOKEN, TOKEN, HubProcess
from tidegate.wire.envelope import DEFLATED, seal


def raw_request(hub, data, until_closed=True):
    """Send bytes as they are; return all that comes back."""
    with socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2])), 30) as line:
        line.sendall(data)
        answer = b""
        while until_closed or b"\r\n\r\n" not in answer:
            part = line.recv(65536)
            if not part:
                break
            answer += part
    return answer


def bomb_of(zeros, announced_bytes):
    """Return a batch in a right envelope whose body inflates to `zeros` bytes."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = bytes(10_000_000)
    body = b"".join([deflater.compress(part) for _ in range(zeros // len(part))])
    body += deflater.flush()
    return seal(body, DEFLATED, announced_bytes)


def test_batch_arrives_and_can_be_read_while_the_hub_runs(hub):
    node = Node(records=50)
    response = hub.post(node.stream, node.body(1, 50))
    assert response.status_code == 200
    assert response.json()["through"] == 50
    assert hub.query("SELECT count(*), min(seq), max(seq) FROM records") == [(50, 1, 50)]
    assert hub.standing(node.stream, at=7)["hash_at"] == f"{node.hashes[6]:08x}"


def test_stranger_is_refused_and_learns_nothing(hub):
    node = Node(records=3)
    url = f"{hub.url}/v1/streams/{node.stream}"
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": b"Bearer \xff\xfe"},
    ):
        for response in (
            requests.post(f"{url}/batches", data=node.body(1, 3), headers=headers, timeout=30),
            requests.get(url, headers=headers, timeout=30),
        ):
            assert response.status_code == 401, headers
            assert response.json()["error"] == "unauthorized"
            assert response.headers["WWW-Authenticate"] == "Bearer"
    assert hub.query("SELECT * FROM ledger") == []


def test_no_token_stands_in_the_log_or_the_database(hub):
    node = Node(records=3)
    hub.post(node.stream, node.body(1, 3))
    hub.post(node.stream, b"rubbish")
    hub.post(node.stream, node.body(1, 3), token="a-wrong-token-8d1f")
    hub.post(node.stream, node.body(1, 3), token=OTHER_TOKEN)
    hub.stop()
    files = [path.read_bytes() for path in hub.folder.iterdir() if path.is_file()]
    for token in (TOKEN, OTHER_TOKEN, "a-wrong-token-8d1f"):
        assert not [True for content in files if token.encode() in content]
    hub.start()


def test_foreign_stream_is_refused_with_a_clear_reason(hub):
    node = Node(records=9)
    hub.post(node.stream, node.body(1, 5))
    for response in (
        hub.post(node.stream, node.body(6, 9), token=OTHER_TOKEN),
        hub.get(f"/v1/streams/{node.stream}", token=OTHER_TOKEN),
    ):
        assert response.status_code == 403
        assert response.json()["error"] == "foreign-node"
        assert "another token" in response.json()["detail"]
    assert hub.standing(node.stream)["through"] == 5


def test_hostile_batch_over_http_is_refused(hub):
    node = Node(records=9)
    for body, status in ((b"", 422), (b"x" * 100, 422), (Node("0" * 16).body(1, 9), 422)):
        assert hub.post(node.stream, body).status_code == status
    assert hub.post("not-a-stream", node.body(1, 9)).status_code == 422
    assert hub.post(node.stream, node.body(3, 9)).status_code == 409
    assert hub.post(node.stream, node.body(1, 9)).status_code == 200


def test_unknown_place_and_wrong_method_are_json_too(hub):
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v1/streams", 404),
        ("POST", "/v1/streams/a/b/batches", 404),
        ("PUT", "/v1/streams/a/batches", 405),
        ("DELETE", "/v1/streams/a", 405),
        ("POST", "/healthz", 405),
    ):
        response = requests.request(method, hub.url + path, timeout=30)
        assert response.status_code == status, path
        assert set(response.json()) == {"error", "detail"}


@pytest.fixture
def small_hub(tmp_path):
    with HubProcess(tmp_path, batch_bytes_max=10_000) as process:
        yield process


def test_too_large_body_gets_its_answer_and_not_a_reset(small_hub):
    node = Node(records=2000)
    assert small_hub.post(node.stream, node.body(1, 2000, False)).status_code == 413
    assert small_hub.post(node.stream, bytes(9_000_000)).status_code == 413
    assert small_hub.post(node.stream, node.body(1, 10)).status_code == 200


def test_too_large_body_without_a_length_is_stopped(small_hub):
    node = Node()

    def chunks():
        for _ in range(1000):
            yield bytes(1000)

    assert small_hub.post(node.stream, chunks()).status_code == 413
    small = node.body(1, 100)
    halves = iter([small[:100], small[100:]])
    assert small_hub.post(node.stream, halves).status_code == 200


def test_lying_lengths_are_answered_or_closed(small_hub):
    path = f"/v1/streams/{Node().stream}/batches"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    for length in ("99999999999999999999", "-1", "1x", "1, 2"):
        answer = raw_request(
            small_hub, f"{head}Content-Length: {length}\r\n\r\nabc".encode(), False
        )
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")), (length, answer)
    assert small_hub.get("/healthz").status_code == 200


def test_zip_bomb_takes_no_memory(hub):
    def peak_bytes():
        lines = Path(f"/proc/{hub.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

    node = Node(records=3)
    hub.post(node.stream, node.body(1, 3))
    before = peak_bytes()
    for announced in (100, 32 * 1024 * 1024):
        assert hub.post(node.stream, bomb_of(400_000_000, announced)).status_code == 422
    assert peak_bytes() - before < 100_000_000


def test_hurry_is_slowed_down(tmp_path):
    node = Node()
    with HubProcess(tmp_path, requests_per_s=5) as hub:
        responses = [hub.post(node.stream, node.body(1, 9)) for _ in range(30)]
        slowed = [response for response in responses if response.status_code == 429]
        assert responses[0].status_code == 200
        assert slowed
        assert slowed[0].json()["error"] == "too-many-requests"
        assert 1 <= int(slowed[0].headers["Retry-After"]) <= 5
        # Another node is not punished for it.
        other = Node("00000000000000ff")
        assert hub.post(other.stream, other.body(1, 9), token=OTHER_TOKEN).status_code == 200
        time.sleep(int(slowed[0].headers["Retry-After"]))
        assert hub.post(node.stream, node.body(1, 100)).status_code == 200


def test_guesses_are_slowed_down_and_nodes_are_not(hub):
    node = Node()
    statuses = [hub.post(node.stream, b"", token="guess").status_code for _ in range(60)]
    assert set(statuses) == {401, 429}
    assert hub.post(node.stream, node.body(1, 9)).status_code == 200


def test_ten_nodes_at_once_are_all_served(hub):
    nodes = [Node(f"{number:016x}", records=500, seed=number) for number in range(10)]

    def send(node):
        for first in range(1, 500, 50):
            assert hub.post(node.stream, node.body(first, first + 49)).status_code == 200

    threads = [threading.Thread(target=send, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = hub.query("SELECT stream, count(*), max(seq) FROM records GROUP BY stream ORDER BY 1")
    assert counts == [(str(node.stream), 500, 500) for node in nodes]


def test_health_and_metrics_tell_what_happened(hub):
    node = Node(records=9)
    node.drop(3, 4)
    hub.post(node.stream, node.body(1, 9))
    hub.post(node.stream, node.body(1, 9))
    hub.post(node.stream, b"")
    assert hub.get("/healthz").json() == {"status": "ok"}
    lines = hub.get("/metrics").text.splitlines()
    for line in (
        'tidegate_hub_batches_total{outcome="applied"} 1',
        'tidegate_hub_batches_total{outcome="known"} 1',
        "tidegate_hub_records_total 7",
        "tidegate_hub_gaps_total 1",
        'tidegate_hub_refused_total{reason="bad-length"} 1',
    ):
        assert line in lines
