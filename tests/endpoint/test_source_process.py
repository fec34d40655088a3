"""`tidegate run` with listeners, as a process: kills, signals, status and metrics."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl

import pytest
import requests

from endpoint import client_codec as codec
from endpoint.listening import Client
from fixtures.broker import free_port
from fixtures.certificates import Authority
from fixtures.gateway import GatewayProcess


@pytest.fixture
def gateway(tmp_path):
    made = GatewayProcess(tmp_path, "")
    made.port = free_port()
    made.config["source"] = [{"type": "listen", "url": f"mqtt://127.0.0.1:{made.port}"}]
    with made:
        yield made


def connected(port, client_id="a", tls=None, **connect):
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    if tls is not None:
        sock = tls.wrap_socket(sock, server_hostname="localhost")
    client = Client(sock)
    client.connect(client_id, **connect)
    return client


def admitted(status):
    return sum(stream["admitted"] for stream in status["streams"])


def test_what_was_acknowledged_survives_a_kill_and_is_there_once(gateway):
    session = {"clean_start": False, "properties": [(0x11, 3600)]}
    for number in range(1, 4):
        client = connected(gateway.port, **session)
        if number > 1:
            # As a client does whose PUBACK may have been lost: the same again.
            client.send(codec.publish(b"t", b"%d" % (number - 1), 1, packet_id=1, dup=True))
            assert client.receive().kind == codec.PUBACK
        client.send(codec.publish(b"t", b"%d" % number, 1, packet_id=1))
        assert client.receive().kind == codec.PUBACK
        gateway.kill()
        gateway.start()
    gateway.wait(lambda status: admitted(status) == 3)


def test_a_stop_tells_clients_and_ends_cleanly(gateway):
    client = connected(gateway.port)
    client.publish(b"t", b"1", qos=1)
    os.kill(gateway.pid, signal.SIGTERM)
    answer = client.receive()
    assert (answer.kind, answer.reason) == (codec.DISCONNECT, 0x8B)
    client.close()
    assert gateway.wait_for_end() == 0


def test_status_and_metrics_have_the_endpoint(gateway):
    client = connected(gateway.port)
    client.subscribe(b"t")
    client.publish(b"t", b"1")
    client.receive()
    status = gateway.wait(lambda status: admitted(status) == 1)
    status = gateway.wait(
        lambda status: status["sources"][0]["endpoint"]["messages_sent_total"] == 1
    )
    source = status["sources"][0]
    assert (source["name"], source["state"]) == ("listen", "connected")
    assert source["endpoint"]["connections"] == 1
    assert json.dumps(source)
    text = requests.get(f"{gateway.status_url}/metrics", timeout=5).text
    figures = dict(re.findall(r"^tidegate_endpoint_(\w+) (\d+)$", text, re.MULTILINE))
    for name, value in (
        ("connections", "1"),
        ("sessions", "1"),
        ("subscriptions", "1"),
        ("messages_received_total", "1"),
        ("messages_sent_total", "1"),
        ("logins_refused_total", "0"),
    ):
        assert figures[name] == value, name
    assert "# TYPE tidegate_endpoint_dropped_total counter" in text


def test_sighup_reads_tls_files_again_and_ends_nothing(tmp_path):
    authority = Authority(tmp_path / "ca")
    files = tmp_path / "server.pem", tmp_path / "server.key"

    def issue():
        certificate, key = authority.issue("localhost", "DNS:localhost")
        shutil.copy(certificate, files[0])
        shutil.copy(key, files[1])

    issue()
    gateway = GatewayProcess(tmp_path, "")
    port = free_port()
    gateway.config["source"] = [
        {
            "type": "listen", "url": f"mqtts://127.0.0.1:{port}",
            "cert_file": str(files[0]), "key_file": str(files[1]),
        }
    ]  # fmt: skip
    tls = ssl.create_default_context(cafile=authority.certificate)
    with gateway:
        client = connected(port, "a", tls)
        before = client.sock.getpeercert()["serialNumber"]
        issue()
        os.kill(gateway.pid, signal.SIGHUP)
        gateway.wait(lambda _: "listeners reloaded" in gateway.log())
        other = connected(port, "b", tls)
        assert other.sock.getpeercert()["serialNumber"] != before
        client.ping()
        client.publish(b"t", b"1", qos=1)


def test_sighup_without_listeners_ends_nothing(tmp_path):
    gateway = GatewayProcess(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    gateway.spawn()
    with contextlib.ExitStack() as stack:
        stack.callback(gateway.kill)
        gateway.wait(lambda status: status["node"])
        os.kill(gateway.pid, signal.SIGHUP)
        gateway.wait(lambda _: "SIGHUP" in gateway.log())
        assert gateway.status()
