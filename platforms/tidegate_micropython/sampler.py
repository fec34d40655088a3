"""Sampling: reads sensors in a steady beat.

Promises no drift (each reading is due a whole number of periods after the first), and that a
sensor which fails is logged and counted and never stops another one.  Periods that passed while the
board was busy are left out and counted.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.ports import Observer


class Sampler:
    """One reading on a beat; `read()` returns the value, or a coroutine that does."""

    def __init__(self, period_ms: int, topic: str, read: "Callable[[], Any]") -> None:
        self.topic = topic
        self.errors = 0
        self.missed = 0
        self._period_ms = period_ms
        self._read = read
        self._due_ms: int | None = None

    def wait_ms(self, now_ms: int) -> int:
        """Return how long until the next reading is due."""
        if self._due_ms is None:
            self._due_ms = now_ms
        return max(0, self._due_ms - now_ms)

    def next(self, now_ms: int) -> None:
        """Count the reading that is due as begun."""
        assert self._due_ms is not None
        late = (now_ms - self._due_ms) // self._period_ms
        self.missed += late
        self._due_ms += (late + 1) * self._period_ms

    async def value(self) -> "Any":
        """Read the sensor."""
        value = self._read()
        return await value if hasattr(value, "send") else value

    def failed(self, error: Exception, observer: "Observer") -> None:
        """Count and tell a reading that failed."""
        self.errors += 1
        fields: list[tuple[str, object]] = [("topic", self.topic), ("error", repr(error))]
        observer.report("warning", "read_failed", fields)
