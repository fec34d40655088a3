"""The simulated world: one clock, one list of what is to happen, one source of chance.

Everything that happens is an event (time, tie-break, action) on a heap, and time jumps from one to
the next.  All chance comes from one generator that the seed decides, and nothing depends on the
order of a set or on hashes, so that a seed gives the same run on every machine; `trace_hash`
proves it.

`run` may be called from within an event: that is how a slow flush lets the world go on around it.
"""

import heapq
from binascii import crc32
from collections.abc import Callable
from random import Random
from typing import Any

WALL_START_MS = 1_780_000_000_000  # In 2026.
EVENTS_MAX = 60_000  # A run has some thousands; more is a loop in which nobody gets on.


class BrokenPromiseError(Exception):
    """Report what must never happen: the find of a run."""


class World:
    """Clock, heap, chance, and what has been met on the way."""

    def __init__(self, seed: int, is_traced: bool = False) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.now_ms = 0
        self.wall_offset_ms = WALL_START_MS
        self.met: set[str] = set()
        self.trace: list[str] | None = [] if is_traced else None
        self.trace_hash = 0
        self.events = 0
        self.is_healed = False
        self._heap: list[tuple[int, float, int, Callable[..., None], tuple[Any, ...]]] = []

    def after(self, delay_ms: int, action: Callable[..., None], *arguments: Any) -> None:
        """Have `action(*arguments)` called in `delay_ms`; of equal times, chance decides."""
        self.events += 1
        tie = self.chance.random()
        heapq.heappush(self._heap, (self.now_ms + delay_ms, tie, self.events, action, arguments))

    def run(self, until_ms: int, is_done: Callable[[], bool] | None = None) -> bool:
        """Let everything happen up to `until_ms`, or until `is_done`; return whether that came."""
        heap = self._heap
        while heap and heap[0][0] <= until_ms:
            at_ms, _, _, action, arguments = heapq.heappop(heap)
            self.now_ms = max(self.now_ms, at_ms)
            action(*arguments)
            if self.events > EVENTS_MAX:
                raise BrokenPromiseError(f"liveness: {EVENTS_MAX} events and no end")
            if is_done is not None and is_done():
                return True
        self.now_ms = max(self.now_ms, until_ms)
        return False

    def happens(self, rate: float) -> bool:
        """Tell whether a fault of this probability happens now; none does in a healed world."""
        return rate > 0 and not self.is_healed and self.chance.random() < rate

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`."""
        return low + int(self.chance.random() * (high - low + 1))

    def meet(self, name: str) -> None:
        """Note that something which every thousand seeds must meet was met."""
        self.met.add(name)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        line = f"{self.now_ms} {what}"
        self.trace_hash = crc32(line.encode(), self.trace_hash)
        if self.trace is not None:
            self.trace.append(line)
