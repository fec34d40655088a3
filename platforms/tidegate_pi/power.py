"""What is done when the power fails.

    input says so ─> the gateway ends as at SIGTERM: nothing more is taken in, what was taken in is
    committed and acknowledged, the journal is closed ─> the file system is written out
    ─> wait for the power to die, or to come back ─> the program fails, its supervisor starts it

Nothing that was acknowledged hangs on this (P1): without it a power cut costs nothing but the work
of recovery.  It spares that, and the file system a hard end.

An input that says "failed" from the start on is taken for a wrong level or wire: then nothing is
done until it has said "good" once.  A gateway that never starts would lose more.
"""

import logging
import threading
import time
from collections.abc import Callable

from tidegate_pi.gpio import PowerInput

# What holds a board up without power lasts for seconds; and our unit gives a stop 60 of them.
WAIT_S = 30.0
POLL_S = 0.5

GOOD, FAILED, LOST = "good", "failed", "lost"

_LOG = logging.getLogger("tidegate.board")


class PowerFailedError(Exception):
    """Report why the gateway has ended."""

    def __init__(self) -> None:
        self.what = "the power failed; what was taken in is committed"
        self.hint = "it goes on when its supervisor, or you, start it again"
        super().__init__(self.what, self.hint)


class PowerWatch:
    """Watches the input in a thread of its own and calls `on_failure` once."""

    def __init__(self, source: PowerInput, on_failure: Callable[[], None]) -> None:
        self.state = FAILED if source.has_failed() else GOOD
        self.is_armed = self.state == GOOD
        self.has_failed = False  # Whether `on_failure` was called.
        self._input = source
        self._on_failure = on_failure
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)
        if not self.is_armed:
            _LOG.warning("the power input says since the start that the power fails")
        self._thread.start()

    def wait_good(self, asked: threading.Event) -> bool:
        """Wait for the power to come back, `WAIT_S` at most; tell whether it did."""
        until_s = time.monotonic() + WAIT_S
        while self.state == FAILED and time.monotonic() < until_s and not asked.is_set():
            asked.wait(0.1)
        return self.state == GOOD

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()
        self._thread.join()
        self._input.close()

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._input.wait(POLL_S)
                self._note(self._input.has_failed())
        except OSError as error:
            self.state = LOST
            _LOG.error("the power input is lost: %s", error)

    def _note(self, has_failed: bool) -> None:
        before, self.state = self.state, FAILED if has_failed else GOOD
        if self.state == GOOD:
            self.is_armed = True
            if before == FAILED:
                _LOG.warning("the power is back")
        elif self.is_armed and not self.has_failed:
            self.has_failed = True
            _LOG.warning("the power fails: nothing more is taken in")
            self._on_failure()
