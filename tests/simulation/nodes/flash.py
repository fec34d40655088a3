"""The flash of a board: what is on it outlives every cut, what was not synced is at its mercy.

A cut or a failure leaves of unsynced bytes any prefix, perhaps with something else behind it, for
each segment by itself; what was removed since the last sync may be there again.  `FlashMedium` is
the port `Medium` for one opening of the log, with everything that can go wrong there: it is full,
fails, is corrupt, the heap has no room, the power goes.
"""

from tidegate.errors import STORAGE_CORRUPT, STORAGE_FULL, STORAGE_IO, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulation.nodes.plan import NodePlan
    from simulation.world import World

KINDS = (STORAGE_FULL, STORAGE_IO, STORAGE_CORRUPT)
GARBAGE_BYTES_MAX = 40
ROOMY_BYTES = 1 << 40


class Flash:
    """What is on the flash, by the number of the segment."""

    def __init__(self) -> None:
        self.synced: dict[int, bytes] = {}
        self.removed: dict[int, bytes] = {}  # May be there again after a cut.
        self.aside: list[int] = []
        self.forgot: set[tuple[str, int, str]] = set()  # Delivered, and kept no longer.
        self.capacity_bytes = ROOMY_BYTES
        # What the oracle knows of it: which message has which name, (stream, seq), and which
        # names are confirmed.
        self.names: dict[tuple[str, int], str] = {}
        self.confirmed: set[tuple[str, int]] = set()
        self.is_rotten = False  # More than a record was hit.

    @property
    def stored_bytes(self) -> int:
        return sum([len(data) for data in self.synced.values()])

    def uids(self) -> set[str]:
        """Return the messages that it has for sure."""
        return {self.names[name] for name in self.confirmed}

    def image(self) -> "Flash":
        """Return a copy, as of the chip."""
        other = Flash()
        other.synced = dict(self.synced)
        other.names = dict(self.names)
        other.forgot = set(self.forgot)
        other.confirmed = set(self.confirmed)
        other.is_rotten = self.is_rotten
        return other

    def add(self, number: int, data: bytes) -> None:
        """Have bytes at the end of a segment for good."""
        self.synced[number] = self.synced.get(number, b"") + data


class FlashMedium:
    """The port; `life` is the one that dies at crash points."""

    def __init__(self, world: "World", life, flash: Flash, plan: "NodePlan") -> None:
        self._world = world
        self._life = life
        self._flash = flash
        self._plan = plan
        self._pending: dict[int, bytes] = {}
        self._failed = ""

    def segments(self) -> list[tuple[int, int]]:
        self._meet("segments")
        return [(number, len(data)) for number, data in self._flash.synced.items()]

    def append(self, number: int, data: "bytes | memoryview") -> None:
        self._check_room(len(data))
        self._meet("append")
        self._pending[number] = self._pending.get(number, b"") + bytes(data)
        self._life.crash_point("append flash")

    def sync(self, number: int) -> None:
        self._meet("sync")
        self._life.crash_point("sync flash")  # Some of it is on the flash then.
        self._flash.add(number, self._pending.pop(number, b""))
        self._flash.removed.clear()

    def read(self, number: int, at: int, size_bytes: int) -> bytes:
        self._meet("read")
        return self._flash.synced[number][at : at + size_bytes]

    def remove(self, number: int) -> None:
        self._meet("remove")
        self._pending.pop(number, None)
        data = self._flash.synced.pop(number, None)
        if data is not None:
            self._flash.removed[number] = data
        self._life.crash_point("remove")

    def set_aside(self, number: int) -> None:
        self._meet("set_aside")
        self._world.meet("a segment is set aside")
        self._flash.aside.append(number)
        del self._flash.synced[number]

    def free_bytes(self) -> int:
        self._check()
        return max(0, self._flash.capacity_bytes - self._flash.stored_bytes)

    def close(self) -> None:
        """Let go of it; closing a file writes what there is of it, or not."""
        if self._failed != "closed":
            self._leave_some(False)
            self._failed = "closed"

    def lose_power(self) -> None:
        """Be cut off."""
        if self._failed == "closed":
            return
        self._leave_some(True)
        for number, data in self._flash.removed.items():
            if self._world.chance.random() < 0.5:
                self._world.meet("a removed segment is there again")
                self._flash.synced[number] = data
        self._flash.removed.clear()
        self._failed = "closed"

    def _leave_some(self, is_cut: bool) -> None:
        """Have any part of what is not synced on the flash."""
        chance = self._world.chance
        for number, data in self._pending.items():
            kept = chance.choice((0, len(data), self._world.between(0, len(data))))
            left = data[:kept]
            if is_cut and kept < len(data) and chance.random() < 0.3:
                self._world.meet("garbage behind a torn end")
                size = self._world.between(1, GARBAGE_BYTES_MAX)
                left += bytes([chance.choice((0, 255, self._world.between(0, 255)))]) * size
            if left:
                self._world.meet("a torn end" if kept < len(data) else "an unsynced end is kept")
                self._flash.add(number, left)
        self._pending = {}

    def _check_room(self, size_bytes: int) -> None:
        pending = sum([len(data) for data in self._pending.values()])
        if self._flash.stored_bytes + pending + size_bytes > self._flash.capacity_bytes:
            self._failed = self._failed or STORAGE_FULL
            self._world.meet("flash full")

    def _meet(self, method: str) -> None:
        world, plan = self._world, self._plan
        if not self._failed and world.happens(plan.flash_rate):
            self._failed = world.chance.choice(KINDS)
            world.meet(f"flash fails at {method}")
            world.note(f"{self._life.name} flash fails at {method}: {self._failed}")
            if method == "sync" and world.happens(0.5):
                world.meet("a failed sync reaches the flash")
                for number in list(self._pending):
                    self._flash.add(number, self._pending.pop(number))
        self._check()
        if world.happens(plan.heap_rate):
            world.meet(f"heap full at {method}")
            raise MemoryError(method)

    def _check(self) -> None:
        if self._failed:
            kind = self._failed if self._failed in KINDS else STORAGE_IO
            raise StorageError(kind, f"planted: {self._failed}")
