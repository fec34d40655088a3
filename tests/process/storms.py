"""More clients that mean harm: all that they do is allowed, only there is much of it.

    python -m process.storms NAME --port P

As in `attacks`, each says "ready" once it is at work and goes on until it is killed.
"""

import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator

from fixtures.publisher import length_bytes, text
from process.attacks import connect, connect_packet, ready, run

LOGINS_PER_S = 200
CHURN_PER_S = 500
TAKEOVERS_PER_S = 200
MESSAGES_PER_S = 1000
SESSIONS_PER_S = 300
READY_S = 2.0  # After so long it has shown what it can do.
WEEK_S = 604_800
HOARDERS = 50
IDS = 60_000
BODY = bytes(1000)


def guesses(port: int) -> None:
    """Wrong passwords from one address: it is barred, and goes on all the same."""
    _guess(port, itertools.repeat("127.0.0.2"))


def guessers(port: int) -> None:
    """Wrong passwords from ever other addresses, so that each has to be looked at."""
    _guess(port, (f"127.{n >> 16 & 127 | 1}.{n >> 8 & 255}.{n & 255}" for n in itertools.count(9)))


def churn(port: int) -> None:
    """Clients that come and go, with a new name each time."""
    for number in _paced(CHURN_PER_S):
        client = connect(port, f"churn-{number}")
        client.sendall(b"\xe0\x00")
        client.close()


def takeovers(port: int) -> None:
    """Two clients that believe themselves to be one, and come again at once."""
    clients: list[socket.socket] = []
    for _ in _paced(TAKEOVERS_PER_S):
        clients.append(connect(port, "twin"))
        if len(clients) > 2:
            clients.pop(0).close()


def echo(port: int) -> None:
    """A client that subscribes to everything and publishes whatever it gets."""
    client = connect(port, "echo")
    client.sendall(b"\x82\x06\x00\x01\x00\x01#\x01")
    seeds = b"".join([_publish("loop", number, b"{}") for number in range(1, 51)])
    client.sendall(seeds)
    began_s, rest = time.monotonic(), b""
    while True:
        rest += client.recv(65536)
        answers = []
        while len(rest) >= 2 and len(rest) >= 2 + rest[1] and rest[1] < 0x80:
            packet, rest = rest[: 2 + rest[1]], rest[2 + rest[1] :]
            if packet[0] & 0xF0 == 0x30:
                at = 4 + int.from_bytes(packet[2:4], "big")
                answers.append(b"\x40\x02" + packet[at : at + 2] + packet)
        client.sendall(b"".join(answers))
        if time.monotonic() - began_s > READY_S:
            ready()


def retained(port: int) -> None:
    """Ever new topics with a retained message: more than are kept."""
    client = connect(port, "retainer")
    for number in _paced(MESSAGES_PER_S):
        client.sendall(_publish(f"keep/{number}", number, BODY, retain=1))
        _drain(client)


def hoard(port: int) -> None:
    """Kept sessions that subscribe to everything with QoS 1 and never read."""
    hoarders = []
    for number in range(HOARDERS):
        hoarders.append(_kept(port, f"hoard-{number}", receive_bytes=4096))
        hoarders[-1].sendall(b"\x82\x06\x00\x01\x00\x01#\x01")
    client = connect(port, "feeder")
    for number in _paced(100):
        client.sendall(_publish("feed", number, BODY))
        _drain(client)


def sessions(port: int) -> None:
    """Kept sessions that never come back, each with a subscription."""
    for number in _paced(SESSIONS_PER_S):
        try:
            client = _kept(port, f"ghost-{number}")
        except ConnectionError:  # There are enough of them.
            continue
        client.sendall(b"\x82\x0a\x00\x01\x00\x05ghost\x01")
        client.recv(5)
        client.close()


def ids(port: int) -> None:
    """QoS 2 without PUBREL: each message leaves a packet id behind."""
    clients = [_kept(port, f"ids-{number}") for number in range(20)]
    for number in _paced(MESSAGES_PER_S):
        client = clients[number // IDS % len(clients)]
        body = text("ids") + struct.pack(">H", number % IDS + 1) + b"{}"
        client.sendall(b"\x34" + length_bytes(len(body)) + body)
        _drain(client)


def junk(port: int) -> None:
    """Bytes that are nothing, a client that is something else."""
    kinds = [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff" * 100, b"\x10\xff\xff\xff\x7f", bytes(1000), b"SSH-2.0-x\r\n",
    ]  # fmt: skip
    for number in _paced(CHURN_PER_S):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(kinds[number % len(kinds)])


STORMS: dict[str, Callable[[int], None]] = {
    one.__name__: one
    for one in (guesses, guessers, churn, takeovers, echo, retained, hoard, sessions, ids, junk)
}


def _guess(port: int, addresses: Iterator[str]) -> None:
    body = text("MQTT") + b"\x04\xc2" + struct.pack(">H", 0) + text("guess")
    body += text("admin") + text("wrong")
    packet = b"\x10" + length_bytes(len(body)) + body
    waiting: list[socket.socket] = []
    for _, address in zip(_paced(LOGINS_PER_S), addresses, strict=False):
        client = socket.socket()
        client.bind((address, 0))
        client.connect(("127.0.0.1", port))
        client.sendall(packet)
        waiting.append(client)
        if len(waiting) > 1000:
            waiting.pop(0).close()


def _kept(port: int, client_id: str, receive_bytes: int = 0) -> socket.socket:
    """Return a client with a session that is kept for long (MQTT 3.1.1 without clean session)."""
    return connect(port, client_id, receive_bytes, connect_packet(client_id, 0))


def _publish(topic: str, number: int, payload: bytes, retain: int = 0) -> bytes:
    body = text(topic) + struct.pack(">H", number % 65535 + 1) + payload
    return bytes([0x32 | retain]) + length_bytes(len(body)) + body


def _drain(client: socket.socket) -> None:
    """Read what has come; end where the broker has ended."""
    while select.select([client], [], [], 0)[0]:
        if not client.recv(65536):
            raise ConnectionError("the broker has ended the connection")


def _paced(per_s: int) -> Iterator[int]:
    """Yield 0, 1, 2, … at a rate, and say that the harm is being done."""
    began_s = time.monotonic()
    for number in itertools.count():
        ahead_s = number / per_s - (time.monotonic() - began_s)
        if ahead_s > 0:
            time.sleep(ahead_s)
        if time.monotonic() - began_s > READY_S:
            ready()
        yield number


if __name__ == "__main__":
    run(STORMS)
