"""How often a node may ask: one token bucket a node, and one for all failed logins together.

Not thread-safe: the event loop owns them.  Time comes in as an argument.
"""

# Two seconds' worth may come at once: a node with several lanes asks for all its cursors at start.
BURST_S = 2


class Bucket:
    """Grant `per_s` requests a second on average; 0 is no limit."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._room = float(per_s * BURST_S)
        self._last_s = 0.0

    def take(self, now_s: float) -> float:
        """Return 0 and count one request, or return the seconds until the next is granted."""
        if not self._per_s:
            return 0.0
        # A clock that steps back grants nothing and takes nothing.
        passed_s = max(0.0, now_s - self._last_s)
        self._last_s = now_s
        self._room = min(float(self._per_s * BURST_S), self._room + passed_s * self._per_s)
        if self._room >= 1:
            self._room -= 1
            return 0.0
        return (1 - self._room) / self._per_s
