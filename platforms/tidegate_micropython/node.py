"""A node: what a sketch calls.

    node = tidegate_micropython.start()
    node.put("greenhouse/1/temp", 21.5)

Promises that a record is on flash when `put` or `aput` returns, and then reaches the target exactly
once (P1, P2); and that what `put_nowait` has queued is there with the next group commit.
"""

import asyncio
import gc
import json
import select
import time

from tidegate.errors import StorageError
from tidegate.events import Message
from tidegate.records.record import RETAIN, pack_properties
from tidegate.records.topics import check_topic
from tidegate_micropython.board import OFF
from tidegate_micropython.journal import place_of
from tidegate_micropython.sampler import Sampler
from tidegate_micropython.shell import RECORD_BYTES_MAX, Shell
from tidegate_micropython.source import Ticket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tidegate.config.node_settings import NodeSettings
    from tidegate.ports import Observer
    from tidegate_micropython.board import Board
    from tidegate_micropython.clock import Clock

QOS = 1  # What a record counts as for who subscribes to it further on.
OPEN_FOLDERS: "set[str]" = set()  # Two nodes on one log would write over each other's records.
DEPTH_MAX = 16  # Of a value: the stack of a board has room for some of its calls.
SLICE_MS = 50  # How soon the loop notices what was queued,
BUSY_MS = 5  # and an answer that has come.


class Node:
    """A running node; made by `start`."""

    def __init__(
        self,
        settings: "NodeSettings",
        shell: Shell,
        clock: "Clock",
        board: "Board",
        observer: "Observer",
    ) -> None:
        self.settings = settings
        self.shell = shell
        self.clock = clock
        self.board = board
        self.observer = observer
        self.samplers: list[Sampler] = []
        self._is_closed = False
        self._place = place_of(settings.journal.folder)
        OPEN_FOLDERS.add(self._place)

    def put(
        self,
        topic: str,
        value: "Any",
        retain: bool = False,
        properties: "Sequence[tuple[str, str]]" = (),
    ) -> None:
        """Store one record, and what is queued, and return when that is on flash.

        Bytes and text are stored as they are, all else as JSON.  Raises `ValueError` or `TypeError`
        for what can be no record, and `StorageError` when the log does not take it: after the kind
        "full" it was not stored or, with `drop-newest`, counted as dropped; after "io" it may be
        there all the same.
        """
        message = self._message(topic, value, retain, properties)
        ticket = Ticket()
        source = self.shell.source
        source.add(message, ticket)
        try:
            self.shell.turn(commit=True)
            if not ticket.is_stored and ticket.error is None:
                # The journal has just been opened again, or has to be given up first.
                self.shell.turn(commit=True)
        finally:
            if not ticket.is_stored:
                source.withdraw(ticket)
        if not ticket.is_stored:
            raise ticket.error or source.error

    def put_nowait(
        self,
        topic: str,
        value: "Any",
        retain: bool = False,
        properties: "Sequence[tuple[str, str]]" = (),
    ) -> bool:
        """Queue one record for the next group commit and return at once.

        Returns False when the queue is full: the record is then not taken, which is counted and
        logged.  Raises `ValueError` or `TypeError` as `put` does.
        """
        message = self._message(topic, value, retain, properties)
        source = self.shell.source
        if not source.has_room(len(message.topic) + len(message.payload)):
            source.refused += 1
            if source.refused & (source.refused - 1) == 0:  # The 1st, 2nd, 4th, 8th …
                self.observer.report("warning", "queue_full", [("refused", source.refused)])
            return False
        source.add(message, None)
        return True

    async def aput(
        self,
        topic: str,
        value: "Any",
        retain: bool = False,
        properties: "Sequence[tuple[str, str]]" = (),
    ) -> None:
        """Store one record with the next group commit and return then; raise as `put` does.

        For the running mode, whose loop makes that commit.  Waits for room in the queue.
        """
        message = self._message(topic, value, retain, properties)
        source = self.shell.source
        while not source.has_room(len(message.topic) + len(message.payload)):
            await asyncio.sleep_ms(SLICE_MS)
        ticket = Ticket()
        source.add(message, ticket)
        while not ticket.is_stored and ticket.error is None:
            await asyncio.sleep_ms(SLICE_MS)
        if ticket.error is not None:
            raise ticket.error

    def every(self, seconds: float, topic: str, read: "Callable[[], Any]") -> Sampler:
        """In running mode, put what `read()` returns each so many seconds, queued.

        Call it before `run`.  `read` may be a coroutine function.  When it raises, that is logged
        and counted.
        """
        _topic_of(topic)
        if not callable(read):
            raise TypeError("read is no function")
        period_ms = int(seconds * 1000)
        if period_ms < 1:
            raise ValueError("a period is at least a millisecond")
        sampler = Sampler(period_ms, topic, read)
        self.samplers.append(sampler)
        return sampler

    def run(self) -> None:
        """Run until `close` is called from a task or a sampler."""
        asyncio.run(self.running())

    async def running(self) -> None:
        """Run on the asyncio loop that is there, beside other tasks, until `close`."""
        self.board.start_watchdog()
        self.shell.uses_network = True
        tasks = [asyncio.create_task(self._sample(sampler)) for sampler in self.samplers]
        try:
            while not self._is_closed:
                try:
                    self.shell.turn()
                except MemoryError:
                    gc.collect()  # The next turn finds what this one left.
                await self._rest()
        finally:
            for task in tasks:
                task.cancel()

    async def _rest(self) -> None:
        """Sleep until the next turn is due."""
        now_ms = self.clock.now_ms()
        due_ms = self.shell.deadline_ms(now_ms)
        if self.shell.is_busy:
            due_ms = min(due_ms, now_ms + BUSY_MS)
        while True:
            await asyncio.sleep_ms(max(0, min(SLICE_MS, due_ms - now_ms)))
            now_ms = self.clock.now_ms()
            self.board.show(self.shell.pattern, now_ms)
            queued_ms = self.shell.source.deadline_ms()
            if self._is_closed or now_ms >= due_ms:
                return
            if queued_ms is not None and now_ms >= queued_ms:
                return

    async def _sample(self, sampler: Sampler) -> None:
        while not self._is_closed:
            await asyncio.sleep_ms(sampler.wait_ms(self.clock.now_ms()))
            if self._is_closed:
                return
            sampler.next(self.clock.now_ms())
            try:
                self.put_nowait(sampler.topic, await sampler.value())
            except Exception as error:
                sampler.failed(error, self.observer)

    def cycle(self, samples: "Sequence[tuple[str, Any]]", sleep_s: float) -> None:
        """Store samples, upload if that is due, and sleep deeply; for boards that sleep.

        `samples` are (topic, value), or (topic, function that reads it).  After the sleep the board
        starts anew; where it cannot sleep deeply, this waits and returns.
        """
        from tidegate_micropython.cycle import run_cycle

        run_cycle(self, samples, sleep_s)

    def sync(self) -> None:
        """Return when all that was queued is on flash; raise `StorageError` when it is not."""
        source = self.shell.source
        self.shell.turn(commit=True)
        if source.oldest_ms is not None:
            self.shell.turn(commit=True)
        if source.oldest_ms is not None:
            raise source.error

    def upload(self, timeout_ms: int) -> bool:
        """Commit what is queued and send what is held; tell whether nothing is left."""
        self.shell.uses_network = True
        is_done = self._send_all(self.clock.now_ms() + timeout_ms)
        self.shell.settle()  # A sleep may follow, which would forget what was delivered.
        return is_done

    def _send_all(self, until_ms: int) -> bool:
        shell = self.shell
        shell.turn(commit=True)
        while shell.held_records() or shell.source.oldest_ms is not None or not shell.gateway.node:
            now_ms = self.clock.now_ms()
            if now_ms >= until_ms:
                return False
            due_ms = min(until_ms, shell.deadline_ms(now_ms), now_ms + 1000)
            self._wait(max(0, due_ms - now_ms))
            shell.turn(commit=True)
        return True

    def _wait(self, wait_ms: int) -> None:
        """Wait for a socket of the link, so long at most."""
        interests = [] if self.shell.link is None else self.shell.link.interests()
        if not interests:
            time.sleep_ms(wait_ms)
            return
        poller = select.poll()
        for socket, flags in interests:
            poller.register(socket, flags)
        poller.poll(wait_ms)

    def status(self) -> "dict[str, Any]":
        """Return what the node says of itself, under the names that a gateway uses."""
        from tidegate_micropython.status import status_of

        return status_of(self)

    def close(self) -> None:
        """Commit what is queued, end `run`, and release everything."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.sync()
        except StorageError as error:
            waiting = self.shell.source.status()["waiting"]
            self.observer.report("error", "queue_lost", [("records", waiting), ("why", str(error))])
        try:
            self.shell.close()
        finally:
            OPEN_FOLDERS.discard(self._place)
        self.board.show(OFF, 0)
        gc.collect()

    def _message(
        self,
        topic: str,
        value: "Any",
        retain: bool,
        properties: "Sequence[tuple[str, str]]",
    ) -> Message:
        """Return the message, or raise for what can be none."""
        if self._is_closed:
            raise ValueError("the node is closed")
        name = _topic_of(topic)
        payload = payload_of(value)
        packed = pack_properties([(_bytes_of(key), _bytes_of(one)) for key, one in properties])
        size_bytes = len(name) + len(payload) + len(packed)
        if size_bytes > RECORD_BYTES_MAX:
            raise ValueError(f"a record of {size_bytes} bytes is over {RECORD_BYTES_MAX}")
        flags = QOS | RETAIN if retain else QOS
        return Message(name, payload, flags, packed, b"", self.clock.now_ms(), None)


def payload_of(value: "Any") -> bytes:
    """Return the bytes that stand for a value: its own, or its JSON."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    _check_json(value, DEPTH_MAX)
    return json.dumps(value).encode()


def _check_json(value: "Any", depth: int) -> None:
    """Refuse what `json.dumps` of a board writes all the same, as what is no JSON."""
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            raise ValueError("is nested too deeply")
        for one in value:
            if isinstance(value, dict):
                _bytes_of(one)
                one = value[one]
            _check_json(one, depth - 1)
    elif isinstance(value, float):
        if value - value != 0:
            raise ValueError(f"{value} is no number in JSON")
    elif value is not None and not isinstance(value, (bool, int, str)):
        raise TypeError(f"cannot store a {type(value).__name__}")


def _bytes_of(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no str")
    return text.encode()


def _topic_of(topic: str) -> bytes:
    name = _bytes_of(topic)
    check_topic(name)
    if name[:1] == b"$":
        raise ValueError("topics that begin with $ are the receiver's own")
    return name
