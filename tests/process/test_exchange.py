"""R10, R11: replies that are swallowed, requests that come late, a line cut behind every byte.

The real engine, journal and link on a clock that jumps (`node`), through a proxy, to a real hub.
"""

import contextlib
import random
import socket
import threading

import pytest

from fixtures.hub import HubProcess
from fixtures.proxy import DOWN, UP, Proxy
from fixtures.raw_server import RawServer, read_request
from process.counts import SEED, bound, sized
from process.node import Node

RECORDS = 5  # In a batch.


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    with HubProcess(folder) as running:
        yield running


class Swallower:
    """What a `RawServer` does that takes a number of answers away.

    Each batch reaches the hub, at once, or later, behind the copy of it that the gateway sends
    next.  No answer to it comes back until `swallowed` says that enough were taken away.
    """

    def __init__(self, hub, batches, chance):
        self.batches = batches
        self.swallowed = self.late = self.queries = 0
        self._hub = hub
        self._chance = chance
        self._held = []
        # Until its copy has come, a batch may still be stopped from counting.
        self._is_copy_due = False

    def __call__(self, peer):
        if peer.request[0].startswith(b"POST"):
            self._batch(peer)
        elif self._chance.random() < 0.2:
            self.queries += 1
            ask(self._hub, peer.request)
            self._leave(peer)
        else:
            peer.say(ask(self._hub, peer.request))

    def _batch(self, peer):
        if self.swallowed < self.batches and not self._is_copy_due and self._chance.random() < 0.3:
            self._held.append(peer.request)
            self._is_copy_due = True
            self.late += 1
        else:
            self._is_copy_due = False
            answer = ask(self._hub, peer.request)
            while self._held:
                ask(self._hub, self._held.pop())
            if self.swallowed >= self.batches:
                peer.say(answer)
                return
            assert answer.startswith(b"HTTP/1.1 200 "), answer
        self.swallowed += 1
        self._leave(peer)

    def _leave(self, peer):
        if self._chance.random() < 0.5:
            peer.reset()
        else:
            peer.close()


def ask(hub, request):
    """Return the hub's whole answer to a request."""
    port = int(hub.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(request[0] + b"\r\n\r\n" + request[1])
        head, body = read_request(line)
    return head + b"\r\n\r\n" + body


def expect_once(hub, count):
    """Each record is in the table, once and in order, with its number as payload."""
    rows = hub.query("SELECT seq, payload FROM records ORDER BY stream, seq")
    assert [(seq, int(payload)) for seq, payload in rows] == [(n, n) for n in range(1, count + 1)]
    assert hub.query("SELECT count(*) FROM gaps") == [(0,)]
    assert hub.query("SELECT count(*), max(through) FROM ledger") == [(1, count)]


@sized(replies=(50, 1000))
def test_each_batch_whose_reply_is_swallowed_is_applied_once(tmp_path, hub, replies):
    swallower = Swallower(hub, replies, random.Random(SEED))
    with RawServer(swallower) as line, Node(tmp_path / "node", line.url, SEED) as node:
        while swallower.swallowed < replies:
            node.deliver(RECORDS)
        node.deliver(RECORDS)
        expect_once(hub, node.admitted)
    print(
        f"seed {SEED}: {swallower.swallowed} replies to batches and {swallower.queries} to queries"
        f" swallowed, {swallower.late} batches came late; {node.admitted} records, applied twice"
        f" {bound(replies)}"
    )


@sized(step=(23, 1))
@pytest.mark.parametrize("with_reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("recovers", [False, True], ids=["batch", "recovery"])
def test_a_line_cut_behind_any_byte_is_got_over(
    tmp_path, hub, recovers, direction, with_reset, step
):
    """Behind each byte of a batch's exchange; and of what comes after a first cut, all of it."""
    hub_port = int(hub.url.rpartition(":")[2])
    cuts = 0
    with Proxy(hub_port) as line, Node(tmp_path / "node", line.url, SEED) as node:
        node.deliver(RECORDS)
        for length in range(0, 10_000, step):
            if recovers:
                line.cut_after(UP, 0)
            line.cut_after(direction, length, with_reset)
            node.deliver(RECORDS)
            if line.call_off():
                break
            cuts += 1
        assert cuts * step > 100, "shorter than any request or answer there is"
        expect_once(hub, node.admitted)
    print(f"{cuts} cuts, one behind each byte: {node.admitted} records applied, once each")


def test_a_line_that_goes_dead_in_an_exchange_is_got_over(tmp_path, hub):
    """Half-open: nothing is refused, nothing comes; the link's own time limit ends it."""
    stuck = threading.Event()

    def behave(peer):
        if peer.request[0].startswith(b"POST") and not stuck.is_set():
            stuck.set()
            ask(hub, peer.request)
            peer.wait(30)
            return
        with contextlib.suppress(OSError):
            peer.say(ask(hub, peer.request))

    with (
        RawServer(behave) as line,
        Node(tmp_path / "node", line.url, SEED, timeout_s=1) as node,
    ):
        node.deliver(RECORDS)
        assert stuck.is_set()
        node.deliver(RECORDS)
        expect_once(hub, node.admitted)
