"""An endpoint with real sockets and a journal made of a dictionary, and clients for it.

    with Listening(tmp_path, ["mqtt://127.0.0.1"]) as site:
        client = site.client("a")
        client.publish(b"site/a", b"1", qos=1)

`site.stop_commits()` and `site.commit()` decide when what arrived is durable; `site.fail()` loses
what is not, as a journal does that fails; `site.recover()` opens it again.
"""

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path

from endpoint import client_codec as codec
from fixtures.broker import free_port
from tidegate.events import Arrived, Sought
from tidegate_linux.clock import now_ms
from tidegate_linux.config import load_gateway
from tidegate_linux.endpoint.source import EndpointSource

WAIT_S = 10.0


class Reports:
    """An observer that remembers."""

    def __init__(self):
        self.all = []

    def report(self, level, event, fields):
        self.all.append((level, event, dict(fields)))

    def of(self, event):
        return [fields for _, name, fields in list(self.all) if name == event]


class Listening:
    """One endpoint on free ports; `notes` is what its journal holds, over restarts too."""

    def __init__(self, folder: Path, urls=("mqtt://127.0.0.1",), listener="", endpoint="", more=""):
        self.notes: dict[bytes, bytes] = {}
        self.messages = []  # That are durable.
        self.reports = Reports()
        self.refuses = False
        self.ports = [free_port() for _ in urls]
        self._generations = set()
        self._lock = threading.RLock()
        self._waiting: list[Arrived] | None = None
        self._is_failed = False
        lines = [f'[node]\nname = "site"\ndata = "{folder}"\n[endpoint]\n{endpoint}\n{more}\n']
        for url, port in zip(urls, self.ports, strict=True):
            scheme, _, rest = url.partition("://")
            host, _, path = rest.partition("/")
            full = f"{scheme}://{host}:{port}/{path}".rstrip("/")
            lines.append(f'[[source]]\ntype = "listen"\nurl = "{full}"\n{listener}\n')
        path = folder / "tidegate.toml"
        path.write_text("".join(lines))
        path.chmod(0o600)
        self.settings = load_gateway(path)[0]
        self.source = EndpointSource(self.settings, now_ms, self.reports)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.source.close()
        assert not self.reports.of("endpoint_bug"), self.reports.of("endpoint_bug")

    def start(self):
        self.source.start(self._deliver)
        self.wait(lambda: self.source.status()["state"] == "connected")

    def restart(self):
        """Begin anew with what is durable."""
        self.source.close()
        self.source = EndpointSource(self.settings, now_ms, self.reports)
        self.start()

    def wait(self, is_so):
        until = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < until, (self.source.status(), self.reports.all[-5:])
            time.sleep(0.005)

    def figures(self):
        return self.source.status()["endpoint"]

    def stop_commits(self):
        with self._lock:
            self._waiting = []

    def commit(self):
        """Make durable what arrived since `stop_commits`, and go on."""
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
            for event in waiting:
                self._store(event)

    def arrived(self):
        """Return how many messages wait for a commit."""
        with self._lock:
            return sum(len(event.messages) for event in self._waiting or [])

    def fail(self, durable=0):
        """Lose all but the first `durable` arrivals, unacknowledged."""
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
            for event in waiting[:durable]:
                self._store(event, answers=False)
            self._is_failed = True
        self.source.pause("the journal failed: io")

    def recover(self):
        with self._lock:
            self._is_failed = False
            self._generations = {0}
        self.source.resume()

    def client(self, client_id, port=None, tls=None, **connect):
        client = Client(self.open(port, tls))
        client.connect(client_id, **connect)
        return client

    def open(self, port=None, tls=None):
        sock = socket.create_connection(("127.0.0.1", port or self.ports[0]), timeout=WAIT_S)
        return sock if tls is None else tls.wrap_socket(sock, server_hostname="localhost")

    def payloads(self):
        return [message.payload for message in list(self.messages)]

    def _deliver(self, event):
        with self._lock:
            if self._is_failed:
                return
            if isinstance(event, Sought):
                pairs = sorted(
                    pair for pair in self.notes.items() if event.first <= pair[0] < event.stop
                )
                self.source.found(event.generation, pairs[: event.count_max])
            elif self._waiting is not None:
                self._waiting.append(event)
            else:
                self._store(event)

    def _store(self, event, answers=True):
        for key, value in event.notes:
            if value is None:
                self.notes.pop(key, None)
            else:
                self.notes[key] = value
        if not self.refuses:
            self.messages.extend(event.messages)
        if answers and self.refuses:
            self.source.refuse(event.generation, [event.receipt], "overflow")
        elif answers:
            self.source.acknowledge(event.generation, [event.receipt])


class Client:
    """A client in as many words as a test needs."""

    def __init__(self, sock):
        self.sock = sock
        self.version = 5
        self.rest = b""
        self.packets = []
        self.next_id = 1

    def connect(self, client_id, version=5, **connect):
        self.version = version
        self.send(codec.connect(client_id, version=version, **connect))
        answer = self.receive()
        assert (answer.kind, answer.reason) == (codec.CONNACK, 0), answer
        return answer

    def publish(self, topic, payload, qos=0, answers=True):
        packet_id = 0
        if qos:
            packet_id, self.next_id = self.next_id, self.next_id + 1
        self.send(codec.publish(topic, payload, qos, packet_id=packet_id, version=self.version))
        if qos == 1 and answers:
            answer = self.receive()
            assert (answer.kind, answer.packet_id) == (codec.PUBACK, packet_id), answer
            return answer
        return packet_id

    def subscribe(self, filter, qos=0):
        self.send(codec.subscribe(1, [(filter, qos)], version=self.version))
        return self.receive()

    def ping(self):
        self.send(b"\xc0\x00")
        assert self.receive().kind == codec.PINGRESP

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        """Return the next packet; None when the connection was closed."""
        while not self.packets:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                data = b""
            if not data:
                return None
            self.packets, self.rest = codec.decode(self.rest + data, self.version)
        return self.packets.pop(0)

    def is_silent(self, for_s=0.2):
        """Tell whether nothing comes for a while."""
        self.sock.settimeout(for_s)
        try:
            return not self.packets and not self.sock.recv(1, socket.MSG_PEEK) and False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(WAIT_S)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()
