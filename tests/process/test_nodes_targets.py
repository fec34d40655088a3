"""MicroPython nodes without a gateway: straight to a hub, and to a broker of somebody else."""

import threading
import time

from fixtures.broker import Broker
from fixtures.hub import TOKEN, HubProcess
from fixtures.proxy import Proxy
from process.counts import SEED, sized
from process.micropython_node import MicroPythonNode
from process.nodes_site import check_balance
from process.nodes_verdict import ROWS, judge_nodes, read_payload

WAIT_S = 30.0
PACE_MS = 40  # A log of 1 MB must hold what is put while a busy machine starts a hub.


@sized(kills=(3, 30))
def test_straight_to_a_hub_nothing_is_lost_or_twice(tmp_path, chance, kills):
    with HubProcess(tmp_path) as hub, Proxy(int(hub.url.rpartition(":")[2])) as line:
        uplink = {"type": "http", "url": line.url, "token": TOKEN}
        with MicroPythonNode(tmp_path / "n1", "n1", uplink, "mixed", pace_ms=PACE_MS) as node:
            for kill in range(kills):
                time.sleep(chance.uniform(0.3, 0.8))
                line.cut_after(chance.choice(("up", "down")), chance.randrange(3000))
                time.sleep(chance.uniform(0.3, 0.8))
                each = hub if kill % 2 else node
                each.kill()
                each.start()
            line.call_off()
            time.sleep(0.5)
            node.kill()
            check_balance(node.drain())
        verdict = judge_nodes(hub.query(ROWS), node.said)
        assert hub.query("SELECT * FROM gaps") == []
        assert [epochs for (epochs,) in hub.query("SELECT count(*) FROM ledger")] == [1]
    print(f"seed {SEED}: {kills} kills, {line.cuts} cuts, {node.count} promised: {verdict}")
    assert node.count >= 10 * kills
    assert verdict.is_perfect, verdict


class Listener:
    """What a broker hands out, in order."""

    def __init__(self, broker: Broker) -> None:
        self.payloads: list[bytes] = []
        self._client = broker.client("listener")
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.on_message = lambda _client, _data, each: self.payloads.append(each.payload)
        self._client.subscribe("site/#", 1)
        assert granted.wait(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@sized(kills=(3, 30))
def test_to_a_plain_broker_nothing_is_lost(tmp_path, chance, kills):
    # At least once: what was not acknowledged is sent again, from the oldest on.
    with Broker(tmp_path / "broker", options=["max_queued_messages 0"]) as broker:
        listener = Listener(broker)
        with Proxy(broker.port) as line:
            uplink = {"type": "mqtt-plain", "url": f"mqtt://127.0.0.1:{line.port}"}
            with MicroPythonNode(tmp_path / "n1", "n1", uplink, "mixed", pace_ms=PACE_MS) as node:
                for _ in range(kills):
                    time.sleep(chance.uniform(0.3, 0.8))
                    line.cut_after(chance.choice(("up", "down")), chance.randrange(2000))
                    time.sleep(chance.uniform(0.3, 0.8))
                    node.kill()
                    node.start()
                line.call_off()
                time.sleep(0.5)
                node.kill()
                check_balance(node.drain())
            time.sleep(0.5)
            listener.close()
    came = [read_payload(payload)[1:3] for payload in listener.payloads]
    promised = [
        (run, number)
        for runs in node.said.values()
        for run, last in runs.items()
        for number in range(1, last + 1)
    ]
    first_time = list(dict.fromkeys(came))
    print(f"seed {SEED}: {kills} kills, {line.cuts} cuts, {len(promised)} promised")
    print(f"{len(came)} came, {len(came) - len(first_time)} of them again")
    assert set(promised) <= set(came)
    assert first_time == sorted(first_time)
    assert len(promised) >= 10 * kills
