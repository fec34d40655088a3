"""When uploads may run: daily time windows and a budget of bytes a day.

Theory of operation
-------------------
Windows are minutes of the local day, at a fixed offset to UTC.  While the wall clock is unknown
they count as open: delivering beats saving, and a node that never learns the time would otherwise
hold its records for ever.

The budget belongs to a day, named by its number since 1970.  Money hangs on it, so it is renewed
once a day whatever the clock does and however often the node starts:

- A later day renews it.  A clock that jumps to and fro cannot renew it at each jump: in all it is
  renewed at most twice and then once more for every 24 hours that really passed since the start.
- The day before the one we are in (a small step back over midnight) changes nothing; the budget is
  renewed when the clock has passed the day it had reached.
- A day further back means that the clock had been wrong.  The day is corrected and what was spent
  stays spent, so this renews nothing, and the next midnight does: a step years ahead and back costs
  at most one day.
- While the wall clock is unknown a day is 24 hours of monotonic time, counted from the last renewal
  or the start.  The day then has no name; the wall clock, once known, names it and what was spent
  stays spent.  A node without a clock that restarts more often than once a day never renews its
  budget, except for urgent lanes: a crash loop on a metered line is the last place to be generous.

Urgent lanes break windows and budget; their bytes are counted like all others.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_UNKNOWN = 0  # The number of a day that the wall clock has not named yet.

WINDOWS_MAX = 48  # Every window is looked at for every batch; nobody needs more than two an hour.
OFFSET_MINUTES_MAX = 18 * 60  # The widest that ISO 8601 users write; real ones end at 14 hours.

_DAY_MINUTES = 1440
_MINUTE_MS = 60_000
_DAY_MS = _DAY_MINUTES * _MINUTE_MS
_FREE_RENEWALS = 2  # The day found over at the start, and the midnight that may follow at once.


class Window(namedtuple("Window", ("start_minute", "end_minute"))):
    """Minutes of the local day: `start` belongs to it, `end` does not.

    `start` is 0 to 1439, `end` 1 to 1440; with `end` before `start` the window holds midnight.
    """

    __slots__ = ()
    start_minute: int
    end_minute: int


def parse_window(text: str) -> Window:
    """Return the window that `HH:MM-HH:MM` names; raise `ValueError` when it names none.

    `22:00-06:00` holds midnight, `00:00-24:00` is the whole day.
    """
    start, dash, end = text.partition("-")
    start_minute, end_minute = _minute_of_day(start), _minute_of_day(end)
    if not dash or start_minute is None or end_minute is None or start_minute == _DAY_MINUTES:
        raise ValueError(f"a window is HH:MM-HH:MM, such as 22:00-06:00, not {text!r}")
    if start_minute == end_minute:
        raise ValueError(f"window {text!r} is empty; the whole day is 00:00-24:00")
    return Window(start_minute, end_minute or _DAY_MINUTES)


def parse_windows(texts: "Iterable[str]") -> "list[Window]":
    """Return the windows in their order; raise `ValueError` for the first that is wrong."""
    windows = [parse_window(text) for text in texts]
    if len(windows) > WINDOWS_MAX:
        raise ValueError(f"more than {WINDOWS_MAX} windows")
    return windows


class Schedule:
    """Decides whether something may be uploaded now, and keeps the day's account.

    Without `windows` it is always open; with a budget of None there is none.  Call `restore` with
    what `state` gave before the restart, and keep `state` after each `spent`.
    """

    def __init__(
        self,
        windows: "list[Window]",
        budget_bytes_per_day: "int | None" = None,
        offset_minutes: int = 0,
    ) -> None:
        if budget_bytes_per_day is not None and budget_bytes_per_day < 1:
            raise ValueError("a budget of no bytes would hold everything for ever")
        if not -OFFSET_MINUTES_MAX <= offset_minutes <= OFFSET_MINUTES_MAX:
            raise ValueError(f"an offset to UTC of {offset_minutes} minutes")
        self._windows = list(windows)
        self._budget_bytes = budget_bytes_per_day
        self._offset_ms = offset_minutes * _MINUTE_MS
        self._day = DAY_UNKNOWN
        self._spent_bytes = 0
        self._started_ms: int | None = None
        self._renewed_ms = 0
        self._renewals = 0

    @property
    def has_budget(self) -> bool:
        """Tell whether the bytes of a day are limited."""
        return self._budget_bytes is not None

    def restore(self, day: int, spent_bytes: int) -> None:
        """Take up the account that `state` gave before a restart; call it first."""
        if day < 0 or spent_bytes < 0:
            raise ValueError(f"no such account: day {day}, {spent_bytes} bytes")
        self._day = day
        self._spent_bytes = spent_bytes

    def state(self) -> "tuple[int, int]":
        """Return the day of the account (`DAY_UNKNOWN` for one without a name) and its bytes."""
        return self._day, self._spent_bytes

    def allows(self, wall_ms: "int | None", now_ms: int, bytes_estimate: int, urgent: bool) -> bool:
        """Tell whether to send about `bytes_estimate` bytes now.

        A piece larger than a whole day's budget may go as the first of a day, or it never could.
        """
        return urgent or self.next_open_ms(wall_ms, now_ms, bytes_estimate) == 0

    def spent(self, wall_ms: "int | None", now_ms: int, bytes_sent: int) -> None:
        """Count bytes that were sent, urgent or not, arrived or not: the line was used."""
        if bytes_sent < 0:
            raise ValueError(f"{bytes_sent} bytes cannot be sent")
        self._turn(wall_ms, now_ms)
        self._spent_bytes += bytes_sent

    def next_open_ms(self, wall_ms: "int | None", now_ms: int, bytes_estimate: int = 0) -> int:
        """Return in how many ms about `bytes_estimate` bytes that are not urgent may go; 0 is now.

        Ask again then, and whenever the wall clock was set: a clock that steps makes the answer
        too late, or so early that a further wait follows.
        """
        self._turn(wall_ms, now_ms)
        wait_ms = 0 if self._affords(bytes_estimate) else self._renewal_in_ms(wall_ms, now_ms)
        if wall_ms is None:
            return wait_ms
        return wait_ms + self._window_in_ms(wall_ms + self._offset_ms + wait_ms)

    def room_bytes(self, wall_ms: "int | None", now_ms: int) -> "int | None":
        """Return how much of the day's budget is left, None without a budget."""
        if self._budget_bytes is None:
            return None
        self._turn(wall_ms, now_ms)
        return max(0, self._budget_bytes - self._spent_bytes)

    def _affords(self, bytes_estimate: int) -> bool:
        if self._budget_bytes is None or self._spent_bytes == 0:
            return True
        # Asked about nothing in particular, a used up budget still means no.
        return self._spent_bytes + max(1, bytes_estimate) <= self._budget_bytes

    def _turn(self, wall_ms: "int | None", now_ms: int) -> None:
        """Bring the account to the present day; the rules are at the head of this file."""
        if self._started_ms is None:
            self._started_ms = self._renewed_ms = now_ms
        if wall_ms is None:
            if now_ms - self._renewed_ms >= _DAY_MS:
                self._renew(DAY_UNKNOWN, now_ms)
            return
        day = (wall_ms + self._offset_ms) // _DAY_MS
        if self._day == DAY_UNKNOWN or day < self._day - 1:
            self._day = day
        elif day > self._day:
            days_passed = (now_ms - self._started_ms) // _DAY_MS
            if self._renewals < _FREE_RENEWALS + days_passed:
                self._renew(day, now_ms)

    def _renew(self, day: int, now_ms: int) -> None:
        self._day = day
        self._spent_bytes = 0
        self._renewed_ms = now_ms
        self._renewals += 1

    def _renewal_in_ms(self, wall_ms: "int | None", now_ms: int) -> int:
        """Return when to look at the budget again; `_turn` has just been called."""
        if wall_ms is None:
            return self._renewed_ms + _DAY_MS - now_ms
        local_ms = wall_ms + self._offset_ms
        if local_ms // _DAY_MS > self._day and self._started_ms is not None:
            # Refused for having been renewed too often: the next full day since the start allows.
            return _DAY_MS - (now_ms - self._started_ms) % _DAY_MS
        return (self._day + 1) * _DAY_MS - local_ms

    def _window_in_ms(self, local_ms: int) -> int:
        """Return how long after `local_ms` a window is open."""
        time_ms = local_ms % _DAY_MS
        wait_ms_min = 0 if not self._windows else _DAY_MS
        for window in self._windows:
            start_ms = window.start_minute * _MINUTE_MS
            length_ms = (window.end_minute - window.start_minute) % _DAY_MINUTES * _MINUTE_MS
            since_ms = (time_ms - start_ms) % _DAY_MS
            if since_ms < (length_ms or _DAY_MS):
                return 0
            wait_ms_min = min(wait_ms_min, _DAY_MS - since_ms)
        return wait_ms_min


def _minute_of_day(text: str) -> "int | None":
    """Return the minute that `HH:MM` names, 0 to 1440, or None."""
    if len(text) != 5 or text[2] != ":":
        return None
    digits = text[:2] + text[3:]
    if not all(digit in "0123456789" for digit in digits):
        return None
    minute = int(digits[:2]) * 60 + int(digits[2:])
    if int(digits[2:]) > 59 or minute > _DAY_MINUTES:
        return None
    return minute
