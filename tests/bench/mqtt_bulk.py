"""Two MQTT 3.1.1 clients that do everything in bulk, so that brokers are what limits a run.

    python -m bench.mqtt_bulk publish --port P --messages N --window W
    python -m bench.mqtt_bulk subscribe --port P --messages N --idle-s S

Each says "ready" on standard output once it is connected, and one line of JSON when it is done.
The publisher starts at a line on its standard input.  Times are seconds of the monotonic clock,
which all processes of the machine share.

The publisher sends packets that were encoded before and counts PUBACKs by their bytes: four each,
and a broker sends it nothing else.  The subscriber takes packets of one length apart by slices
(`telemetry`), and acknowledges a whole read with one send.
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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["publish", "subscribe"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--idle-s", type=float, default=10.0)
    options = parser.parse_args(arguments)
    if options.role == "publish":
        result = publish(options.port, options.messages, options.window)
    else:
        result = subscribe(options.port, options.messages, options.idle_s)
    print(json.dumps({**result, "cpu_s": time.process_time()}), flush=True)
    return 0


def publish(port: int, messages: int, window: int) -> dict[str, object]:
    """Publish with at most `window` messages unacknowledged; return when it began and ended."""
    assert 0 < window < telemetry.IDENTIFIERS, "an identifier in flight must not be used again"
    data = memoryview(telemetry.packets(messages))
    sock = connect(port, "bench-publisher", clean=True)
    say_ready()
    sys.stdin.readline()
    busy_s = time.process_time()
    began_s = time.monotonic()
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
    return {
        "began_s": began_s,
        "acknowledged_s": time.monotonic(),
        "acknowledged": acknowledged_bytes // PUBACK_BYTES,
        "busy_s": time.process_time() - busy_s,
    }


def subscribe(port: int, messages: int, idle_s: float) -> dict[str, object]:
    """Take messages until all came, or none for `idle_s` after the first; return what came."""
    sock = connect(port, "bench-subscriber", clean=False)
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
