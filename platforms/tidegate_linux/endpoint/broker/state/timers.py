"""Timers of connections and sessions, without a thread.

Each object has at most one that counts: the next time it wants to be looked at.  Who is looked at
decides for itself what is due and arms anew, so a timer may come too early but never too late; a
client that reconnects every second leaves nothing behind for the week that its session is kept.
"""

from heapq import heapify, heappop, heappush
from typing import Protocol

# Cancelled entries that may lie among the others before they are swept out, besides as many again.
CANCELLED_SPARE = 64


class Timer:
    """When somebody wants to be looked at; nobody any more once it is cancelled."""

    __slots__ = ("at_ms", "count", "timed")

    def __init__(self, at_ms: int, count: int, timed: "Timed") -> None:
        self.at_ms = at_ms
        self.count = count  # Breaks ties: what is waited for cannot be compared.
        self.timed: Timed | None = timed

    def __lt__(self, other: "Timer") -> bool:
        return (self.at_ms, self.count) < (other.at_ms, other.count)


class Timed(Protocol):
    """What can be waited for."""

    timer: Timer | None


class Timers:
    """The times at which somebody wants to be looked at, earliest first."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._count = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def arm(self, timed: Timed, at_ms: int) -> None:
        """Look at `timed` at `at_ms` or before."""
        if timed.timer is not None:
            if timed.timer.at_ms <= at_ms:
                return
            self.cancel(timed)
        self._count += 1
        timed.timer = Timer(at_ms, self._count, timed)
        heappush(self._heap, timed.timer)

    def cancel(self, timed: Timed) -> None:
        """Let go of `timed`, which is over: it may hold much, and its time be a week away."""
        timer = timed.timer
        if timer is None:
            return
        timed.timer = timer.timed = None
        self._cancelled += 1
        if self._cancelled > len(self._heap) // 2 + CANCELLED_SPARE:
            self._heap = [one for one in self._heap if one.timed is not None]
            heapify(self._heap)
            self._cancelled = 0

    def take_due(self, now_ms: int) -> list[Timed]:
        """Return those whose time has come; each has to arm again what it still waits for."""
        due = []
        heap = self._heap
        while heap and heap[0].at_ms <= now_ms:
            timed = heappop(heap).timed
            if timed is None:
                self._cancelled -= 1
            else:
                timed.timer = None
                due.append(timed)
        return due

    def deadline_ms(self) -> int | None:
        """Return when somebody is due next, or None; it may have been cancelled since."""
        return self._heap[0].at_ms if self._heap else None
