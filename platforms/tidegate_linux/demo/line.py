"""The demo's line: a TCP proxy between gateway and hub that can be cut.

It is cut as a radio link is: first everything that is on its way vanishes and the connections hang,
then nothing can be connected any more.
"""

import contextlib
import socket
import threading

UP, SILENT, CUT = "up", "silent", "cut"
_PIECE_BYTES = 64 * 1024


class Line:
    """Listens on a free port of 127.0.0.1 and passes everything on to `target_port` there."""

    def __init__(self, target_port: int) -> None:
        self.state = UP
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._socks: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="line", daemon=True).start()

    def fall_silent(self) -> None:
        """Swallow everything, also the hub's answers to batches that it has applied."""
        self.state = SILENT

    def cut(self) -> None:
        """End every connection, and let none come about."""
        self.state = CUT
        self._drop_all()

    def mend(self) -> None:
        """Let new connections through; those that hung are gone."""
        self._drop_all()
        self.state = UP

    def close(self) -> None:
        """End everything."""
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _drop_all(self) -> None:
        with self._lock:
            socks, self._socks = self._socks, set()
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.state == CUT:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._socks |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                if self.state == UP:
                    target.sendall(data)
        # One side is gone: the other learns of it, unless the line hides it.
        if self.state == UP:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)
