"""The shell of the MicroPython platform: one turn of a node's loop.

    sketch ─> source ─┐
              link   ─┴─> engine ─> journal, link

Promises that one turn takes no longer than a commit and what the link needs for one step, and that
a heap which is full in the middle of a turn loses nothing that was promised: the journal then
counts as failed, is closed and opened anew, and what was not acknowledged is committed again.

One thread runs everything, so there is no inbox: what the link delivers waits in a list for the
next turn.
"""

import gc

from tidegate.delivery.line import CONNECTING as LINE_CONNECTING
from tidegate.delivery.line import UP as LINE_UP
from tidegate.engine import Engine
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.gateway import lane_names
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes
from tidegate_micropython.board import CONNECTING, HOLDING, OFF, ONLINE, TROUBLE
from tidegate_micropython.clock import READ_MS, Clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.node_settings import NodeSettings
    from tidegate.delivery.chance import Chance
    from tidegate.events import Event
    from tidegate.gateway import Gateway
    from tidegate.ports import Observer
    from tidegate.store.journal import Journal
    from tidegate.store.segments import Medium
    from tidegate_micropython.board import Board
    from tidegate_micropython.link import GuardedLink
    from tidegate_micropython.source import NodeSource
    from tidegate_micropython.wifi import Wifi

# One record must fit twice into what is free of a board's heap, and a frame of any older log too.
RECORD_BYTES_MAX = 4096
FRAME_BYTES_MAX = RECORD_BYTES_MAX + 512
BUFFER_BYTES = 1024  # Gathered before it goes to flash; made once, at the start.
CHUNK_BYTES = 1024
BOOTS_MAX = 64  # About 8 KB; a board that sleeps begins one after each synchronisation.
# Two segments are begun before the older one goes, and each begins with all boots.
BALLAST_SEGMENTS, BALLAST_BYTES = 2, 16_384
# After so long without a commit or an answer the board is not at work but stuck, and the watchdog
# is left to starve.  Longer than any request, and than a passing fault of the flash.
STUCK_MS = 300_000


class Shell:
    """A gateway, its engine and its ports on one board."""

    def __init__(
        self,
        settings: "NodeSettings",
        source: "NodeSource",
        gateway: "Gateway",
        clock: Clock,
        board: "Board",
        wifi: "Wifi",
        open_medium: "Callable[[int], Medium]",
        link: "GuardedLink | None",
        observer: "Observer",
        chance: "Chance",
    ) -> None:
        self.source = source
        self.gateway = gateway
        self.link = link
        self.wifi = wifi
        self.pattern = OFF  # What the LED shows.
        self.uses_network = False  # A board that sleeps turns its radio on to upload alone.
        self._settings = settings
        self._clock = clock
        self._board = board
        self._open_medium = open_medium
        self._observer = observer
        self._chance = chance
        self._events: list[Event] = []
        self._clock_due_ms = 0
        self._open_since_ms = 0  # When the journal was last seen open.
        self._is_broken = False
        self.engine = Engine(self.gateway, self._open_journal, [self.source], link, observer)

    def start(self) -> None:
        """Open the journal; whether that succeeded, `gateway.node` tells."""
        gc.collect()  # What importing has left lies where the journal's buffers should.
        try:
            self.engine.start(self._events.append, self._clock.now_ms())
        except MemoryError:
            self._is_broken = True
            gc.collect()
        self.turn()

    def turn(self, commit: bool = False) -> None:
        """Take in what has come and do all that follows; `commit` what waits, due or not."""
        now_ms = self._clock.now_ms()
        try:
            if self._is_broken:
                self.engine.give_up(StorageError(STORAGE_IO, "out of memory"), now_ms)
                self._is_broken = False
            self._step(now_ms, commit)
        except MemoryError:
            # Whatever comes next begins by giving the journal up: that too needs some memory.
            self._is_broken = True
            gc.collect()
        self.source.settle()
        self._tell(now_ms)

    def deadline_ms(self, now_ms: int) -> "int | None":
        """Return when the next turn is due if nothing is put and no socket is ready."""
        times = [self._clock_due_ms]
        dues = [self.engine.deadline_ms(now_ms), self.source.deadline_ms()]
        if self.uses_network:
            dues.append(self.wifi.deadline_ms())
        if self.link is not None:
            dues.append(self.link.deadline_ms(now_ms))
        if self._events or self._is_broken:
            dues.append(now_ms)
        times.extend([due for due in dues if due is not None])
        return min(times)

    @property
    def is_busy(self) -> bool:
        """Tell whether an answer is waited for, which no deadline tells of."""
        return self.link is not None and self.link.busy_ms is not None

    def held_records(self) -> int:
        """Return how many records wait in the journal."""
        return sum([lane.held_records for lane in self.gateway.lanes])

    def settle(self) -> None:
        """Make durable what waits for the next commit: that records were delivered."""
        try:
            self.engine.settle(self._clock.now_ms())
        except MemoryError:
            self._is_broken = True

    def close(self) -> None:
        """Let go of the link and the journal."""
        self.settle()
        self.engine.close()
        self.wifi.stop()

    def _step(self, now_ms: int, commit: bool) -> None:
        if self.uses_network:
            self.wifi.poll(now_ms)
            if self.wifi.online and self._clock.synchronise():
                self._clock_due_ms = now_ms
        if self.link is not None:
            self.link.network_is(self.wifi.online if self.uses_network else None)
            self.link.poll(now_ms)
        # The same list for good: the link holds on to it.
        events = list(self._events)
        self._events[:] = []
        if now_ms >= self._clock_due_ms:
            self._clock_due_ms = now_ms + READ_MS
            events.append(self._clock.read())
        due_ms = self.source.deadline_ms()
        if due_ms is not None and (commit or now_ms >= due_ms):
            arrival = self.source.take()
            if arrival is not None:
                events.append(arrival)
        self.engine.step(events, now_ms)

    def _tell(self, now_ms: int) -> None:
        """Show how things are, and feed the watchdog while there is progress."""
        gateway, line = self.gateway, self.gateway.line
        if gateway.node:
            self._open_since_ms = now_ms
        if not gateway.node or gateway.shut_reason:
            pattern = TROUBLE
        elif line is not None and line.state == LINE_UP:
            pattern = ONLINE
        elif line is not None and (line.state == LINE_CONNECTING or not self.wifi.online):
            pattern = CONNECTING
        else:
            pattern = HOLDING
        self.pattern = pattern
        self._board.show(pattern, now_ms)
        if now_ms - min(self._progress_ms(now_ms)) < STUCK_MS:
            self._board.feed()

    def _progress_ms(self, now_ms: int) -> "list[int]":
        """Return since when each thing that should go on has not."""
        times = [self._open_since_ms]
        if self.link is not None and self.link.busy_ms is not None:
            times.append(self.link.busy_ms)
        oldest_ms = self.source.oldest_ms
        if oldest_ms is not None and not self.gateway.shut_reason:
            times.append(min(now_ms, oldest_ms + self._settings.journal.sync_interval_ms))
        return times

    def _open_journal(self) -> "Journal":
        sizes = Sizes(
            self._settings.journal.segment_bytes, BUFFER_BYTES, CHUNK_BYTES, FRAME_BYTES_MAX
        )
        medium = self._open_medium(BALLAST_SEGMENTS * sizes.segment_bytes + BALLAST_BYTES)
        try:
            journal = open_log(
                medium, lane_names(self._settings), self._chance, sizes, 0, BOOTS_MAX
            )
        except (StorageError, MemoryError):
            medium.close()
            raise
        if journal.set_aside or journal.damaged:
            fields = [("set_aside", len(journal.set_aside)), ("damaged", journal.damaged)]
            self._observer.report("error", "journal_salvaged", fields)
        return journal
