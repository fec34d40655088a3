"""A node, a gateway that is killed again and again, and a hub: once each, in order (P1, P2, P3).

The node here is a few lines that keep to section 9 of the protocol: send, believe nothing but a
receipt, ask after every doubt.
"""

import json
import random
import socket
import time

from endpoint import client_codec as codec
from endpoint.listening import Client
from fixtures.batches import Node
from fixtures.broker import free_port
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from tidegate.errors import ProtocolError
from tidegate.wire.receipt import read_receipt, read_standing

SEED = 20261127
RECORDS = 1500
BATCH = 25
KILLS = 6
MISSING = list(range(400, 411))
WAIT_S = 60.0


class Sender:
    """Sends one stream, and knows what was confirmed."""

    def __init__(self, node, port):
        self.node = node
        self.through = 0
        self._port = port
        self._generation = ""
        self._client = None
        self._token = 0

    def step(self):
        """Send the next batch, or find out where the gateway stands; raise where it is away."""
        node = self.node
        if self._client is None:
            self._connect()
            return
        last = min(self.through + BATCH, len(node.records))
        body = node.body(self.through + 1, last, compress=False)
        fields = self._ask("batch", body)
        if fields["status"] == 503:
            time.sleep(0.02)
            return
        assert fields["status"] == 200, fields
        receipt = read_receipt(node.stream, fields)
        if receipt.generation != self._generation:
            self._look()
            return
        assert receipt.cursor.hash_at == node.hashes[receipt.cursor.through - 1]
        self.through = receipt.cursor.through

    def lose(self):
        if self._client is not None:
            self._client.close()
        self._client = None

    def _connect(self):
        client = Client(socket.create_connection(("127.0.0.1", self._port), timeout=5))
        client.connect("node", version=4)
        client.subscribe(f"$tidegate/{self.node.stream.node}/answer")
        self._client = client
        self._look()

    def _look(self):
        fields = self._ask("query", str(self.node.stream).encode())
        if fields["status"] != 200:
            time.sleep(0.02)
            self.lose()
            return
        standing = read_standing(self.node.stream, fields)
        through = standing.cursor.through
        assert through >= self.through, "what was confirmed is durable"
        assert not through or standing.cursor.hash_at == self.node.hashes[through - 1]
        self.through, self._generation = through, standing.generation

    def _ask(self, kind, payload):
        self._token += 1
        node = self.node.stream.node
        self._client.publish(f"$tidegate/{node}/{kind}/{self._token}", payload)
        while True:
            packet = self._client.receive()
            if packet is None:
                raise ConnectionError
            assert packet.kind == codec.PUBLISH
            fields = json.loads(packet.payload)
            if fields["token"] == self._token:
                return fields


def test_a_node_over_a_gateway_that_is_killed(tmp_path):
    chance = random.Random(SEED)
    node = Node(records=RECORDS)
    node.drop(MISSING[0], MISSING[-1])
    port = free_port()
    with HubProcess(tmp_path) as hub:
        gateway = GatewayProcess(tmp_path, "", hub.url)
        gateway.config["source"] = [{"type": "listen", "url": f"mqtt://127.0.0.1:{port}"}]
        with gateway:
            sender = Sender(node, port)
            kills_at = sorted(chance.sample(range(1, RECORDS - BATCH), KILLS))
            until = time.monotonic() + WAIT_S
            while sender.through < RECORDS:
                assert time.monotonic() < until, (sender.through, gateway.log()[-2000:])
                if kills_at and sender.through >= kills_at[0]:
                    kills_at.pop(0)
                    _kill_in_the_middle(gateway, sender, chance)
                try:
                    sender.step()
                except (OSError, ProtocolError, AssertionError) as error:
                    if isinstance(error, AssertionError) and gateway.is_running:
                        raise
                    sender.lose()
            assert not kills_at
            # Less the gap's numbers, and a record that tells of it, or two where a batch cuts it.
            admitted = RECORDS - len(MISSING) + 1
            gateway.wait_drained(admitted)
        rows = hub.query(
            "SELECT origin_seq, payload FROM records WHERE origin_seq > 0 ORDER BY seq"
        )
        kept = [seq for seq in range(1, RECORDS + 1) if seq not in MISSING]
        assert [row[0] for row in rows] == kept
        assert [row[1] for row in rows] == [node.records[seq - 1].payload for seq in kept]
        gaps = hub.query("SELECT first, last, reason FROM origin_gaps ORDER BY first")
        assert [seq for first, last, _ in gaps for seq in range(first, last + 1)] == MISSING
        assert {reason for _, _, reason in gaps} == {"overflow"}
        assert hub.query("SELECT count(*) FROM gaps") == [(0,)]


def _kill_in_the_middle(gateway, sender, chance):
    """Send a batch and kill the gateway at about the moment in which it commits."""
    node, first = sender.node, sender.through + 1
    if sender._client is not None and first <= RECORDS:
        body = node.body(first, min(first + BATCH - 1, RECORDS), compress=False)
        sender._client.publish(f"$tidegate/{node.stream.node}/batch/999999", body)
        time.sleep(chance.random() * 0.008)
    gateway.kill()
    sender.lose()
    gateway.start()
