"""Rates: how many records come in and go out a second, lately and over the last minutes."""

from collections import deque
from typing import NamedTuple

WINDOW_MS = 10_000
LONG_WINDOW_MS = 300_000  # Devices that send once a minute must not make the figure jump.
LONG_STEP_MS = 5_000


class Counts(NamedTuple):
    """Totals at an instant of the monotonic clock."""

    at_ms: int
    admitted: int
    delivered: int


class Rates:
    """Works rates out from totals that are added now and then, in the order of their time."""

    def __init__(self) -> None:
        self._recent: deque[Counts] = deque()
        self._long: deque[Counts] = deque()

    def add(self, counts: Counts) -> None:
        """Take in totals; where they are smaller than before, a stream began anew."""
        last = self._recent[-1] if self._recent else counts
        if counts.admitted < last.admitted or counts.delivered < last.delivered:
            self._recent.clear()
            self._long.clear()
        _add(self._recent, counts, WINDOW_MS)
        if not self._long or counts.at_ms - self._long[-1].at_ms >= LONG_STEP_MS:
            _add(self._long, counts, LONG_WINDOW_MS)

    @property
    def in_per_s(self) -> float:
        """Return how many records a second were admitted lately."""
        return _per_s(self._recent, "admitted")

    @property
    def out_per_s(self) -> float:
        """Return how many records a second were delivered lately."""
        return _per_s(self._recent, "delivered")

    @property
    def in_per_s_long(self) -> float:
        """Return how many records a second were admitted over the last minutes."""
        return _per_s(self._long if len(self._long) > 1 else self._recent, "admitted")


def _add(samples: deque[Counts], counts: Counts, window_ms: int) -> None:
    samples.append(counts)
    while len(samples) > 2 and counts.at_ms - samples[1].at_ms >= window_ms:
        samples.popleft()


def _per_s(samples: deque[Counts], name: str) -> float:
    if len(samples) < 2 or samples[-1].at_ms <= samples[0].at_ms:
        return 0.0
    count: int = getattr(samples[-1], name) - getattr(samples[0], name)
    return count * 1000 / (samples[-1].at_ms - samples[0].at_ms)
