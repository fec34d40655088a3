"""The engine: the one place where effects meet ports, the same on every platform.

One engine owns the journal; nothing else touches it.  It is not a loop and never waits: a
platform's shell calls `step` with all events that have come in, and comes back by `deadline_ms` at
the latest.

    while running:
        engine.step(inbox.take_all(until=engine.deadline_ms(now())), now())

Effects are carried out in order.  When the journal refuses one, the rest of that list is dropped,
so no acknowledgement can overtake a failed commit; the journal is closed and opened anew.
"""

from tidegate.effects import (
    Acknowledge,
    Append,
    Fetch,
    Locate,
    Pause,
    Query,
    Refuse,
    Report,
    Resume,
    Seek,
    Send,
    Sync,
)
from tidegate.errors import StorageError
from tidegate.events import Arrived, Failed, Fetched, Gathered, Located, Recovered, Stored, Ticked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.effects import Effect
    from tidegate.events import Event
    from tidegate.gateway import Gateway
    from tidegate.ports import Deliver, Link, Observer, Source
    from tidegate.records.record import Record
    from tidegate.store.journal import Journal

REOPEN_MS_MIN = 100  # A passing fault is over at once,
REOPEN_MS_MAX = 10_000  # a full disk is looked at six times a minute.


class Engine:
    """Runs a gateway on its ports.

    `open_journal()` opens or creates the journal or raises `StorageError`; `link` is None where
    nothing is uplinked.
    """

    def __init__(
        self,
        gateway: "Gateway",
        open_journal: "Callable[[], Journal]",
        sources: "Sequence[Source]",
        link: "Link | None",
        observer: "Observer",
    ) -> None:
        self._gateway = gateway
        self._open_journal = open_journal
        self._sources = sources
        self._source_of = {source.name: source for source in sources}
        self._link = link
        self._observer = observer
        self._journal: Journal | None = None
        self._started: set[str] = set()
        # What is still to be handled: at most an answer for each lane and a `Stored` a list.
        self._events: list[Event] = []
        self._deliver: Deliver | None = None
        self._reopen_at_ms: int | None = None
        self._reopen_delay_ms = REOPEN_MS_MIN
        self._opened_at_ms = 0

    def start(self, deliver: "Deliver", now_ms: int) -> None:
        """Open the journal, then the sources; `deliver` takes events from any thread."""
        self._deliver = deliver
        if self._link is not None:
            self._link.start(deliver)
        self._reopen_at_ms = now_ms
        self.step([], now_ms)

    def step(self, events: "Sequence[Event]", now_ms: int) -> None:
        """Take in `events` and carry out everything that follows from them."""
        if self._journal is None and self._due(now_ms):
            self._reopen(now_ms)
        arrivals = [event for event in events if isinstance(event, Arrived)]
        if arrivals:
            self._handle(Gathered(arrivals), now_ms)
        for event in events:
            if not isinstance(event, Arrived):
                self._handle(event, now_ms)
        self._handle(Ticked(), now_ms)

    def deadline_ms(self, now_ms: int) -> "int | None":
        """Return when `step` has something to do if nothing comes in before."""
        if self._journal is None:
            return self._reopen_at_ms
        return self._gateway.deadline_ms(now_ms)

    def oldest_held(self, now_ms: int) -> "list[Record]":
        """Return the oldest held record of each lane, for who tells how long they have waited."""
        records: list[Record] = []
        if self._journal is None:
            return records
        try:
            for lane in self._gateway.lanes:
                if lane.held_records:
                    span = self._journal.read(lane.name, lane.through + 1, 1, 1)
                    records.extend(span.records)
        except StorageError as error:
            self._fail(error, now_ms)
        return records

    def hash_at(self, lane: str, seq: int, now_ms: int) -> "int | None":
        """Return a lane's running hash at `seq`, None where it is not known; for a link that is its
        own receiver."""
        if self._journal is None:
            return None
        try:
            return self._journal.hash_at(lane, seq)
        except StorageError as error:
            self._fail(error, now_ms)
        return None

    def give_up(self, error: StorageError, now_ms: int) -> None:
        """Give the journal up though it did not fail: a step was broken off, by a full heap.

        Nobody knows how far it came, so all that was not acknowledged counts as lost.
        """
        self._events.clear()
        self._fail(error, now_ms)

    def settle(self, now_ms: int) -> None:
        """Make durable what waits for the next commit; call it before a sleep or the end."""
        if self._journal is not None:
            try:
                self._journal.sync()
            except StorageError as error:
                self._fail(error, now_ms)

    def close(self) -> None:
        """Let go of the sources, the link and the journal; all that was acknowledged is durable."""
        for source in self._sources:
            source.close()
        if self._link is not None:
            self._link.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _due(self, now_ms: int) -> bool:
        return self._reopen_at_ms is not None and now_ms >= self._reopen_at_ms

    def _reopen(self, now_ms: int) -> None:
        try:
            self._journal = self._open_journal()
            self._opened_at_ms = now_ms
            state = self._journal.recover()
        except StorageError as error:
            self._fail(error, now_ms)
            return
        self._handle(Recovered(state), now_ms)

    def _handle(self, event: "Event", now_ms: int) -> None:
        """Hand `event` to the gateway; carry out its effects and all that follows from them."""
        self._events.append(event)
        while self._events:
            effects = self._gateway.handle(self._events.pop(0), now_ms)
            try:
                for effect in effects:
                    self._carry_out(effect)
            except StorageError as error:
                self._fail(error, now_ms)  # Whatever is still to be handled counts for nothing now.

    def _fail(self, error: StorageError, now_ms: int) -> None:
        """Give the journal up: what was appended since its last sync must count as lost."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            if now_ms - self._opened_at_ms >= REOPEN_MS_MAX:
                # That one was good for a while.  One commit would prove less: on a full disk a
                # boot's entry fits where no message does, and each time the sources reconnect.
                self._reopen_delay_ms = REOPEN_MS_MIN
        self._reopen_at_ms = now_ms + self._reopen_delay_ms
        self._reopen_delay_ms = min(REOPEN_MS_MAX, self._reopen_delay_ms * 2)
        for effect in self._gateway.handle(Failed(error.kind, error.detail), now_ms):
            self._carry_out(effect)

    def _carry_out(self, effect: "Effect") -> None:
        if isinstance(effect, (Append, Sync, Fetch, Locate, Seek)):
            self._carry_out_on_journal(effect)
        elif isinstance(effect, Acknowledge):
            self._source_of[effect.source].acknowledge(effect.generation, effect.tokens)
        elif isinstance(effect, Refuse):
            source = self._source_of[effect.source]
            source.refuse(effect.generation, effect.tokens, effect.reason)
        elif isinstance(effect, (Query, Send)):
            assert self._link is not None, "a gateway without an uplink sends nothing"
            if isinstance(effect, Query):
                self._link.query(effect.token, effect.stream, effect.at)
            else:
                self._link.send(effect.token, effect.batch)
        elif isinstance(effect, Pause):
            if effect.source in self._started:
                self._source_of[effect.source].pause(effect.reason)
        elif isinstance(effect, Resume):
            self._resume(effect.source)
        else:
            assert isinstance(effect, Report)
            self._observer.report(effect.level, effect.event, effect.fields)

    def _carry_out_on_journal(self, effect: "Append | Sync | Fetch | Locate | Seek") -> None:
        journal = self._journal
        assert journal is not None, "a gateway without a journal wants nothing of it"
        if isinstance(effect, Append):
            journal.append(effect.entries)
        elif isinstance(effect, Sync):
            journal.sync()
            self._events.append(Stored(journal.usage()))
        elif isinstance(effect, Fetch):
            span = journal.read(effect.lane, effect.first, effect.count_max, effect.bytes_max)
            self._events.append(Fetched(effect.lane, span))
        elif isinstance(effect, Seek):
            pairs = journal.notes(effect.source, effect.first, effect.stop, effect.count_max)
            self._source_of[effect.source].found(effect.generation, pairs)
        else:
            hash_at = journal.hash_at(effect.lane, effect.seq)
            self._events.append(Located(effect.lane, effect.seq, hash_at))

    def _resume(self, name: str) -> None:
        """Let a source in: for the first time once there is a journal to hold what it brings."""
        if name in self._started:
            self._source_of[name].resume()
            return
        self._started.add(name)
        assert self._deliver is not None
        self._source_of[name].start(self._deliver)
