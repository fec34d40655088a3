"""The serial line to a board: MicroPython's own tool speaks the raw REPL, this says what failed.

Promises that every fault of the line or the board is one `DeployError`, and that nothing the tool
would print gets out: what a board echoes could be the configuration with its secrets.  Leaves to
the caller what runs on the board.
"""

import contextlib
import errno
import fcntl
import importlib
import io
import os
import struct
import time
from collections.abc import Iterator
from typing import Any

from tidegate_linux.deploy.errors import DeployError

ANSWER_TIMEOUT_S = 10  # Of a board that listens; erasing a block of flash takes a second at most.
PROGRAM_TIMEOUT_S = 60
RESTART_TIMEOUT_S = 20  # A USB port vanishes, comes back, and udev sets its rights.
CHUNK_BYTES = 512  # Of a file, in one program: its text and its bytes lie on the board's heap.
NOT_INSTALLED = (
    "the tool that speaks to boards is not installed",
    "pip install 'tidegate[deploy]'",
)


class BoardError(Exception):
    """Report an exception on the board, by the last line of its traceback."""


class Line:
    """An open line to a board whose program was stopped."""

    def __init__(self, port: str) -> None:
        """Stop what runs there and reset its memory; raise `DeployError` when nothing answers."""
        try:
            # By name, because it has no types; what is used of it is used in this file alone.
            tool = importlib.import_module("mpremote.transport")
            serial = importlib.import_module("mpremote.transport_serial")
        except ImportError:
            raise DeployError(*NOT_INSTALLED) from None
        self._open_transport = serial.SerialTransport
        self._exec_error = tool.TransportExecError
        self._line_errors = (tool.TransportError, OSError, struct.error, IndexError)
        self.port = port
        self._transport: Any = None
        self._connect()

    def _connect(self) -> None:
        try:
            with _silence():
                self._transport = self._open_transport(self.port, timeout=ANSWER_TIMEOUT_S)
        except self._line_errors:
            raise _why_closed(self.port) from None
        try:
            with _silence():
                self._transport.enter_raw_repl(soft_reset=True, timeout_overall=ANSWER_TIMEOUT_S)
        except self._line_errors:
            self.close()
            hint = (
                "is it the right port, with MicroPython on the board? one that sleeps must be "
                "woken, one that hangs needs its reset button"
            )
            raise DeployError(f"{self.port}: no MicroPython answers", hint) from None

    def run(self, program: str) -> str:
        """Run a program on the board and return what it printed; `BoardError` if it raised."""
        with self._faults():
            said, error = self._transport.exec_raw(program, timeout=PROGRAM_TIMEOUT_S)
        if error:
            lines = error.decode(errors="replace").strip().splitlines() or ["an error"]
            raise BoardError(lines[-1])
        return str(said.decode(errors="replace"))

    def write(self, path: str, data: bytes) -> None:
        """Write a file; raise `OSError` with the board's reason when it cannot be written."""
        with self._faults():
            self._transport.fs_writefile(path, data, chunk_size=CHUNK_BYTES)

    def restart(self, *, is_over: bool) -> None:
        """Reset the board as its button does; connect again unless `is_over`."""
        with self._faults():
            # It does not answer any more, and a USB port goes away.
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
        self.close()
        if is_over:
            return
        deadline = time.monotonic() + RESTART_TIMEOUT_S
        while True:
            time.sleep(1)
            try:
                self._connect()
                return
            except DeployError:
                if time.monotonic() > deadline:
                    raise

    def resume(self) -> None:
        """Let the board start its own program, without a reset, and close."""
        with self._faults():
            # Out of the raw REPL a soft reset runs main.py.
            self._transport.exit_raw_repl()
            self._transport.serial.write(b"\x04")
        self.close()

    def close(self) -> None:
        """Close the port; a port that is gone is closed."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.close()
            self._transport = None

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Tell a board's error about a file from a line that failed."""
        try:
            with _silence():
                yield
        except self._exec_error as error:
            lines = error.error_output.strip().splitlines() or ["an error"]
            raise BoardError(lines[-1]) from None
        except self._line_errors as error:
            if isinstance(error, OSError) and error.errno in _FILE_ERRORS:
                raise
            hint = "connect it again and repeat the command: it goes on where it ended"
            raise DeployError(f"{self.port}: the line to the board was cut", hint) from None


# What mpremote reports of a file on the board; the line itself fails in other ways.
_FILE_ERRORS = {errno.ENOSPC, errno.ENOENT, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _why_closed(port: str) -> DeployError:
    """Return why a port could not be opened, which mpremote does not tell."""
    if "://" in port:
        return DeployError(f"{port}: cannot be opened", "check the address of the port")
    try:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        hint = "is the board connected? see the ports: mpremote connect list"
        return DeployError(f"{port}: no such port", hint)
    except PermissionError:
        hint = "add this user to the group of the port, dialout on Debian, and log in again"
        return DeployError(f"{port}: permission denied", hint)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return DeployError(f"{port}: cannot be opened: {reason}", "is it a serial port?")
    try:
        if not os.isatty(handle):
            return DeployError(f"{port}: is not a serial port", "mpremote connect list shows them")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return DeployError(f"{port}: is in use", "close the program that has it, and repeat")
    finally:
        os.close(handle)
    return DeployError(f"{port}: cannot be opened", "connect the board again, and repeat")
