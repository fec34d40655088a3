"""Wakes a thread that waits in `poll`, from any other thread."""

import select
import socket
import threading


class Waker:
    """A pair of sockets: one end is polled, a byte in the other one wakes the poll."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        self._is_set = False
        self._is_closed = False
        self._lock = threading.Lock()  # No byte after closing: the descriptor may be another's.

    def fileno(self) -> int:
        """Return the file descriptor to poll for reading."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the thread now, or when it waits next; cheap when it was woken already."""
        if self._is_set:
            return
        with self._lock:
            if not self._is_closed:
                self._is_set = True
                self._writer.send(b"\0")

    def clear(self) -> None:
        """Take note of having been woken; look at what there is to do after this, not before."""
        try:
            self._reader.recv(64)
        except BlockingIOError:
            return
        # Only now: who comes between writes no byte, but has its work seen.
        self._is_set = False

    def wait(self, timeout_ms: "int | None") -> None:
        """Wait until woken, or for so long; None: without end."""
        self._poll.poll(timeout_ms)
        self.clear()

    def close(self) -> None:
        """Release the sockets; `set` does nothing from now on."""
        with self._lock:
            self._is_closed = True
            self._reader.close()
            self._writer.close()
