"""What a segment log holds, worked out from what lies on its medium.

Theory of operation.  The newest segment of a lane that has a `SUMMARY` and a confirmed group says
all there is to know; behind it there can only be a segment that a power cut kept from being begun.
So recovery reads the head of each segment and one segment as a whole.  Where a head is damaged, the
segments before it are read too.  Where no summary of a lane is left, its records are still found:
they go on under a new epoch, because what the old numbers meant can no longer be vouched for.

Nothing is written here, but for setting aside what is no segment of ours.
"""

from collections import namedtuple

from tidegate.errors import ProtocolError
from tidegate.records.stream import identity_text
from tidegate.store.account import Account
from tidegate.store.entry import ADMITTED, read_entry
from tidegate.store.finder import Finder
from tidegate.store.frame import Damage
from tidegate.store.journal import (
    DAMAGED,
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Released,
    Renewed,
    Spent,
)
from tidegate.store.segment import mended_segment, read_segment
from tidegate.store.segments import Part, Segments
from tidegate.store.summary import SUMMARY, SYNCED, read_summary, read_synced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.delivery.chance import Chance
    from tidegate.records.clock import Boot
    from tidegate.store.journal import Entry
    from tidegate.store.segment import Segment
    from tidegate.store.segments import Medium, Sizes


HEAD_READ_BYTES = 512  # The longest header of a segment has 223.
# No log gets there: a name like that is not ours, and numbers behind it would not fit theirs.
NUMBER_PLAUSIBLE_MAX = 1 << 31


class Found(
    namedtuple(
        "Found",
        ("account", "parts", "is_open", "boots", "boot_last", "spent", "torn", "is_new"),
    )
):
    """What was found of one lane; `is_new`: its epoch does not stand on the medium yet.

    `torn` are numbers of segments in which nothing was ever confirmed.  `spent` is None where the
    lane does not say it.  `boot_last` is the highest boot that a record names, among those read.
    """

    __slots__ = ()
    account: Account
    parts: "list[Part]"
    is_open: bool
    boots: "dict[int, Boot]"
    boot_last: int
    spent: "Spent | None"
    torn: "list[int]"
    is_new: bool


class Survey:
    """Reads a medium; `damaged` counts the places where bytes were not what was written.

    `empty` are numbers of segments of which a power cut left the name alone.
    """

    def __init__(self, medium: "Medium", sizes: "Sizes", chance: "Chance") -> None:
        self.damaged = 0
        self.set_aside: list[int] = []
        self.empty: list[int] = []
        self.quarantine: list[tuple[int, int]] = []
        self._chance = chance
        self._medium = medium
        listed = sorted(medium.segments())
        while listed and listed[-1][0] > NUMBER_PLAUSIBLE_MAX:
            self._put_aside(listed.pop()[0])
        self.node = self._newest_node(listed) or self._mended_node(listed) or self.new_identity()
        last_number = listed[-1][0] if listed else 0
        self.segments = Segments(medium, self.node, last_number, sizes)
        self._of_lane: dict[str, list[tuple[int, int]]] = {}
        for number, size in listed:
            if size:
                # One at a time: heads take five times what is remembered of a segment.
                self._sort_in(number, size, self._head(number))
            else:
                self.empty.append(number)

    @property
    def lanes(self) -> "list[str]":
        """Return the lanes of which there is something."""
        return sorted(self._of_lane)

    def new_identity(self) -> str:
        """Return an identity that nothing had."""
        return identity_text(self._chance.bits64())

    def lane(self, name: str) -> Found:
        """Return what there is of a lane, or what a new one begins with."""
        listed = self._of_lane.get(name, [])
        replay = None
        newer: list[tuple[int, int]] = []
        for number, size in reversed(listed):
            replay = Replay(self.segments, name)
            replay.read(number, size)
            if replay.account is not None and replay.end:
                break
            newer.insert(0, (number, size))
            replay = None
        if replay is None:
            return self._without_summary(name, listed)
        older = listed[: len(listed) - len(newer)]
        parts = self._parts(older, replay)
        torn = []
        for number, size in newer:
            if replay.read(number, size):
                assert replay.account is not None
                parts.append(Part(number, parts[-1].base, replay.first_place, replay.end))
            else:
                torn.append(number)
        return self._found(replay, parts, torn)

    def _found(self, replay: "Replay", parts: "list[Part]", torn: "list[int]") -> Found:
        self.damaged += replay.damaged
        account = replay.confirmed
        assert account is not None
        is_open = replay.is_whole and not torn
        return Found(
            account, parts, is_open, replay.boots, replay.boot_last, replay.spent, torn, False
        )

    def _parts(self, listed: "list[tuple[int, int]]", replay: "Replay") -> "list[Part]":
        """Return the segments up to the one that was replayed, as a finder needs them."""
        parts: list[Part] = []
        for number, size in listed[:-1]:
            head = self._summary(number, size)
            if head is not None:
                parts.append(Part(number, head.base, head.base + head.last + 1, size))
                continue
            self.damaged += 1
            base = parts[-1].base if parts else 0
            first = self._first_record(number, size)
            if first:
                parts.append(Part(number, base, base + first, size))
            else:
                self._put_aside(number)
        number = listed[-1][0]
        parts.append(Part(number, replay.first_base, replay.first_place, replay.end))
        return parts

    def _summary(self, number: int, size: int) -> "Account | None":
        for found in self.segments.frames(number, 0, size):
            if isinstance(found, Damage):
                continue  # The header is no frame.
            try:
                return read_summary(found.body) if found.kind == SUMMARY else None
            except ProtocolError:
                return None
        return None

    def _first_record(self, number: int, size: int) -> int:
        """Return the number of the first record in a segment, 0 where there is none."""
        for found in self.segments.frames(number, 0, size):
            if not isinstance(found, Damage) and found.kind == ADMITTED:
                try:
                    entry = read_entry(found)
                except ProtocolError:
                    continue
                assert isinstance(entry, Admitted)
                return entry.first
        return 0

    def _newest_node(self, listed: "list[tuple[int, int]]") -> str:
        """Return whose the newest segment is whose head can be read, "" where there is none."""
        for number, _ in reversed(listed):
            head = self._head(number)
            if head is not None:
                return head.node
        return ""

    def _mended_node(self, listed: "list[tuple[int, int]]") -> str:
        """Return whose segments these are where no head is whole but for one bit."""
        for number, _ in reversed(listed):
            head = mended_segment(self._medium.read(number, 0, HEAD_READ_BYTES))
            if head is not None and head.number == number:
                return head.node
        return ""

    def _head(self, number: int) -> "Segment | None":
        try:
            return read_segment(self._medium.read(number, 0, HEAD_READ_BYTES))[0]
        except ProtocolError:
            return None

    def _sort_in(self, number: int, size: int, head: "Segment | None") -> None:
        if head is not None and (head.node != self.node or head.number != number):
            self._put_aside(number)
        elif head is not None and not head.lanes:
            self.quarantine.append((number, size))
        else:
            lane = self._lane_of_frames(number, size) if head is None else head.lanes[0][0]
            if lane:
                self._of_lane.setdefault(lane, []).append((number, size))
            else:
                self._put_aside(number)

    def _lane_of_frames(self, number: int, size: int) -> str:
        """Return whose frames a segment without a header has, "" where there are none."""
        self.damaged += 1
        for found in self.segments.frames(number, 0, size):
            if not isinstance(found, Damage):
                try:
                    if found.kind == SUMMARY:
                        return read_summary(found.body).lane
                    entry = read_entry(found)
                    if isinstance(entry, Admitted):
                        return entry.lane
                except ProtocolError:
                    pass  # Of a kind that names no lane, or of another version.
        return ""

    def _put_aside(self, number: int) -> None:
        self.set_aside.append(number)
        self._medium.set_aside(number)

    def _without_summary(self, name: str, listed: "list[tuple[int, int]]") -> Found:
        """Go on with what records there are, numbered anew; or begin."""
        replay = Replay(self.segments, name)
        replay.account = Account(name, self.new_identity())
        replay.damaged = 1  # At least: what was known of the gaps before these segments is gone.
        parts, torn = [], []
        for number, size in listed:
            if replay.read(number, size):
                parts.append(Part(number, 0, replay.first_place, size))
            else:
                torn.append(number)
        if not parts:
            return Found(Account(name, self.new_identity()), [], False, {}, 0, None, torn, True)
        confirmed = replay.confirmed
        assert confirmed is not None
        account = confirmed
        self.damaged += replay.damaged
        hash_at = Finder(self.segments, parts).hash_at(account.through)
        account.renew(self.new_identity(), hash_at or 0)
        return Found(
            account, parts, False, replay.boots, replay.boot_last, replay.spent, torn, True
        )


class Replay:
    """Follows the entries of one lane through its segments.

    `confirmed` is the account behind the last confirmed group, `end` where that ends in the segment
    that was read last; `is_whole` says that nothing lies behind it.
    """

    def __init__(self, segments: Segments, lane: str) -> None:
        self.account: Account | None = None
        self.confirmed: Account | None = None
        self.boots: dict[int, Boot] = {}
        self.boot_last = 0
        self.spent: Spent | None = None
        self.damaged = 0
        self.end = 0
        self.is_whole = False
        self.first_base = 0
        self.first_place = 1
        self._segments = segments
        self._lane = lane
        self._boots: dict[int, Boot] = {}
        self._boot_last = 0
        self._spent: Spent | None = None

    def read(self, number: int, size_bytes: int) -> bool:
        """Follow a segment; return whether anything in it was confirmed."""
        self.end = 0
        is_first = True
        if self.account is not None:
            # Unless the segment says otherwise.
            self.first_place = self.account.base + self.account.last + 1
        before = None if self.confirmed is None else self.confirmed.copy()
        if before is not None:
            self.account = before
        for found in self._segments.frames(number, 0, size_bytes):
            if isinstance(found, Damage):
                # The header is no frame.
                self.damaged += found.start > 0
                continue
            try:
                self._take(found.kind, found)
            except ProtocolError:
                self.damaged += 1
            if is_first and self.account is not None and found.kind in (SUMMARY, ADMITTED):
                is_first = False
                self.first_base = self.account.base
                # A summary says what was before the segment's first record; a record is that one.
                behind = 1 if found.kind == SUMMARY else 0
                self.first_place = self.account.base + self.account.last + behind
            if found.kind == SYNCED and self.account is not None:
                self.end = found.end
        self.is_whole = self.end == size_bytes
        return self.end > 0

    def _take(self, kind: int, found: "object") -> None:
        body = found.body  # type: ignore[attr-defined]
        if kind == SUMMARY:
            self.account = read_summary(body)
        elif kind == SYNCED:
            self._confirm(read_synced(body))
        else:
            entry = read_entry(found)  # type: ignore[arg-type]
            if isinstance(entry, Booted):
                self._boots[entry.boot.number] = entry.boot
            elif isinstance(entry, Spent):
                self._spent = entry
            elif isinstance(entry, Admitted):
                self._boot_last = max(self._boot_last, entry.records[0].boot)
                if self.account is not None:
                    _follow(self.account, entry)
            elif self.account is not None:
                _follow(self.account, entry)

    def _confirm(self, figures: "tuple[int, ...]") -> None:
        self.boots, self.spent = dict(self._boots), self._spent
        self.boot_last = self._boot_last
        account = self.account
        if account is None:
            return
        account.take_figures(figures)
        if self.damaged:
            # A gap whose entry is damaged is none: its numbers count as held until somebody reads
            # them and finds them missing.
            account.held_records = account.live_between(account.through + 1, account.last)
        known = account.delivered + account.held_records + account.quarantined
        missing = account.last - known - sum(account.dropped.values())
        if missing > 0:
            # The entry that said why is damaged: the balance holds all the same (P4).
            account.dropped = dict(account.dropped)
            account.dropped[DAMAGED] = account.dropped.get(DAMAGED, 0) + missing
        elif self.damaged:
            account.quarantined = max(0, account.quarantined + missing)
        self.confirmed = account.copy()


def _follow(account: Account, entry: "Entry") -> None:
    """Do what an entry says, as far as that makes sense where entries before it may be damaged.

    Figures are not added up here: the end of the group says them.
    """
    if isinstance(entry, Admitted):
        account.last, account.last_hash = entry.first, entry.hashes[0]
    elif isinstance(entry, Released):
        account.through = max(account.through, entry.through)
    elif isinstance(entry, Forgotten):
        if account.forgotten < entry.through <= account.through:
            account.forget(entry.through, 0)
    elif isinstance(entry, Renewed):
        account.renew(entry.epoch, 0)
    elif isinstance(entry, Dropped):
        _follow_drop(account, entry)


def _follow_drop(account: Account, entry: Dropped) -> None:
    told = account.last  # Nothing is joined that was not joined when it was written.
    hole = account.hole_at(entry.first)
    if hole is not None and max(hole.first, 1) == entry.first and hole.last < entry.last:
        told = 0
        entry = Dropped(
            entry.lane, hole.last + 1, entry.last, entry.hash_at, entry.reason, entry.kept
        )
    try:
        account.check_drop(entry)
    except ValueError:
        return  # What it follows is damaged; its records are found missing when they are read.
    account.drop(entry, entry.hash_at or 0, 0, told)
