"""A whole node on MicroPython over each of its links: every record arrives, in order."""

import json
import subprocess
import time

import pytest

from fixtures.broker import Broker, free_port
from fixtures.gateway import GatewayProcess
from fixtures.hub import TOKEN, HubProcess
from on_micropython.responder import Responder
from on_micropython.test_on_board import command, environment
from on_micropython.test_plain_link import Subscriber
from test_micropython import ROOT

COUNT = 300
NUMBERS = [str(number).encode() for number in range(COUNT)]
PROGRAM = ROOT / "tests" / "on_micropython" / "node_program.py"


class Node:
    """A node in a process of its own."""

    def __init__(self, folder, **uplink):
        uplink = {"timeout_s": 1, "batch_records": 20, "retry_max_s": 1, **uplink}
        config = {"journal": {"folder": str(folder / "log")}, "uplink": uplink}
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        self._process = subprocess.Popen(
            command(PROGRAM, path, COUNT),
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def delivers(self):
        """Wait for the end; tell whether it delivered everything."""
        said = self._process.communicate(timeout=90)[0]
        assert "delivered\n" in said, said
        return True


def applied(gateway):
    [records] = gateway.records.values()
    return [record.payload for record in records]


def test_over_mqtt_everything_arrives_once_while_the_broker_is_killed(tmp_path):
    with (
        Broker(tmp_path / "broker") as broker,
        Responder(broker) as gateway,
        Node(tmp_path, type="mqtt", url=broker.url) as node,
    ):
        wait_until(lambda: gateway.records)
        broker.restart(killed=True)
        assert node.delivers()
    assert applied(gateway) == NUMBERS


def test_over_mqtt_everything_arrives_once_where_answers_are_lost(tmp_path):
    counts = iter(range(10_000))
    with (
        Broker(tmp_path / "broker") as broker,
        Responder(broker, lambda answer: answer if next(counts) % 9 else None) as gateway,
        Node(tmp_path, type="mqtt", url=broker.url) as node,
    ):
        assert node.delivers()
    assert applied(gateway) == NUMBERS


def test_over_http_everything_is_at_the_hub_once_while_it_is_killed(tmp_path):
    with (
        HubProcess(tmp_path) as hub,
        Node(tmp_path, type="http", url=hub.url, token=TOKEN) as node,
    ):
        wait_until(lambda: hub.query("SELECT count(*) FROM records")[0][0])
        hub.kill()
        hub.start()
        assert node.delivers()
        rows = hub.query("SELECT payload FROM records ORDER BY seq")
    assert [payload for (payload,) in rows] == NUMBERS


@pytest.mark.parametrize("kind", ["mqtt", "http"])
def test_through_a_gateway_everything_is_at_the_hub_once_while_that_is_killed(tmp_path, kind):
    port = free_port()
    url = f"{kind}://127.0.0.1:{port}"
    tokens = tmp_path / "nodes"
    tokens.write_text(f"node-1 {TOKEN}\n")
    tokens.chmod(0o600)
    with HubProcess(tmp_path) as hub:
        gateway = GatewayProcess(tmp_path, "", hub.url)
        nodes = {"type": "nodes", "url": url, "tokens_file": str(tokens)}
        gateway.config["source"] = [{"type": "listen", "url": url} if kind == "mqtt" else nodes]
        uplink = {"type": kind, "url": url, **({"token": TOKEN} if kind == "http" else {})}
        with gateway, Node(tmp_path, **uplink) as node:
            wait_until(lambda: hub.query("SELECT count(*) FROM records")[0][0])
            gateway.kill()
            gateway.start()
            assert node.delivers()
            wait_until(lambda: hub.query("SELECT count(*) FROM records")[0][0] >= COUNT)
        rows = hub.query("SELECT payload, origin_seq FROM records ORDER BY stream, seq")
    assert rows == [(payload, number) for number, payload in enumerate(NUMBERS, 1)]


def test_to_a_plain_broker_everything_arrives_in_order(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        subscriber = Subscriber(broker, "farm/#")
        with Node(tmp_path, type="mqtt-plain", url=broker.url, prefix="farm/") as node:
            came = subscriber.take(10)
            assert node.delivers()
        while len(came) < COUNT:
            came += subscriber.take(1)
        subscriber.close()
    assert [payload for _, payload, _ in came] == NUMBERS


def wait_until(holds):
    until_s = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.1)


def test_to_a_plain_broker_that_is_killed_everything_arrives_at_least_once(tmp_path):
    with (
        Broker(tmp_path / "broker", persistence="strongest") as broker,
        Node(tmp_path, type="mqtt-plain", url=broker.url) as node,
    ):
        for _ in range(3):
            time.sleep(0.5)
            broker.restart(killed=True)
        assert node.delivers()
