"""The line to one target: may it be used now, and what do we know of it.

All streams to a target share it, because an outage, a wrong token or a spent budget concerns them
all.  Failures make it wait (`backoff`), several in a row open the circuit so that one stream alone
probes, and a target's `Retry-After` is obeyed by all.
"""

from tidegate.delivery.answer import LATER, judge
from tidegate.delivery.backoff import (
    HALF_OPEN,
    RETRY_RUNNING,
    RETRY_STARTUP,
    Backoff,
    Breaker,
    Retry,
    parse_seconds,
)
from tidegate.effects import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.delivery.chance import Chance
    from tidegate.delivery.schedule import Schedule
    from tidegate.effects import Effect
    from tidegate.events import Answered

CONNECTING = "connecting"  # Not tried yet.
UP = "up"
DOWN = "down"  # No answer, or one that says "not now".
HELD = "held"  # The target refuses us until somebody mends the configuration, here or there.
WAITING = "waiting"  # Outside the time windows, or the day's budget is spent.

STARTUP_ATTEMPTS = 30  # About half a minute: what is not up by then is an outage like any other.
BREAKER_FAILURES = 3  # One lost answer is an accident, three are an outage.
PROBE_MS_MAX = 300_000  # Longer than any request: a link answers each one, if only with a timeout.
RETRY_HELD = Retry("held", 5_000, 60_000, None)  # A person mends it: soon noticed, cheap to ask.

OUT_OF_SCHEDULE = "outside the upload windows, or the day's bytes are spent"


class AlwaysOpen:
    """The schedule of a line without windows and budget: says yes to all, and keeps no account."""

    has_budget = False

    def restore(self, day: int, spent_bytes: int) -> None:
        """Leave an account that was kept earlier alone."""

    def state(self) -> None:
        """Return no account."""

    def spent(self, wall_ms: "int | None", now_ms: int, bytes_sent: int) -> None:
        """Count nothing."""

    def next_open_ms(self, wall_ms: "int | None", now_ms: int) -> int:
        """Return in how many ms anything may go: now."""
        return 0

    def room_bytes(self, wall_ms: "int | None", now_ms: int) -> None:
        """Return no bound."""


class Line:
    """State shared by the streams to one target.

    `parse_retry_after(value, wall_ms)` returns the delay in ms that the target's `Retry-After` asks
    for, or None.
    """

    def __init__(
        self,
        retry_ms_max: int,
        schedule: "Schedule | AlwaysOpen",
        chance: "Chance",
        parse_retry_after: "Callable[[str, int | None], int | None]" = parse_seconds,
    ) -> None:
        self.schedule = schedule
        self.state = CONNECTING
        self.since_ms = 0
        self.last_error = ""
        self.not_before_ms = 0
        delay_ms_min = min(RETRY_RUNNING.delay_ms_min, retry_ms_max)
        # Whether releases wait for the next commit instead of making one, which saves a flash one a
        # batch.  The receiver knows what it has: after a crash it is asked, as always.
        self.releases_ride = False
        self._running = Retry("running", delay_ms_min, retry_ms_max, None)
        self._chance = chance
        self._parse_retry_after = parse_retry_after
        self._backoff = Backoff(RETRY_STARTUP, chance)
        self._held_backoff = Backoff(RETRY_HELD, chance)
        self._breaker = Breaker(BREAKER_FAILURES, PROBE_MS_MAX)
        self._is_starting = True
        self._proven = False  # Until something came through.
        self._token = 0
        self._reports: list[Effect] = []

    def next_token(self) -> int:
        """Return a number that no earlier request bore."""
        self._token += 1
        return self._token

    def room_bytes(self, now_ms: int, wall_ms: "int | None", urgent: bool, wanted: int) -> int:
        """Return how many of `wanted` bytes may be sent now; 0 where the line must rest.

        Whoever is given room uses it at once: it may be the probe of a broken circuit.
        """
        room = wanted
        if not urgent:
            if self.schedule.next_open_ms(wall_ms, now_ms):
                room = 0
            else:
                left = self.schedule.room_bytes(wall_ms, now_ms)
                room = wanted if left is None else min(wanted, left)
            self._keep_schedule(room <= 0, now_ms)
        if room <= 0:
            return 0
        if now_ms < self.not_before_ms or not self._breaker.allows(now_ms):
            return 0
        return room

    def open_at_ms(self, now_ms: int, wall_ms: "int | None", urgent: bool) -> int:
        """Return from when on the line may be used, as far as is known now."""
        at_ms = max(self.not_before_ms, self._breaker.retry_at() or 0, now_ms)
        if not urgent:
            at_ms = max(at_ms, now_ms + self.schedule.next_open_ms(wall_ms, now_ms))
        return at_ms

    @property
    def probing(self) -> bool:
        """Tell whether the one request that may be under way is the probe of a broken circuit."""
        return self._breaker.state == HALF_OPEN

    def spent(self, now_ms: int, wall_ms: "int | None", sent_bytes: int) -> None:
        """Count what went out."""
        self.schedule.spent(wall_ms, now_ms, sent_bytes)

    def answered(self) -> None:
        """Take note that the target answers, though it has not yet done what it refused before."""
        self._breaker.succeeded()

    def succeeded(self, now_ms: int) -> None:
        """Take note that the target did what it was asked."""
        self._proven = True
        if self._is_starting:
            self._end_start()
        self._backoff.succeeded()
        self._held_backoff.succeeded()
        self._breaker.succeeded()
        if self.state != WAITING:  # Urgent streams get through; the others wait as before.
            self._become(UP, now_ms, "", "info")

    def failed(
        self, now_ms: int, wall_ms: "int | None", reason: str, retry_after: "str | None"
    ) -> int:
        """Take note of an outage; return when to try again."""
        asked_ms = 0 if retry_after is None else self._parse_retry_after(retry_after, wall_ms) or 0
        if self._is_starting and self._backoff.attempts >= STARTUP_ATTEMPTS:
            self._end_start()
        retry_at_ms = self._backoff.failed(now_ms, asked_ms)
        assert retry_at_ms is not None, "an uplink never gives up"
        if asked_ms:
            self.not_before_ms = max(self.not_before_ms, retry_at_ms)
        self._breaker.failed(now_ms, retry_at_ms)
        self.last_error = reason
        self._become(DOWN, now_ms, reason, "warning")
        return retry_at_ms

    def refused(self, now_ms: int, reason: str) -> int:
        """Take note that the target refuses us; return when to ask again.  Nothing is dropped."""
        retry_at_ms = self._held_backoff.failed(now_ms)
        assert retry_at_ms is not None
        self._breaker.failed(now_ms, retry_at_ms)
        self.not_before_ms = max(self.not_before_ms, retry_at_ms)
        self.last_error = reason
        self._become(HELD, now_ms, reason, "error")
        return retry_at_ms

    def overheard(self, answer: "Answered", now_ms: int, wall_ms: "int | None") -> None:
        """Take note of an answer that nobody waits for any more: of what it asks of all of us."""
        if answer.retry_after is None or judge(answer.status, answer.fields, False) != LATER:
            return
        asked_ms = self._parse_retry_after(answer.retry_after, wall_ms)
        if asked_ms is not None:
            self.not_before_ms = max(self.not_before_ms, now_ms + asked_ms)

    def restart(self) -> None:
        """Forget what is under way: those who asked are gone, and will not report its end.

        A probe among it would otherwise keep the circuit open until it counts as lost.
        """
        self._breaker = Breaker(BREAKER_FAILURES, PROBE_MS_MAX)

    def _end_start(self) -> None:
        self._is_starting = False
        self._backoff = Backoff(self._running, self._chance)

    def take_reports(self) -> "list[Effect]":
        """Return what there is to tell since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def tell(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Have something told to the operator."""
        self._reports.append(Report(level, event, fields))

    def _keep_schedule(self, closed: bool, now_ms: int) -> None:
        if closed and self.state in (CONNECTING, UP):
            self._become(WAITING, now_ms, OUT_OF_SCHEDULE, "info")
        elif not closed and self.state == WAITING:
            self._become(UP if self._proven else CONNECTING, now_ms, "", "info")

    def _become(self, state: str, now_ms: int, reason: str, level: str) -> None:
        if state != self.state:
            self.state = state
            self.since_ms = now_ms
            self.tell(level, "link_" + state, [("reason", reason)] if reason else [])
