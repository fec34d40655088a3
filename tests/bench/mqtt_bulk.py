"""Two MQTT 3.1.1 clients that do everything in bulk, so that brokers are what limits a run.

    python -m bench.mqtt_bulk publish --port P --messages N --window W [--per-s R]
    python -m bench.mqtt_bulk subscribe --port P --messages N --idle-s S [--clean]

Each says "ready" on standard output once it is connected, and one line of JSON when it is done.
The publisher starts at a line on its standard input.  Times are seconds of the monotonic clock,
which all processes of the machine share.

The publisher sends packets that were encoded before and counts PUBACKs by their bytes: four each,
and a broker sends it nothing else.  How long each message waited for its PUBACK it knows where it
sends at a rate: then every message has a time of its own.  The subscriber takes packets of one
length apart by slices (`telemetry`), and acknowledges a whole read with one send.
"""

import argparse
import json
import select
import socket
import struct
import sys
import time

from bench import telemetry

READ_BYTES = 1024 * 1024
SEND_BYTES = 256 * 1024
SOCKET_BYTES = 4 * 1024 * 1024
ANSWER_S = 30.0
PUBACK_BYTES = 4
PACE_LEAD_S = 0.1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["publish", "subscribe"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--per-s", type=int, default=0)
    parser.add_argument("--idle-s", type=float, default=10.0)
    parser.add_argument("--clean", action="store_true")
    options = parser.parse_args(arguments)
    if options.role == "publish":
        result = publish(options.port, options.messages, options.window, options.per_s)
    else:
        result = subscribe(options.port, options.messages, options.idle_s, options.clean)
    print(json.dumps({**result, "cpu_s": time.process_time()}), flush=True)
    return 0


def publish(port: int, messages: int, window: int, per_s: int) -> dict[str, object]:
    """Publish with at most `window` messages unacknowledged; return when it began and ended."""
    assert 0 < window < telemetry.IDENTIFIERS, "an identifier in flight must not be used again"
    data = memoryview(telemetry.packets(messages))
    sock = connect(port, "bench-publisher", clean=True)
    say_ready()
    sys.stdin.readline()
    busy_s = time.process_time()
    began_s = time.monotonic()
    if per_s:
        waits_ms = paced(sock, data, messages, per_s)
        acknowledged = len(waits_ms)
    else:
        waits_ms = [0.0]
        acknowledged = full_speed(sock, data, messages, window)
    waits_ms.sort()
    return {
        "began_s": began_s,
        "acknowledged_s": time.monotonic(),
        "acknowledged": acknowledged,
        "busy_s": time.process_time() - busy_s,
        "wait_ms_50": waits_ms[len(waits_ms) // 2],
        "wait_ms_99": waits_ms[len(waits_ms) * 99 // 100],
        "wait_ms_max": waits_ms[-1],
    }


def full_speed(sock: socket.socket, data: memoryview, messages: int, window: int) -> int:
    """Publish as fast as the window lets through; return how many were acknowledged."""
    sent = 0
    acknowledged_bytes = 0
    poll = select.poll()
    poll.register(sock)
    while acknowledged_bytes < messages * PUBACK_BYTES:
        allowed = min(messages, acknowledged_bytes // PUBACK_BYTES + window)
        end = allowed * telemetry.PACKET_BYTES
        poll.modify(sock, select.POLLIN | (select.POLLOUT if sent < end else 0))
        events = poll.poll(int(ANSWER_S * 1000))
        if not events:
            break
        if events[0][1] & select.POLLOUT:
            sent += sock.send(data[sent : min(end, sent + SEND_BYTES)])
        if events[0][1] & ~select.POLLOUT:
            answers = sock.recv(READ_BYTES)
            if not answers:
                break
            acknowledged_bytes += len(answers)
    return acknowledged_bytes // PUBACK_BYTES


def paced(sock: socket.socket, data: memoryview, messages: int, per_s: int) -> list[float]:
    """Publish one message after the other at a rate; return how long each PUBACK took, in ms.

    From when the message was due, not from when it was sent: a broker that holds the device up must
    not look the better for it.
    """
    sock.setblocking(True)
    began_s = time.monotonic() + PACE_LEAD_S
    sent = 0
    acknowledged_bytes = 0
    waits_ms: list[float] = []
    while len(waits_ms) < messages:
        now_s = time.monotonic()
        due = min(messages, int((now_s - began_s) * per_s) + 1)
        while sent < due:
            at = sent * telemetry.PACKET_BYTES
            sock.sendall(data[at : at + telemetry.PACKET_BYTES])
            sent += 1
        next_s = began_s + sent / per_s if sent < messages else now_s + ANSWER_S
        if not select.select([sock], [], [], max(0.0, next_s - time.monotonic()))[0]:
            if sent == messages:
                break
            continue
        answers = sock.recv(READ_BYTES)
        if not answers:
            break
        now_s = time.monotonic()
        acknowledged_bytes += len(answers)
        for number in range(len(waits_ms), acknowledged_bytes // PUBACK_BYTES):
            waits_ms.append((now_s - began_s - number / per_s) * 1000)
    return waits_ms


def subscribe(port: int, messages: int, idle_s: float, clean: bool) -> dict[str, object]:
    """Take messages until all came, or none for `idle_s` after the first; return what came."""
    sock = connect(port, "bench-subscriber", clean)
    name = telemetry.TOPIC_FILTER.encode()
    body = struct.pack(">HH", 1, len(name)) + name + b"\x01"
    sock.setblocking(True)
    sock.sendall(bytes([0x82, len(body)]) + body)
    assert read_exactly(sock, 5) == b"\x90\x03\x00\x01\x01", "the subscription was refused"
    say_ready()
    rest = b""
    numbers: list[int] = []
    first_s = last_s = 0.0
    sock.settimeout(None)
    # Compared with what is distinct only when enough came: telling that takes time.
    while len(numbers) < messages or len(set(numbers)) < messages:
        try:
            data = sock.recv(READ_BYTES)
        except TimeoutError:
            break
        if not data:
            break
        whole, rest = split(rest + data)
        if whole:
            sock.settimeout(idle_s)
            acknowledgements, texts = take_apart(whole)
            sock.sendall(acknowledgements)
            last_s = time.monotonic()
            first_s = first_s or last_s
            numbers.extend(map(int, texts.split()))
    return {"first_s": first_s, "last_s": last_s, **telemetry.count_arrived(numbers, messages)}


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return the whole packets in `data`, and the beginning of the next one."""
    end = len(data) - len(data) % telemetry.PACKET_BYTES
    return data[:end], data[end:]


def take_apart(data: bytes) -> tuple[bytearray, bytes]:
    """Return the PUBACKs for the packets in `data`, and their numbers as text, one a line."""
    step = telemetry.PACKET_BYTES
    count = len(data) // step
    # The same head at each step: nothing else came in between, not even a repeated packet.
    for at, byte in enumerate(telemetry.HEAD):
        assert data[at::step] == bytes([byte]) * count, "a packet of another kind"
    acknowledgements = bytearray(PUBACK_BYTES * count)
    acknowledgements[0::PUBACK_BYTES] = b"\x40" * count
    acknowledgements[1::PUBACK_BYTES] = b"\x02" * count
    acknowledgements[2::PUBACK_BYTES] = data[telemetry.IDENTIFIER_AT :: step]
    acknowledgements[3::PUBACK_BYTES] = data[telemetry.IDENTIFIER_AT + 1 :: step]
    width = telemetry.NUMBER_DIGITS + 1
    numbers = bytearray(b"\n" * (width * count))
    digits_at = telemetry.PAYLOAD_AT + telemetry.NUMBER_AT
    for digit in range(telemetry.NUMBER_DIGITS):
        numbers[digit::width] = data[digits_at + digit :: step]
    return acknowledgements, bytes(numbers)


def connect(port: int, client_id: str, clean: bool) -> socket.socket:
    """Return a socket on which CONNECT was accepted; it does not block."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    name = client_id.encode()
    flags = 0x02 if clean else 0x00
    body = struct.pack(">H4sBBHH", 4, b"MQTT", 4, flags, 0, len(name)) + name
    sock.sendall(bytes([0x10, len(body)]) + body)
    answer = read_exactly(sock, 4)
    assert answer[0] == 0x20 and answer[3] == 0, f"the broker refused us: {answer.hex()}"
    sock.setblocking(False)
    return sock


def read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, "the broker closed the connection"
        data += part
    return data


def say_ready() -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
