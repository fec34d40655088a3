"""What a connection held is let go when it ends, not when Python looks for circles."""

import gc
import socket
import struct
import time

import pytest
from websockets.server import ServerProtocol

from endpoint import client_codec as codec
from endpoint.listening import Listening
from tidegate_linux.endpoint.broker.connection import Connection
from tidegate_linux.endpoint.broker.session import Session
from tidegate_linux.endpoint.codec.reader import Reader
from tidegate_linux.endpoint.transport.channel import Channel
from tidegate_linux.endpoint.transport.stream_socket import StreamSocket

CONNECTIONS = 20
UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)
HALF = b"\x30\xff\xff\x03" + bytes(3000)  # Of a PUBLISH of 64 KB.


def plain(sock, number):
    sock.sendall(codec.connect(f"part-{number}", 4) + HALF)


def framed(sock, number):
    sock.sendall(UPGRADE)
    sock.recv(1000)
    data = codec.connect(f"part-{number}", 4) + HALF
    # A frame of 64 KB that does not come to its end either.
    sock.sendall(b"\x82\xff" + struct.pack(">Q", 65536) + bytes(4) + data)


def held():
    kinds = (Connection, Channel, Reader, ServerProtocol, Session, StreamSocket)
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


@pytest.mark.parametrize(
    ("url", "send"), [("mqtt://127.0.0.1", plain), ("ws://127.0.0.1/mqtt", framed)]
)
@pytest.mark.parametrize("is_reset", [True, False])
def test_nothing_of_a_client_with_half_a_packet_stays_behind(tmp_path, url, send, is_reset):
    with Listening(tmp_path, [url]) as site:
        gc.collect()
        gc.disable()
        try:
            before = len(held())
            socks = []
            for number in range(CONNECTIONS):
                sock = socket.create_connection(("127.0.0.1", site.ports[0]))
                send(sock, number)
                socks.append(sock)
            site.wait(lambda: site.figures()["sockets"] == CONNECTIONS)
            for sock in socks:
                if is_reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            site.wait(lambda: site.figures()["sockets"] == 0)
            time.sleep(0.1)
            assert len(held()) - before == 0
        finally:
            gc.enable()
