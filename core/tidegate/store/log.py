"""The segment log: a journal as frames in segments, for a medium without a database.

Promises what the port of `journal` does, but for the notes of sources, which no source of such a
node keeps.  Each lane has a chain of segments of its own, so that dropping what matters least frees
room; boots and the day's budget stand in the first lane's.  Memory depends on the number of
segments and gaps, not on what is held; to open it, the newest segment of each lane is read and the
heads of the others.

What was quarantined is copied to segments without a lane, within a bound, oldest thrown away first.
"""

from tidegate.errors import STORAGE_IO, StorageError
from tidegate.records.clock import BOOTS_MAX, forgotten_boot
from tidegate.store.chain import Chain
from tidegate.store.journal import (
    Booted,
    Dropped,
    JournalState,
    Noted,
    Spent,
    Usage,
)
from tidegate.store.quarantine import Quarantine
from tidegate.store.recovery import Survey
from tidegate.store.segments import ROOMY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.delivery.chance import Chance
    from tidegate.records.clock import Boot
    from tidegate.records.record import Record
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry
    from tidegate.store.segments import Medium, Sizes


def open_log(
    medium: "Medium",
    lanes: "list[str]",
    chance: "Chance",
    sizes: "Sizes" = ROOMY,
    recent_max: int = 0,
    boots_max: int = BOOTS_MAX,
) -> "LogJournal":
    """Open the log on `medium`, or begin one with `lanes`; raise `StorageError`.

    The first of `lanes` keeps boots and budget.  New identities come from `chance`, which the
    platform seeds from its entropy.
    """
    return LogJournal(medium, lanes, Survey(medium, sizes, chance), recent_max, boots_max)


class LogJournal:
    """The port `Journal` on a medium.

    `damaged` counts places that were not what was written, `set_aside` has the numbers of segments
    that are none of ours or of which nothing could be read.
    """

    def __init__(
        self,
        medium: "Medium",
        lanes: "list[str]",
        survey: Survey,
        recent_max: int,
        boots_max: int,
    ) -> None:
        self.damaged = 0
        self.set_aside = survey.set_aside
        self._medium = medium
        self._node = survey.node
        self._recent_max = recent_max
        self._boots_max = boots_max
        self._boots: dict[int, Boot] = {}
        self._spent = Spent(0, 0)
        self._torn = list(survey.empty)
        self._failed = ""
        self._chains: list[Chain] = []
        names = lanes + [name for name in survey.lanes if name not in lanes]
        own: dict[int, Boot] = {}  # Boots of the first lane.
        is_first = True
        boot_last = 0
        spent: Spent | None = None
        for name in names:
            found = survey.lane(name)
            boot_last = max(boot_last, found.boot_last)
            # What another lane says is older.
            self._boots = _newest_boots(found.boots, self._boots, boots_max)
            spent = spent or found.spent
            self._torn.extend(found.torn)
            preface = self._preface if is_first else list
            chain = Chain(survey.segments, found.account, found.parts, found.is_open, preface)
            self._chains.append(chain)
            if found.is_new:
                # An identity that may have been told to somebody must never be made anew.
                chain.begin()
            if is_first:
                own = found.boots
            is_first = False
        self._spent = spent or self._spent
        self._bring_along(own)
        if boot_last > max(self._boots, default=0):
            # What was said of it is damaged.  No other boot may have its number, or the records of
            # both would get the time of the later one (P7).
            self._boots[boot_last] = forgotten_boot(boot_last)
        self.damaged = survey.damaged
        self._quarantine = Quarantine(survey.segments, survey.quarantine)
        self._boots_ahead, self._spent_ahead = dict(self._boots), self._spent

    def _bring_along(self, own: "dict[int, Boot]") -> None:
        """Have the first lane say what another one says of boots, which was the first one once.

        Durable with the first commit; the other lane's next segment no longer says it.
        """
        if any(number not in own for number in self._boots):
            for entry in self._preface():
                self._chains[0].append(entry)

    def recover(self) -> JournalState:
        """Return what the journal holds."""
        self._check()
        lanes = [chain.seen.state() for chain in self._chains]
        boots = [self._boots[number] for number in sorted(self._boots)]
        recent = self._recent() if self._recent_max else []
        return JournalState(self._node, lanes, boots, self._spent, recent)

    def append(self, entries: "list[Entry]") -> None:
        """Add `entries` in order; durable only after `sync`."""
        self._check()
        try:
            for entry in entries:
                self._append(entry)
        except StorageError as error:
            self._fail(error.kind)
            raise
        except MemoryError:
            self._fail(STORAGE_IO)
            raise StorageError(STORAGE_IO, "no memory for an entry")

    def sync(self) -> None:
        """Return when everything appended is on the medium."""
        self._check()
        try:
            self._quarantine.sync()
            for chain in self._chains:
                chain.sync()
            while self._torn:
                self._medium.remove(self._torn[-1])
                self._torn.pop()
        except StorageError as error:
            self._fail(error.kind)
            raise
        self._boots, self._spent = dict(self._boots_ahead), self._spent_ahead

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> "Span":
        """Return synced records and gaps of `lane` from `first` on, verified."""
        self._check()
        return self._chain(lane).read(first, count_max, bytes_max, self._boots)

    def hash_at(self, lane: str, seq: int) -> "int | None":
        """Return the running hash at `seq`, or None inside a gap and where it was forgotten."""
        self._check()
        return self._chain(lane).hash_at(seq)

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> "list[tuple[bytes, bytes]]":
        """Return none: a log keeps no notes, and refuses them where they are appended."""
        self._check()
        return []

    def usage(self) -> Usage:
        """Return what the segments take, less what in them is wanted no more, and what is free."""
        self._check()
        stored_bytes = sum([chain.live_bytes() for chain in self._chains])
        return Usage(stored_bytes + self._quarantine.stored_bytes, self._medium.free_bytes())

    def close(self) -> None:
        """Release the medium; what was not synced counts for nothing."""
        if self._failed != _CLOSED:
            self._fail(_CLOSED)
            self._medium.close()

    def _check(self) -> None:
        if self._failed:
            raise StorageError(STORAGE_IO, f"the journal is of no more use: {self._failed}")

    def _fail(self, reason: str) -> None:
        self._failed = reason

    def _chain(self, lane: str) -> Chain:
        for chain in self._chains:
            if chain.seen.lane == lane:
                return chain
        raise ValueError(f"there is no lane {lane}")

    def _append(self, entry: "Entry") -> None:
        if isinstance(entry, Booted):
            self._remember(entry.boot)
            self._chains[0].append(entry)
        elif isinstance(entry, Spent):
            self._spent_ahead = entry
            self._chains[0].append(entry)
        elif isinstance(entry, Noted):
            raise ValueError("a segment log keeps no notes")
        else:
            chain = self._chain(entry.lane)
            if isinstance(entry, Dropped) and entry.kept:
                chain.ahead.check_drop(entry)
                rows = chain.rows_between(entry.first, entry.last)
                self._quarantine.add(entry, rows)
            chain.append(entry)

    def _remember(self, boot: "Boot") -> None:
        added = {boot.number: boot}
        self._boots_ahead = _newest_boots(self._boots_ahead, added, self._boots_max)

    def _preface(self) -> "list[Entry]":
        """Return what each segment of the first lane begins with."""
        boots = self._boots
        entries: list[Entry] = [Booted(boots[number]) for number in sorted(boots)]
        if self._spent.sent_bytes or self._spent.day:
            entries.append(self._spent)
        return entries

    def _recent(self) -> "list[tuple[bytes, bytes]]":
        records = []
        for chain in self._chains:
            records.extend(_newest(chain, self._recent_max))
        records.sort(key=lambda record: (record.boot, record.ticks_ms))
        return [(record.topic, record.properties) for record in records[-self._recent_max :]]


def _newest_boots(
    older: "dict[int, Boot]", newer: "dict[int, Boot]", count_max: int
) -> "dict[int, Boot]":
    """Return what both know of boots, where they differ what `newer` says."""
    boots = dict(older)
    boots.update(newer)
    while len(boots) > count_max:
        del boots[min(boots)]
    return boots


def _newest(chain: Chain, count: int) -> "list[Record]":
    """Return the last `count` records of a lane; gaps may lie between them."""
    seen = chain.seen
    reach = count
    while True:
        first = max(seen.forgotten, seen.last - reach) + 1
        records = [record for _, _, record in chain.rows_between(first, seen.last)]
        if len(records) >= count or first == seen.forgotten + 1:
            return records[-count:]
        reach *= 4


_CLOSED = "it is closed"
