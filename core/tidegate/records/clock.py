"""Honest time (P7): what is known about the wall clock, for every boot that a record names.

Theory of operation
-------------------
A record keeps the number of its boot and the monotonic milliseconds of that boot.  Both are always
right.  What the wall clock was at that instant is worked out from the `Boot`, as ticks + offset,
with a *quality*:

- UNKNOWN: nothing is known; there is no wall time, and none is made up.
- SET: the wall clock shows a plausible time; somebody or something set it, perhaps wrongly.
- SYNCHRONISED: a time service vouches for it.

Because the offset is kept once a boot and not once a record, learning the time corrects everything
that was recorded earlier in the same boot.

What is promised: better knowledge replaces worse at once, worse never replaces better, and equal
knowledge does when it differs by more than `OFFSET_MOVE_MS`.  A wall time before `FLOOR_MS` or from
`CEILING_MS` on is no knowledge at all.  So a jump 30 years back changes nothing; a jump ten days
ahead moves the time of a clock that is merely set, until it is set again or synchronised, and does
not move a synchronised one unless a time service vouches for the jump.

What is not: a boot whose clock was never known stays without wall time, though its records keep
their order and distances.  A clock that was set plausibly and wrongly, and never synchronised, is
believed and says SET.  All records of one boot share its last offset, so where the monotonic clock
is not disciplined (MicroPython; Linux disciplines it), records that waited in the journal are off
by its drift since then, at 50 parts in a million 4 seconds a day.  The platform must give a
monotonic clock that goes on during suspend, and an identity that is new whenever that clock starts
anew.
"""

from collections import namedtuple

from tidegate.limits import BOOT_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = 0
SET = 1
SYNCHRONISED = 2

FLOOR_MS = 1_735_689_600_000  # 2025-01-01: this program did not exist before.
CEILING_MS = 4_102_444_800_000  # 2100-01-01: a clock that shows more was never set.

# Smaller moves are the noise of reading two clocks and their drift, and would each cost an entry in
# the journal; a quarter of a second is less than anybody asks of the time of a telemetry record.
OFFSET_MOVE_MS = 250

# A node on a bad supply may start every few minutes for days while it holds records of each boot.
# At about 200 bytes a boot this is 0.8 MB; a small node passes a smaller number.
BOOTS_MAX = 4096

NO_IDENTITY = "0" * 16  # Of a boot that was forgotten; no running system has it.


class Boot(namedtuple("Boot", ("number", "identity", "offset_ms", "quality"))):
    """One run of a monotonic clock: its number (1, 2, …), its identity, and its wall time.

    `identity` is 16 hex digits that the platform says; `offset_ms` is 0 while `quality` is UNKNOWN.
    """

    __slots__ = ()
    number: int
    identity: str
    offset_ms: int
    quality: int


def wall_of(boot: Boot, ticks_ms: int) -> "tuple[int | None, int]":
    """Return the wall time of an instant of `boot` (ms since 1970) and its quality.

    (None, UNKNOWN) when it is not known, and also when what a peer or a medium says gives no
    plausible time, so that the result always fits a database column.
    """
    if boot.quality == UNKNOWN or not is_plausible(ticks_ms + boot.offset_ms):
        return None, UNKNOWN
    return ticks_ms + boot.offset_ms, boot.quality


def is_plausible(wall_ms: int) -> bool:
    """Tell whether a wall clock that shows `wall_ms` can be believed at all."""
    return FLOOR_MS <= wall_ms < CEILING_MS


def forgotten_boot(number: int) -> Boot:
    """Return what stands for a boot of which nothing is known any more: its wall time is lost."""
    return Boot(number, NO_IDENTITY, 0, UNKNOWN)


class Clock:
    """The boots that held records name, and the wall clock of the current one.

    Its caller journals `boot` before it admits a record, and each Boot that `observe` returns.
    """

    def __init__(
        self, boots: "Iterable[Boot]", current_identity: str, boots_max: int = BOOTS_MAX
    ) -> None:
        """Take the boots from the journal, oldest entry first, and start or go on with this one.

        The same identity means that only the program started anew: the boot goes on, with what it
        knew.  Otherwise it is a new boot with the next number.  Boots that cannot be ours (a number
        out of range, a quality that does not exist) are left out: a damaged journal must not keep
        a node from starting (P5).
        """
        if current_identity == NO_IDENTITY or boots_max < 1:
            raise ValueError("a clock needs the identity of its boot and room for it")
        self._boots_max = boots_max
        self._boots: dict[int, Boot] = {}
        for boot in boots:
            if 1 <= boot.number <= BOOT_MAX and UNKNOWN <= boot.quality <= SYNCHRONISED:
                self._boots[boot.number] = boot
        self._number = self._number_for(current_identity)
        if self._number not in self._boots:
            self._boots[self._number] = Boot(self._number, current_identity, 0, UNKNOWN)
        self._shrink()

    @property
    def boot(self) -> Boot:
        """Return the current boot."""
        return self._boots[self._number]

    @property
    def boots(self) -> "list[Boot]":
        """Return all boots that are remembered, by number."""
        return [self._boots[number] for number in sorted(self._boots)]

    @property
    def quality(self) -> int:
        """Return how well the wall clock is known now."""
        return self.boot.quality

    def boot_of(self, number: int) -> Boot:
        """Return the boot with this number, or what stands for a forgotten one."""
        found = self._boots.get(number)
        return forgotten_boot(number) if found is None else found

    def wall_ms(self, now_ms: int) -> "int | None":
        """Return the wall time at `now_ms` of the monotonic clock, None when it is not known."""
        return wall_of(self.boot, now_ms)[0]

    def observe(self, now_ms: int, wall_ms: int, quality: int) -> "Boot | None":
        """Take in what the wall clock shows; return the current boot if that changed it.

        Both clocks are read one right after the other.  Once a second is often enough; each change
        costs an entry in the journal, so that is also the bound on entries when a clock runs wild.
        """
        if not UNKNOWN <= quality <= SYNCHRONISED:
            raise ValueError(f"there is no time quality {quality}")
        boot = self.boot
        if quality == UNKNOWN or quality < boot.quality or not is_plausible(wall_ms):
            return None
        offset_ms = wall_ms - now_ms
        if quality == boot.quality and abs(offset_ms - boot.offset_ms) <= OFFSET_MOVE_MS:
            return None
        changed = Boot(boot.number, boot.identity, offset_ms, quality)
        self._boots[boot.number] = changed
        return changed

    def _number_for(self, identity: str) -> int:
        same = [boot.number for boot in self._boots.values() if boot.identity == identity]
        if same:
            return max(same)
        number = max(self._boots) + 1 if self._boots else 1
        if number > BOOT_MAX:
            # Only a damaged entry has such a number.  A free one is as good: it is new to us.
            number = BOOT_MAX
            while number in self._boots:
                number -= 1
        return number

    def _shrink(self) -> None:
        """Keep to the bound: first forget what knows no wall time anyway, then the oldest."""
        surplus = len(self._boots) - self._boots_max
        if surplus <= 0:
            return
        order = [(boot.quality != UNKNOWN, boot.number) for boot in self._boots.values()]
        others = [entry for entry in sorted(order) if entry[1] != self._number]
        for _, number in others[:surplus]:
            del self._boots[number]
