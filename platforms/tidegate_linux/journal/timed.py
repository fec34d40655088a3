"""A journal around another one that measures how long its commits take.

An operator sees from it that a card is dying or a disk is busy, long before anything is refused.
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.store.journal import Journal


# Upper bounds in seconds: an SSD syncs in less than a millisecond, a dying card takes seconds.
BOUNDS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class CommitTimes:
    """How many commits took how long: `counts[i]` at most `BOUNDS_S[i]`, the last one longer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, taken_s: float) -> None:
        """Count one commit."""
        self.sum_s += taken_s
        for index, bound_s in enumerate(BOUNDS_S):
            if taken_s <= bound_s:
                self.counts[index] += 1
                return
        self.counts[-1] += 1


class TimedJournal:
    """Hands everything on to `journal`; `times` learns what each sync took."""

    def __init__(self, journal: "Journal", times: CommitTimes) -> None:
        self._journal = journal
        self._times = times
        self.recover = journal.recover
        self.append = journal.append
        self.read = journal.read
        self.hash_at = journal.hash_at
        self.notes = journal.notes
        self.usage = journal.usage
        self.close = journal.close

    def sync(self) -> None:
        """Make what was appended durable."""
        began_s = time.monotonic()
        self._journal.sync()
        self._times.add(time.monotonic() - began_s)
