"""Timers of connections and sessions, without a thread.

Each object has at most one that counts: the next time it wants to be looked at.  Who is looked at
decides for itself what is due and arms anew, so a timer may come too early but never too late; a
client that reconnects every second leaves nothing behind for the week that its session is kept.
"""

from heapq import heappop, heappush
from typing import Protocol


class Timed(Protocol):
    """What can be waited for."""

    timer_ms: int | None


class Timers:
    """The times at which somebody wants to be looked at, earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timed]] = []
        self._count = 0  # Breaks ties: what is waited for cannot be compared.

    def arm(self, timed: Timed, at_ms: int) -> None:
        """Look at `timed` at `at_ms` or before."""
        if timed.timer_ms is not None and timed.timer_ms <= at_ms:
            return
        timed.timer_ms = at_ms
        self._count += 1
        heappush(self._heap, (at_ms, self._count, timed))

    def take_due(self, now_ms: int) -> list[Timed]:
        """Return those whose time has come; each has to arm again what it still waits for."""
        due = []
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            at_ms, _, timed = heappop(heap)
            if timed.timer_ms == at_ms:
                timed.timer_ms = None
                due.append(timed)
        return due

    def deadline_ms(self) -> int | None:
        """Return when somebody is due next, or None."""
        return self._heap[0][0] if self._heap else None
