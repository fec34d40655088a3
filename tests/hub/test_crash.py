"""Crashes and lost replies on both databases: nothing lost, nothing twice, whoever dies when."""

import random
import resource
import socket
import sqlite3
import threading
import time

import pytest
import requests

from fixtures.batches import Node
from fixtures.hub import TOKEN, HubProcess


def assert_applied_once(hub, node, through):
    rows = hub.query(f"SELECT seq, hash FROM records WHERE stream = '{node.stream}' ORDER BY seq")
    assert rows == [(seq, f"{node.hashes[seq - 1]:08x}") for seq in range(1, through + 1)]


def send_all(hub, node, size=50):
    """Send like a gateway: ask for the cursor, send on from there, whatever the answer is."""
    total = len(node.records)
    while True:
        try:
            through = hub.standing(node.stream)["through"]
            while through < total:
                response = hub.post(node.stream, node.body(through + 1, min(total, through + size)))
                assert response.status_code == 200, response.text
                through = response.json()["through"]
            return
        except requests.RequestException:  # Also a reply that is cut off in its middle.
            time.sleep(0.02)


def test_hub_killed_between_commit_and_reply_applies_once(hub):
    node = Node(records=100)
    hub.stop()
    hub.start(die_after_apply=1)
    with pytest.raises(requests.ConnectionError):
        hub.post(node.stream, node.body(1, 60))
    hub.wait()
    assert_applied_once(hub, node, 60)
    hub.start()
    response = hub.post(node.stream, node.body(1, 60))
    assert (response.status_code, response.json()["through"]) == (200, 60)
    # Cut anew after the unknown result, as a sender may that was restarted meanwhile.
    assert hub.post(node.stream, node.body(41, 100)).json()["through"] == 100
    assert_applied_once(hub, node, 100)


def test_restart_changes_the_generation_and_keeps_the_cursor(hub):
    node = Node(records=20)
    first = hub.post(node.stream, node.body(1, 20)).json()
    for end in (hub.stop, hub.kill):
        end()
        hub.start()
        standing = hub.standing(node.stream, at=20)
        assert (standing["through"], standing["hash_at"]) == (20, first["hash"])
        assert standing["generation"] != first["generation"]
        first = {**first, "generation": standing["generation"]}


def test_thousand_swallowed_replies_apply_once(hub):
    """R11: the hub commits, the reply is lost, the sender sends the same again."""
    node = Node(records=30)
    body = node.body(1, 20)
    head = (
        f"POST /v1/streams/{node.stream}/batches HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = ("127.0.0.1", int(hub.url.rpartition(":")[2]))
    for _ in range(1000):
        with socket.create_connection(address, 30) as line:
            line.sendall(head.encode() + body)
            # Something comes back, so it was applied; nobody reads it.
            assert line.recv(1, socket.MSG_PEEK)
    counted = hub.get("/metrics").text
    assert 'tidegate_hub_batches_total{outcome="applied"} 1\n' in counted
    assert 'tidegate_hub_batches_total{outcome="known"} 999\n' in counted
    assert_applied_once(hub, node, 20)
    assert hub.post(node.stream, node.body(15, 30)).json()["through"] == 30
    assert_applied_once(hub, node, 30)


def test_same_batch_at_once_is_applied_once(hub):
    """Ten times in each of 20 rounds; on PostgreSQL the transactions really overlap."""
    node = Node(records=400)
    statuses = []

    def send(barrier, first, last):
        body = node.body(first, last)
        barrier.wait()
        statuses.append(hub.post(node.stream, body).status_code)

    for start in range(1, 400, 20):
        barrier = threading.Barrier(10)
        ranges = [(max(1, start - 10 * (index % 3)), start + 19) for index in range(10)]
        threads = [threading.Thread(target=send, args=(barrier, *part)) for part in ranges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 200
    assert_applied_once(hub, node, 400)


def test_connection_cut_inside_the_request_applies_nothing(hub):
    node = Node(records=20)
    body = node.body(1, 20)
    head = (
        f"POST /v1/streams/{node.stream}/batches HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = ("127.0.0.1", int(hub.url.rpartition(":")[2]))
    whole = head.encode() + body
    for length in range(1, len(whole), 7):
        with socket.create_connection(address, 30) as line:
            line.sendall(whole[:length])
    assert hub.standing(node.stream)["through"] == 0
    assert hub.post(node.stream, body).status_code == 200
    assert_applied_once(hub, node, 20)


def test_stop_finishes_what_is_in_flight(hub):
    """SIGTERM while nodes send: every receipt given stands in the table, and the exit code is 0."""
    nodes = [Node(f"{number:016x}", records=2000, seed=number) for number in range(3)]
    receipts = dict.fromkeys(range(3), 0)

    def send(index):
        for first in range(1, 2000, 20):
            try:
                response = hub.post(nodes[index].stream, nodes[index].body(first, first + 19))
            except requests.RequestException:
                return
            assert response.status_code == 200
            receipts[index] = response.json()["through"]

    threads = [threading.Thread(target=send, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert hub.stop() == 0
    for thread in threads:
        thread.join()
    for index, node in enumerate(nodes):
        through = hub.query(f"SELECT through FROM ledger WHERE stream = '{node.stream}'")
        # SIGTERM waits for the reply too, so what is stored is what was confirmed.
        assert through == [(receipts[index],)]
        assert receipts[index] > 0
    hub.start()


@pytest.mark.slow
def test_fifty_kills_under_load_lose_nothing(hub):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    sent = []
    killing = threading.Event()
    killing.set()

    def send(name):
        # A new epoch whenever one is through, so that there is load at every kill.
        for number in range(1000):
            if not killing.is_set():
                return
            node = Node(name, records=2000, epoch=f"{number:016x}", seed=number)
            sent.append(node)
            send_all(hub, node)

    threads = [threading.Thread(target=send, args=(f"{number:016x}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        time.sleep(chance.uniform(0.01, 0.4))
        hub.kill()
        hub.start()
    killing.clear()
    for thread in threads:
        thread.join()
    for node in sent:
        assert_applied_once(hub, node, 2000)
    assert len(sent) > 2


def test_full_disk_is_told_and_got_over(tmp_path):
    """The size of files is limited as a full disk limits it; the batch is there later, once."""
    node = Node(records=3000)
    with HubProcess(tmp_path) as hub:
        assert hub.post(node.stream, node.body(1, 100)).status_code == 200
        size = (tmp_path / "hub.db-wal").stat().st_size
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
        for _ in range(2):
            response = hub.post(node.stream, node.body(101, 3000))
            assert response.status_code == 503
            assert response.json()["error"] == "unavailable"
            assert int(response.headers["Retry-After"]) > 0
        assert_applied_once(hub, node, 100)
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, unlimited)
        assert hub.post(node.stream, node.body(101, 3000)).status_code == 200
        assert_applied_once(hub, node, 3000)


@pytest.mark.slow
def test_owner_who_holds_the_database_is_waited_for(tmp_path):
    node = Node(records=20)
    with HubProcess(tmp_path) as hub:
        hub.post(node.stream, node.body(1, 10))
        owner = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
        owner.execute("BEGIN IMMEDIATE")
        response = hub.post(node.stream, node.body(11, 20))
        assert (response.status_code, response.json()["error"]) == (503, "unavailable")
        owner.execute("ROLLBACK")
        owner.close()
        assert hub.post(node.stream, node.body(11, 20)).status_code == 200
        assert_applied_once(hub, node, 20)


def test_database_server_that_crashes_is_told_and_got_over(postgres, tmp_path):
    node = Node(records=30)
    with HubProcess(tmp_path, postgres.create_database()) as hub:
        hub.post(node.stream, node.body(1, 10))
        postgres.stop("immediate")
        try:
            response = hub.post(node.stream, node.body(11, 20))
            assert (response.status_code, response.json()["error"]) == (503, "unavailable")
            assert hub.get("/healthz").status_code == 503
        finally:
            postgres.start()
        assert hub.post(node.stream, node.body(11, 20)).status_code == 200
        assert hub.get("/healthz").status_code == 200
        assert_applied_once(hub, node, 20)
