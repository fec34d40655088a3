"""When to try again: delays after failures, what a peer asks for, and a circuit breaker.

All times are milliseconds; `now_ms` is the monotonic clock, which no step of the wall clock moves.
Nothing here waits: every answer is an instant at which the caller may go on.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.delivery.chance import Chance

# A server that asks for 0 seconds, or names a date that has passed, still asked us to step back.
RETRY_AFTER_MS_MIN = 1_000
# A wrong header (a portal's, a server's with a wrong clock) holds a node no longer than this.  A
# server that really wanted more is asked once in ten minutes, which harms nobody.
RETRY_AFTER_MS_MAX = 600_000

_RETRY_AFTER_LENGTH_MAX = 64  # Nothing that means anything is longer.

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half-open"


class Retry(namedtuple("Retry", ("name", "delay_ms_min", "delay_ms_max", "attempts_max"))):
    """How to retry: delays between two limits, and tries in all (None: without end)."""

    __slots__ = ()
    name: str
    delay_ms_min: int
    delay_ms_max: int
    attempts_max: "int | None"


# After a start the other parts of the machine are coming up too and are there within seconds.
# Unlimited because a node always starts, whatever is missing (P5).
RETRY_STARTUP = Retry("startup", 100, 2_000, None)
# Five seconds, so that catching up begins at most that long after the line is back, however long
# it was away.  Unlimited because the backlog has nowhere else to go.
RETRY_RUNNING = Retry("running", 250, 5_000, None)
# A person or a script waits for the answer, so it is soon "no".
RETRY_QUERY = Retry("query", 200, 1_000, 3)


class Backoff:
    """Delays with full jitter after failures in a row.

    After failure n the delay is equally likely anywhere between `delay_ms_min` and the smaller of
    `delay_ms_max` and `delay_ms_min * 2^n`.  The spread is the point: a thousand gateways that lost
    the same hub in the same second do not come back in the same second.
    """

    def __init__(self, retry: Retry, chance: "Chance") -> None:
        if not 0 < retry.delay_ms_min <= retry.delay_ms_max:
            raise ValueError(f"retry {retry.name}: delays are not 0 < min <= max")
        if retry.attempts_max is not None and retry.attempts_max < 1:
            raise ValueError(f"retry {retry.name}: at least one attempt")
        self._retry = retry
        self._chance = chance
        self._attempts = 0
        self._ceiling_ms = retry.delay_ms_min

    @property
    def attempts(self) -> int:
        """Return how many attempts failed since the last success."""
        return self._attempts

    def failed(self, now_ms: int, asked_ms: int = 0) -> "int | None":
        """Count a failure; return when to try again, or None when the attempts are used up.

        `asked_ms` is the delay that the peer asked for (`parse_seconds`), 0 for none.  The
        jitter comes on top of it, because others were told the same.
        """
        retry = self._retry
        self._attempts += 1
        if retry.attempts_max is not None and self._attempts >= retry.attempts_max:
            return None
        self._ceiling_ms = min(self._ceiling_ms * 2, retry.delay_ms_max)
        jitter_ms = self._chance.below(self._ceiling_ms - retry.delay_ms_min + 1)
        return now_ms + asked_ms + retry.delay_ms_min + jitter_ms

    def succeeded(self) -> None:
        """Start over: the next failure is the first.  Call it for a real success only (P1)."""
        self._attempts = 0
        self._ceiling_ms = self._retry.delay_ms_min


class Breaker:
    """A circuit breaker: spares a failing target, and us, all requests but one probe at a time.

    *closed*: everything may be sent.  After `failures_max` failures in a row: *open*, nothing may,
    until the instant that came with the failure.  Then *half-open*: one request may, the probe.
    Its success closes the breaker, its failure opens it again.

    Every request that was allowed ends in `failed` or `succeeded`.  A probe whose end nobody
    reports within `probe_ms_max` counts as lost and the next one is allowed, so that a forgotten
    report costs time and not the connection for ever.
    """

    def __init__(self, failures_max: int, probe_ms_max: int) -> None:
        if failures_max < 1 or probe_ms_max < 1:
            raise ValueError("a breaker needs at least one failure and one millisecond")
        self._failures_max = failures_max
        self._probe_ms_max = probe_ms_max
        self._state = CLOSED
        self._failures = 0
        self._retry_at_ms = 0

    @property
    def state(self) -> str:
        """Return "closed", "open" or "half-open"."""
        return self._state

    def retry_at(self) -> "int | None":
        """Return when `allows` may next become true by time alone; None while it is true."""
        return None if self._state == CLOSED else self._retry_at_ms

    def allows(self, now_ms: int) -> bool:
        """Tell whether to send now; ask only when there is something to send.

        A "yes" to an open or half-open breaker is the probe: it is given once.
        """
        if self._state == CLOSED:
            return True
        if now_ms < self._retry_at_ms:
            return False
        self._state = HALF_OPEN
        self._retry_at_ms = now_ms + self._probe_ms_max
        return True

    def failed(self, now_ms: int, retry_at_ms: int) -> None:
        """Count the failure of a request; if this opens the breaker, it stays so to `retry_at_ms`.

        Requests that were under way when it opened may still fail: they can make the pause longer,
        not shorter.
        """
        if retry_at_ms < now_ms:
            raise ValueError("a retry in the past")
        self._failures = min(self._failures + 1, self._failures_max)
        if self._state == OPEN:
            self._retry_at_ms = max(self._retry_at_ms, retry_at_ms)
        elif self._state == HALF_OPEN or self._failures == self._failures_max:
            self._state = OPEN
            self._retry_at_ms = retry_at_ms

    def succeeded(self) -> None:
        """Close: the target did what it was asked, so it works."""
        self._state = CLOSED
        self._failures = 0


def parse_seconds(value: str, _wall_now_ms: "int | None") -> "int | None":
    """Return the delay in ms that a `Retry-After` of seconds asks for, clamped; else None.

    Enough where only a Tidegate answers; `retry_after` reads dates as well, for which it needs the
    wall clock.
    """
    text = value.strip(" \t")
    if not 0 < len(text) <= _RETRY_AFTER_LENGTH_MAX:
        return None
    if all(digit in "0123456789" for digit in text):
        return clamped_ms(int(text) * 1000)
    return None


def clamped_ms(delay_ms: int) -> int:
    """Return the delay that is kept where a peer asked for `delay_ms`."""
    return min(max(delay_ms, RETRY_AFTER_MS_MIN), RETRY_AFTER_MS_MAX)
