"""Room in the journal: what may stay, what must go, and when nothing more fits (P6).

The order in which room is made: delivered records beyond `keep_delivered_bytes` go at once; under
pressure all delivered ones; only then does the owner's `overflow` policy touch what is held.  What
goes is reckoned from averages; the journal's usage, measured after every commit, corrects that.
"""

from tidegate.store.journal import OVERFLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import JournalSettings
    from tidegate.store.journal import Entry, Usage
    from tidegate.store.lane import Lane

DROP_OLDEST, DROP_NEWEST, BLOCK = "drop-oldest", "drop-newest", "block"

# The last records of a lane are kept while there is room: message identities are found in them
# again after a restart, and a receiver's cursor is compared with them.
KEEP_RECORDS = 4096
KEEP_SLACK_SHARE = 16  # Forget in bites of a sixteenth of what is kept, not at each commit.
DROP_SHARE = 64  # Drop a sixty-fourth of a lane at least, not a few records at each commit.
FORGET_RECORDS_MAX = 20_000  # In one commit, for which an acknowledgement may have to wait.
HEADROOM_SHARE = 50  # Act when a fiftieth of the limit is left: a commit may overshoot by its size.
REOPEN_SHARE = 20  # Sources that were shut out are let in again when a twentieth is free.


class Room:
    """Decides what a journal of limited size still takes."""

    def __init__(self, settings: "JournalSettings") -> None:
        self.overflow = settings.overflow
        self._limit_bytes = settings.limit_bytes
        self._reserve_bytes = settings.reserve_bytes
        self._keep_bytes = settings.keep_delivered_bytes
        self._usage: Usage | None = None
        self._ceiling_bytes: int | None = None

    def measured(self, usage: "Usage") -> None:
        """Take note of what the journal takes.

        Where less than the reserve is free on the medium, the journal must not grow.  It keeps what
        it has: dropping records would not give the space back, and others may have taken it.
        """
        self._usage = usage
        if usage.free_bytes >= self._reserve_bytes:
            self._ceiling_bytes = None
        elif self._ceiling_bytes is None:
            self._ceiling_bytes = usage.stored_bytes
            if self.overflow == DROP_OLDEST:
                # Or each start on a full medium would drop a fiftieth of what is held, for nothing.
                self._ceiling_bytes += usage.stored_bytes // (HEADROOM_SHARE - 1) + 1

    @property
    def stored_bytes(self) -> int:
        """Return what the journal took when it was last measured."""
        return 0 if self._usage is None else self._usage.stored_bytes

    @property
    def short_bytes(self) -> int:
        """Return how many bytes must go before more is admitted; 0 or less while there is room."""
        limit_bytes = self._limit_now()
        return self.stored_bytes - limit_bytes + limit_bytes // HEADROOM_SHARE

    @property
    def tight_bytes(self) -> int:
        """Return how many bytes of delivered records must go before sources may come back."""
        limit_bytes = self._limit_now()
        return self.stored_bytes - limit_bytes + limit_bytes // REOPEN_SHARE

    @property
    def reopens(self) -> bool:
        """Tell whether sources that were shut out may come back.

        Below the reserve too, once delivery has made room within the journal: its files do not
        shrink, and to wait for the medium would keep the sources away for ever.
        """
        return self.tight_bytes <= 0

    def spare_bytes(self, held_bytes: int) -> int:
        """Return what is left for records before the limit or the reserve is met."""
        spare = self._limit_now() - held_bytes
        if self._usage is not None and self._ceiling_bytes is None:
            reusable = max(0, self.stored_bytes - held_bytes)
            spare = min(spare, self._usage.free_bytes - self._reserve_bytes + reusable)
        return max(0, spare)

    def _limit_now(self) -> int:
        if self._ceiling_bytes is None:
            return self._limit_bytes
        return min(self._limit_bytes, self._ceiling_bytes)

    def forget(self, lanes: "list[tuple[Lane, int]]", held_bytes: int) -> "list[Entry]":
        """Forget delivered records: those beyond what is to be kept, and more where room is short.

        `lanes` are given with the last number that may go.
        """
        retained_bytes = max(0, self.stored_bytes - held_bytes)
        surplus = retained_bytes - self._keep_bytes
        if surplus <= self._keep_bytes // KEEP_SLACK_SHARE:
            surplus = 0
        surplus = max(surplus, self.tight_bytes)
        retained = sum([max(0, until - lane.forgotten) for lane, until in lanes])
        if surplus <= 0 or retained <= 0:
            return []
        entries: list[Entry] = []
        count = min(FORGET_RECORDS_MAX, 1 + surplus * retained // max(1, retained_bytes))
        for lane, until in lanes:
            take = min(count, until - lane.forgotten)
            if take > 0:
                count -= take
                entries.append(lane.forget(lane.forgotten + take))
        return entries

    def drop_oldest(self, lanes: "list[tuple[Lane, int]]") -> "list[Entry]":
        """Drop held records, the least important lane's oldest first, until there is room.

        `lanes` are given in the order of priority with the last number that is in flight.
        """
        entries: list[Entry] = []
        short = self.short_bytes
        for lane, flying in reversed(lanes):
            if short <= 0:
                break
            if lane.held_records == 0:
                continue
            average_bytes = max(1, lane.held_bytes // lane.held_records)
            wanted = max(short // average_bytes + 1, lane.held_records // DROP_SHARE)
            after = max(lane.through, flying)
            count, last = lane.oldest_held(after, wanted)
            if count:
                freed_bytes = count * average_bytes
                entries.extend(lane.set_aside(after + 1, last, freed_bytes, OVERFLOW, False))
                short -= freed_bytes
        return entries
