"""The shell of the Linux platform: a gateway as a process.

    sources' threads ──┐                         ┌── links' threads
                       └─> inbox ─> engine ──────┘
                                      └─> snapshot ─> status server

Promises that SIGTERM and SIGINT commit and acknowledge what has been taken in, and then end the
program with exit code 0; that a stuck engine is seen, because nobody else makes snapshots; and that
an engine which ends by itself ends the program, so that whoever supervises it starts it again.
SIGHUP has TLS files, users and tokens of nodes read again, and does nothing else: settings are
read at the start only, and a terminal that closes ends nothing.

One thread runs the engine and owns the journal.  The main thread only waits for signals.
"""

import gc
import logging
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tidegate.composition import compose
from tidegate.config.settings import GatewaySettings
from tidegate.delivery.chance import Chance
from tidegate.engine import Engine
from tidegate.gateway import lane_names
from tidegate.version import VERSION
from tidegate_linux.attendants import attendants
from tidegate_linux.board import Process, find_board
from tidegate_linux.clock import boot_identity, now_ms, read_clock
from tidegate_linux.endpoint.source import EndpointSource
from tidegate_linux.http.link import HttpLink
from tidegate_linux.inbox import Inbox
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.journal.timed import CommitTimes, TimedJournal
from tidegate_linux.log import LogObserver
from tidegate_linux.mqtt.source import MqttSource
from tidegate_linux.nodes.receiver import NodeReceiver
from tidegate_linux.status.server import StatusServer
from tidegate_linux.status.survey import Snapshot, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.events import Event
    from tidegate.ports import Source
    from tidegate.records.record import Record
    from tidegate.store.journal import Journal
    from tidegate_linux.journal.store import SqliteJournal

CLOCK_MS = 10_000  # How often the wall clock is looked at.
SNAPSHOT_MS = 500  # How often a snapshot is made while there is work,
IDLE_MS = 1000  # and while there is none.
OLDEST_MS = 2000  # How often the oldest records are looked up for it: that is a read of the disk.
# How many new objects make the garbage collector look for cycles.  Records are tuples, thousands at
# once and in no cycle; looked at as often as Python does by itself they cost an eighth of the CPU.
COLLECT_OBJECTS = 50_000

_LOG = logging.getLogger("tidegate.gateway")


class Shell:
    """A gateway in this process, run by a thread of its own from `start` to `stop`."""

    def __init__(self, settings: GatewaySettings, advice: Sequence[str]) -> None:
        """`advice` are warnings about the settings, for the status."""
        self._observer = observer = LogObserver()
        self._settings = settings
        self._times = CommitTimes()
        self._inbox = Inbox()
        sources: list[Source] = [
            MqttSource(f"source-{index + 1}", source, now_ms, observer)
            for index, source in enumerate(settings.sources)
        ]
        self._endpoint: EndpointSource | None = None
        self._nodes: NodeReceiver | None = None
        if settings.listeners or settings.nodes:
            self._nodes = node_receiver(settings, observer)
        if settings.listeners:
            self._endpoint = EndpointSource(settings, now_ms, observer, self._nodes)
            sources.append(self._endpoint)
        if self._nodes is not None:
            sources.append(self._nodes)
        lanes = lane_names(settings)
        chance = Chance(int.from_bytes(os.urandom(8), "little"))
        names = [source.name for source in sources]
        gateway = compose(settings, names, boot_identity(), chance)
        link = None if settings.uplink is None else HttpLink(settings.uplink, len(lanes))
        self._engine = Engine(gateway, self._open_journal, sources, link, observer)
        self._asked = threading.Event()
        board = find_board(settings, Process(self._end, self._asked))
        self._survey = Survey(
            settings, advice, gateway, sources, self._inbox, self._times, now_ms(), board
        )
        self._attendants = attendants(settings, board)
        self._snapshot: Snapshot | None = None
        self._oldest: list[Record] = []
        self._oldest_due_ms = 0
        self._error: Exception | None = None
        self._wake_fd = -1
        self._journal: SqliteJournal | None = None
        self._notes_damaged = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def snapshot(self) -> Snapshot | None:
        """Return the last snapshot; None before the first.  For any thread."""
        return self._snapshot

    def start(self, wake_fd: int = -1) -> None:
        """Run; a byte is written to `wake_fd`, if given, when it ends, of whatever cause."""
        self._wake_fd = wake_fd
        self._thread.start()

    def reload(self) -> None:
        """Have TLS files, users and tokens read again, where there are any."""
        if self._endpoint is not None:
            self._endpoint.reload()
        if self._nodes is not None:
            self._nodes.reload()

    def stop(self) -> None:
        """Take nothing more in, commit and acknowledge what was taken in, and end.

        Raises what ended the engine, if it was not this call.
        """
        self._asked.set()
        self._inbox.stop()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _end(self, error: Exception) -> None:
        """End as `stop` does, and have that raise this error.  For any thread."""
        if not self._asked.is_set():
            self._error = error
        self._inbox.stop()

    def _open_journal(self) -> "Journal":
        settings = self._settings
        journal = open_journal(
            Path(settings.node.data),
            lane_names(settings),
            limit_bytes=settings.journal.limit_bytes,
        )
        if journal.salvage is not None:
            found = journal.salvage
            fields: list[tuple[str, object]] = [
                ("folder", str(found.folder)),
                ("carried_over", found.records),
                ("lost", found.lost),
                ("notes_lost", found.notes_lost),
            ]
            self._observer.report("error", "journal_salvaged", fields)
        self._journal = journal
        self._notes_damaged = 0
        return TimedJournal(journal, self._times)

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:
            # Told by `stop`; whatever it is, the program must end and be started again.
            self._error = error
        finally:
            if self._wake_fd >= 0:
                os.write(self._wake_fd, b"\0")

    def _loop(self) -> None:
        try:
            self._engine.start(self._inbox.put, now_ms())
            self._step([], now_ms(), with_clock=True)
            clock_due_ms = now_ms() + CLOCK_MS
            snapshot_ms = now_ms()
            self._survey_now(snapshot_ms)
            while not self._inbox.stopped:
                at_ms = now_ms()
                due_ms = self._engine.deadline_ms(at_ms)
                until_ms = snapshot_ms + IDLE_MS
                until_ms = until_ms if due_ms is None else min(until_ms, due_ms)
                events = self._inbox.take_all((until_ms - at_ms) / 1000)
                at_ms = now_ms()
                self._step(events, at_ms, with_clock=at_ms >= clock_due_ms)
                if at_ms >= clock_due_ms:
                    clock_due_ms = at_ms + CLOCK_MS
                if at_ms >= snapshot_ms + SNAPSHOT_MS:
                    snapshot_ms = at_ms
                    self._survey_now(at_ms)
            for attendant in self._attendants:
                attendant.stopping()
            # What came in before the stop; whatever comes now is thrown away, and comes again.
            self._engine.step(self._inbox.take_all(0), now_ms())
        finally:
            self._inbox.stop()
            try:
                self._engine.close()
            finally:
                for attendant in self._attendants:
                    attendant.close()

    def _step(self, events: "list[Event]", at_ms: int, with_clock: bool) -> None:
        if with_clock:
            # First, so that the time of what came in is known when it is admitted.
            events = [read_clock(), *events]
        self._engine.step(events, at_ms)

    def _survey_now(self, at_ms: int) -> None:
        if self._journal is not None and self._journal.notes_damaged > self._notes_damaged:
            self._notes_damaged = self._journal.notes_damaged
            self._observer.report("error", "notes_damaged", [("count", self._notes_damaged)])
        if at_ms >= self._oldest_due_ms:
            self._oldest_due_ms = at_ms + OLDEST_MS
            self._oldest = self._engine.oldest_held(at_ms)
        self._snapshot = self._survey.take(at_ms, self._oldest)
        for attendant in self._attendants:
            attendant.attend(self._snapshot)


def node_receiver(settings: GatewaySettings, observer: LogObserver) -> NodeReceiver:
    """Return the source of nodes, at the endpoint and at all places of their own."""
    urls = " ".join(str(listener.url) for listener in settings.listeners)
    if not settings.nodes:
        return NodeReceiver(now_ms, observer, urls)
    # Brings a web framework along, 20 MB that a gateway without such a place does not pay.
    from tidegate_linux.nodes.http_place import HttpPlace

    return NodeReceiver(now_ms, observer, urls, [HttpPlace(place) for place in settings.nodes])


def run_gateway(settings: GatewaySettings, advice: Sequence[str]) -> None:
    """Run a gateway until SIGTERM or SIGINT.

    Raises `JournalError` for a journal that a person has to deal with.  For the main thread alone.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # The handlers do nothing: that there is a signal comes as a byte, through the pipe, to a place
    # where locks may be taken.
    for known in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(known, _note)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    shell = Shell(settings, advice)
    server = None
    if settings.status.url is not None:
        server = StatusServer(settings.status.url, lambda: shell.snapshot, now_ms)
        server.start()
    _LOG.info("tidegate %s starts as %s", VERSION, settings.node.name)
    _spare_collector()
    shell.start(writer)
    while (number := os.read(reader, 1)[0]) == signal.SIGHUP:
        _LOG.info("SIGHUP: TLS files, users and tokens are read again")
        shell.reload()
    if number:
        _LOG.info("%s: what was taken in is committed", signal.Signals(number).name)
    try:
        shell.stop()
    finally:
        if server is not None:
            server.close()
    _LOG.info("the gateway has stopped")


def _spare_collector() -> None:
    """Have the garbage collector look seldom, and never at what is here for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_OBJECTS)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Take a signal; the byte that comes with it is what counts."""
