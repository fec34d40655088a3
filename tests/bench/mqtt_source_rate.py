"""How fast messages come out of Mosquitto through the MQTT source, beside paho's own loop.

    PYTHONPATH=core:platforms:tests python tests/bench/mqtt_source_rate.py [messages]

Each line: a broker full of QoS 1 messages of 128 bytes on 50 topics for a session that was away;
measured from the connection to the last message, each acknowledged as soon as it is delivered, so
it is the source and the broker without journal or uplink.  Processor time is that of this process.
"""

import queue
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from fixtures.broker import Broker
from fixtures.sources import clock_ms, source_settings, wait_until
from tidegate_linux.mqtt.source import MqttSource

CASES = [("3.1.1", 20), ("3.1.1", 0), ("5", 100), ("5", 1000)]  # Protocol, the broker's window.


def main() -> None:
    """Print a line for each case."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for protocol, window in CASES:
        for name, run in (("tidegate", run_source), ("paho loop", run_paho)):
            options = ["max_queued_messages 0"]
            if protocol == "3.1.1":
                options.append(f"max_inflight_messages {window}")
            with Broker(Path(tempfile.mkdtemp()), options=options) as broker:
                settings = source_settings(
                    broker.url, protocol=protocol, receive_maximum=window or 1
                )
                source = MqttSource("s", settings, clock_ms)
                source.start(lambda event: None)
                wait_until(lambda s=source: s.status()["state"] == "connected")
                source.close()
                fill(broker.port, count)
                began_s, cpu_s = time.perf_counter(), time.process_time()
                run(settings, count)
                took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
            print(
                f"{name:10} {protocol:5} window {window:4}: {count / took_s:8.0f} messages/s, "
                f"{cpu_s / count * 1e6:5.1f} µs processor time a message"
            )


def run_source(settings, count):
    """Take `count` messages through the source."""
    events = queue.SimpleQueue()
    source = MqttSource("s", settings, clock_ms)
    source.start(events.put)
    got = 0
    while got < count:
        arrived = events.get()
        got += len(arrived.messages)
        source.acknowledge(arrived.generation, [message.token for message in arrived.messages])
    source.close()


def run_paho(settings, count):
    """Take `count` messages through paho's own loop, with manual acknowledgement."""
    got = 0

    def on_message(client, userdata, message):
        nonlocal got
        got += 1
        client.ack(message.mid, message.qos)

    version_5 = settings.protocol == "5"
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=None if version_5 else False,
        protocol=paho.MQTTv5 if version_5 else paho.MQTTv311,
        manual_ack=True,
    )
    client.on_message = on_message
    if version_5:
        properties = paho.Properties(paho.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = settings.session_expiry_s
        properties.ReceiveMaximum = settings.receive_maximum
        client.connect(settings.url.host, settings.url.port, 60, "", 0, False, properties)
    else:
        client.connect(settings.url.host, settings.url.port)
    while got < count:
        client.loop(1)
    client.disconnect()


def fill(port, count):
    """Publish as fast as the broker takes it, and wait until it has acknowledged all."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04fill")
        sock.recv(4)
        reader = threading.Thread(target=drain, args=(sock, count * 4))
        reader.start()
        for first in range(0, count, 500):
            numbers = range(first, min(first + 500, count))
            sock.sendall(b"".join([publish(number) for number in numbers]))
        reader.join()


def publish(number):
    """Encode one message."""
    topic = b"site/device-%02d/t" % (number % 50)
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", number % 65535 + 1)
    body += (b"%08d" % number).ljust(128, b".")
    return bytes([0x32, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def drain(sock, size):
    """Read so many bytes."""
    while size > 0:
        size -= len(sock.recv(1 << 20))


if __name__ == "__main__":
    main()
