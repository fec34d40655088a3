"""One link of a node, on MicroPython, driven from standard input: `micropython link_program.py`.

The first line says which link, every further one what to do with it, as JSON: see `Driver`.  Each
is answered with one line of JSON.  `link_process.py` is the other side.
"""

import json
import select
import sys
import time
from collections import namedtuple

from samples import BOOTS, STREAM, batch_of, record, span_of
from tidegate.config.secret import Secret
from tidegate.delivery.chance import Chance
from tidegate.events import Answered
from tidegate.records.record import Record, fold, fold_all
from tidegate.records.span import Span
from tidegate_micropython import mqtt_connection
from tidegate_micropython.http_link import HttpLink
from tidegate_micropython.mqtt_link import MqttLink
from tidegate_micropython.packet_client import PacketClient
from tidegate_micropython.plain_link import PlainLink


class Driver:
    """Carries out commands on a link."""

    def __init__(self, kind, host, port, options):
        self.events = []
        self.moved = 0
        self.link = self.make(kind, host, port, options)
        # Tests wait for parts of a second, settings are in whole ones.
        self.link._calls.timeout_ms = int(self.link._calls.timeout_ms)
        self.link.start(self.events.append)

    def make(self, kind, host, port, options):
        ca_file = options.pop("ca_file", None)
        uplink = {
            "host": host,
            "port": port,
            "path": "",
            "tls": ca_file is not None,
            "ca_file": ca_file,
            "username": "",
            "password": "",
            "token": "secret-token",
            "prefix": "",
            "timeout_s": 30,
        }
        position = tuple(options.pop("position", (0, 0)))
        seed = options.pop("seed", 1)
        mqtt_connection.KEEPALIVE_S = options.pop("keepalive_s", 60)
        mqtt_connection.BLOCK_MS_MAX = options.pop("block_ms_max", 5000)
        uplink.update(options)
        for name in ("password", "token"):
            uplink[name] = Secret(uplink[name])
        names = sorted(uplink)
        uplink = namedtuple("Uplink", names)(*[uplink[name] for name in names])
        if kind == "http":
            return HttpLink(uplink, self.count_move)
        if kind == "plain":
            return PlainLink(uplink, STREAM.node, lambda stream: position, self.count_move)
        return MqttLink(uplink, STREAM.node, Chance(seed), self.count_move)

    def count_move(self):
        self.moved += 1

    def query(self, token, at=0):
        """Ask for the standing."""
        self.link.query(token, STREAM, at)

    def send(self, token, first, last, gaps=()):
        """Send a batch of the samples, each of which goes on from the one before."""
        before = 0
        for number in range(1, first):
            before = fold(before, record(number, 9 if number > 6 else 7))
        self.link.send(token, batch_of(span_of(first, last, gaps, before)))

    def send_large(self, token, size):
        """Send a batch with one record of so many bytes."""
        large = Record(7, 1, b"large", bytes(size), 1, b"")
        span = Span(1, 1, 0, [large], [fold(0, large)], [], BOOTS[:1], 0)
        self.link.send(token, batch_of(span))

    def send_topics(self, token, *topics):
        """Send a batch of records with these topics."""
        records = [Record(7, 1, topic.encode(), b"x", 1, b"") for topic in topics]
        span = Span(1, len(topics), 0, records, fold_all(0, records), [], BOOTS[:1], 0)
        self.link.send(token, batch_of(span))

    def run(self, ms, count):
        """Poll until so many events came, or so much time has passed; return what came.

        Waits for the sockets as a shell does, and no longer than the link says.
        """
        end_ms = time.ticks_add(time.ticks_ms(), ms)
        longest_ms = 0
        while len(self.events) < count and time.ticks_diff(end_ms, time.ticks_ms()) > 0:
            begun_ms = time.ticks_ms()
            self.link.poll(begun_ms)
            longest_ms = max(longest_ms, time.ticks_diff(time.ticks_ms(), begun_ms))
            if len(self.events) < count:
                self.wait(time.ticks_diff(end_ms, time.ticks_ms()))
        came, self.events[:] = [shown(event) for event in self.events], []
        return {"events": came, "longest_ms": longest_ms, "moved": self.moved}

    def wait(self, left_ms):
        now_ms = time.ticks_ms()
        due_ms = self.link.deadline_ms(now_ms)
        if due_ms is not None:
            left_ms = min(left_ms, max(0, due_ms - now_ms))
        poller = select.poll()
        for socket, flags in self.link.interests():
            poller.register(socket, flags)
        poller.poll(max(0, left_ms))

    def set_packet_id(self, packet_id):
        """Go on as after so many messages on a plain link."""
        self.link._packet_id = packet_id

    def subscribe(self, size):
        """Subscribe to a topic of so many bytes on a client that writes to a list; return that."""
        written = []

        class Packets:
            def write(self, data, size=-1):
                written.append(bytes(data))

            def next_packet(self):
                raise OSError

        client = PacketClient(Packets(), b"", None, None, 60)
        client.set_callback(print)
        try:
            client.subscribe(b"x" * size)
        except (OSError, ValueError) as error:
            return {"raised": type(error).__name__, "written": len(b"".join(written))}

    def state(self):
        """Return the state of the MQTT connection."""
        return {"state": self.link._connection.state}

    def close(self):
        """Close the link."""
        self.link.close()


def shown(event):
    """Return an event as a list; an `Unanswered` has no status."""
    if isinstance(event, Answered):
        return [event.token, event.status, event.fields, event.retry_after, event.sent_bytes]
    return [event.token, None, event.reason, None, event.sent_bytes]


def main():
    driver = Driver(*json.loads(sys.stdin.readline()))
    print("{}")
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        name, arguments = json.loads(line)
        print(json.dumps(getattr(driver, name)(*arguments)))


main()
