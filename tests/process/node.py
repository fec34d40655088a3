"""A gateway inside the test's process whose clock jumps: to whatever is due, at once.

Engine, SQLite journal and HTTP link are the real ones.  Only the source is none, because tests
admit records by themselves, and no pause is waited for, so that a thousand failures take seconds.
"""

import queue
from pathlib import Path

from fixtures.hub import TOKEN
from tidegate.composition import compose
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.delivery.chance import Chance
from tidegate.engine import Engine
from tidegate.events import Arrived, Message
from tidegate.gateway import lane_names
from tidegate_linux.http.link import HttpLink
from tidegate_linux.journal.sqlite import open_journal

BOOT_IDENTITY = "0123456789abcdef"
ANSWER_S = 60.0
STEPS_MAX = 1000  # For one batch; so many mean that it never comes to an end.


class Node:
    """A running gateway; `url` is its hub's."""

    def __init__(self, folder: Path, url: str, seed: int, **uplink: object) -> None:
        settings = read_gateway(
            {
                "source": [{"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["site/#"]}],
                "journal": {"reserve_bytes": 1_000_000},
                "uplink": {"type": "http", "url": url, "token": TOKEN, "timeout_s": 5, **uplink},
            }
        )
        self.admitted = 0
        self.now_ms = 1000
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        self._link = CountedLink(HttpLink(settings.uplink))
        self._gateway = compose(settings, ["source-1"], BOOT_IDENTITY, Chance(seed))
        self._engine = Engine(
            self._gateway,
            lambda: open_journal(
                folder, lane_names(settings), limit_bytes=settings.journal.limit_bytes
            ),
            [SilentSource()],
            self._link,
            DeafObserver(),
        )
        self._engine.start(self._answers.put, self.now_ms)

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_error: object) -> None:
        self._engine.close()

    @property
    def through(self) -> int:
        """Return the last number that the hub has confirmed."""
        return self._gateway.lanes[0].through

    def deliver(self, count: int) -> None:
        """Admit `count` records, numbered in their payloads; return when they are confirmed."""
        messages = [
            Message(b"site/a", b"%06d" % number, 1, b"", b"", self.now_ms, None)
            for number in range(self.admitted + 1, self.admitted + count + 1)
        ]
        self.admitted += count
        self._engine.step([Arrived("source-1", 1, messages, [], None)], self.now_ms)
        for _ in range(STEPS_MAX):
            if self.through == self.admitted:
                return
            self.step()
        raise AssertionError(f"{self.through} of {self.admitted} confirmed, and no end of it")

    def step(self) -> None:
        """Take the next answer, or jump to what is due next."""
        events = []
        if self._link.open:
            events.append(self._answers.get(timeout=ANSWER_S))
            self._link.open -= 1
        else:
            due_ms = self._engine.deadline_ms(self.now_ms)
            assert due_ms is not None, "nothing is due, and yet not all is confirmed"
            self.now_ms = max(self.now_ms, due_ms)
        self._engine.step(events, self.now_ms)


class CountedLink:
    """A link that counts what is open."""

    def __init__(self, link: HttpLink) -> None:
        self.open = 0
        self.start = link.start
        self.close = link.close
        self._link = link

    def query(self, token, stream, at):
        self.open += 1
        self._link.query(token, stream, at)

    def send(self, token, batch):
        self.open += 1
        self._link.send(token, batch)


class SilentSource:
    """A source that brings nothing."""

    name = "source-1"
    generation = 1

    def start(self, _deliver):
        pass

    def acknowledge(self, _generation, _tokens):
        pass

    def pause(self, _reason):
        pass

    def resume(self):
        pass

    def status(self):
        return {}

    def close(self):
        pass


class DeafObserver:
    """An observer that forgets."""

    def report(self, _level, _event, _fields):
        pass
