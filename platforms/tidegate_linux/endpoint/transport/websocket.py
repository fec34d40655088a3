"""MQTT over WebSocket (RFC 6455): the same bytes, in binary frames.

Theory of operation.  The library `websockets` does the protocol and no I/O.  MQTT packets need not
be aligned on frames [MQTT-6.0.0-2], so frames are handed on as they come and never put together to
messages; only a single frame has a limit.  Compression is not offered: a decompressor costs tens of
kilobytes a connection and lets a small frame become a large one.

The origin is not checked: a page from elsewhere has no cookie here that it could abuse, it has to
log in like everybody.  A listener that lets clients in without a name is open to such pages, as it
is to all that reach it.
"""

import http
import logging
from typing import TYPE_CHECKING

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from websockets.http11 import Response

SUBPROTOCOL = Subprotocol("mqtt")  # [MQTT-6.0.0-3] and [MQTT-6.0.0-4].
NORMAL = 1000
NOT_BINARY = 1003
FRAME_ROOM_BYTES = 64 * 1024  # Beyond the largest packet: frames may hold several.
HANDSHAKE_BYTES_MAX = 16 * 1024  # Of a request; browsers need one or two thousand.

_LOG = logging.getLogger("tidegate.websocket")
_LOG.setLevel(logging.ERROR)  # It would have a line for each connection that closes.


class WebSocket:
    """One connection's WebSocket, from its handshake on; bytes in, bytes out."""

    __slots__ = ("_path", "_protocol", "_request_bytes", "fault", "is_ended", "is_open")

    def __init__(self, path: str, packet_bytes_max: int) -> None:
        self._path = path
        self._protocol = ServerProtocol(
            subprotocols=[SUBPROTOCOL],
            max_size=(None, packet_bytes_max + FRAME_ROOM_BYTES),
            logger=_LOG,
        )
        self._request_bytes = 0
        self.is_open = False  # The handshake is done.
        self.is_ended = False  # Nothing more comes or goes but what `take_output` returns.
        self.fault = ""  # Why it ended, where the other end was wrong.

    @property
    def partial_bytes(self) -> int:
        """Return how many bytes of a frame wait for its end."""
        return len(self._protocol.reader.buffer)

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the socket; return what they hold of MQTT."""
        if self.is_ended:
            return b""
        if not self.is_open:
            self._request_bytes += len(data)
        protocol = self._protocol
        protocol.receive_data(data)
        parts: list[bytes | bytearray | memoryview] = []
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self._take(event, parts)
            if self.is_ended:
                break
        if protocol.parser_exc is not None and not self.is_ended:
            self._end(str(protocol.parser_exc))
        if protocol.handshake_exc is not None and not self.is_ended:
            self._end(str(protocol.handshake_exc))
        if not self.is_open and self._request_bytes > HANDSHAKE_BYTES_MAX and not self.is_ended:
            self._end("the request is too long")
        return b"".join(parts)

    def wrap(self, data: bytes) -> bytes:
        """Return `data` as a binary frame [MQTT-6.0.0-1]."""
        if self.is_ended:
            return b""
        self._protocol.send_binary(data)
        return self.take_output()

    def take_output(self) -> bytes:
        """Return what the protocol itself wants sent: the handshake, pongs, a close."""
        return b"".join(self._protocol.data_to_send())

    def close(self) -> bytes:
        """End it politely; return the bytes for that."""
        if self.is_open and not self.is_ended:
            self._protocol.send_close(NORMAL)
        self.is_ended = True
        return self.take_output()

    def release(self) -> None:
        """Let go of what came and is not whole; nothing is called after this."""
        self.is_ended = True
        # A generator that holds its protocol, which holds it.
        self._protocol.parser.close()
        self._protocol.reader.buffer.clear()

    def _answer(self, request: Request) -> None:
        protocol = self._protocol
        if request.path.partition("?")[0] != self._path:
            response = protocol.reject(http.HTTPStatus.NOT_FOUND, "There is nothing here.\n")
            self._refuse(response, "the path is another one")
            return
        response = protocol.accept(request)
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(response, str(protocol.handshake_exc))
            return
        protocol.send_response(response)
        self.is_open = True

    def _refuse(self, response: "Response", why: str) -> None:
        self._protocol.send_response(response)
        self._end(f"the WebSocket handshake failed: {why}")

    def _take(self, frame: Frame, parts: "list[bytes | bytearray | memoryview]") -> None:
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            parts.append(frame.data)
        elif frame.opcode is Opcode.TEXT:
            # [MQTT-6.0.0-1]
            self._protocol.fail(NOT_BINARY, "MQTT is in binary frames")
            self._end("a text frame")
        elif frame.opcode is Opcode.CLOSE:
            self._end("")

    def _end(self, fault: str) -> None:
        self.is_ended = True
        self.fault = fault
