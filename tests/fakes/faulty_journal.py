"""A journal that fails when it is told to, around one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.model_journal import ModelJournal
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry, JournalState, Usage


class FaultyJournal:
    """A journal that fails at the n-th call of one method, and is dead from then on.

    `reaches_medium`: a failing `sync` did its work, and only its success was not reported.
    """

    def __init__(
        self, journal: ModelJournal, method: str, nth: int, kind: str, reaches_medium: bool = False
    ) -> None:
        self._journal = journal
        self._method = method
        self._calls_left = nth
        self._kind = kind
        self._reaches_medium = reaches_medium
        self._failed = False

    def recover(self) -> JournalState:
        self._meet("recover")
        return self._journal.recover()

    def append(self, entries: list[Entry]) -> None:
        self._meet("append")
        self._journal.append(entries)

    def sync(self) -> None:
        self._meet("sync")
        self._journal.sync()

    def read(self, lane: str, first: int, count_max: int, bytes_max: int) -> Span:
        self._meet("read")
        return self._journal.read(lane, first, count_max, bytes_max)

    def hash_at(self, lane: str, seq: int) -> int | None:
        self._meet("hash_at")
        return self._journal.hash_at(lane, seq)

    def notes(
        self, source: str, first: bytes, stop: bytes, count_max: int
    ) -> list[tuple[bytes, bytes]]:
        self._meet("notes")
        return self._journal.notes(source, first, stop, count_max)

    def usage(self) -> Usage:
        self._meet("usage")
        return self._journal.usage()

    def close(self) -> None:
        self._journal.close()

    def crash(self, chance: Callable[[], float]) -> None:
        self._journal.crash(chance)

    def _meet(self, method: str) -> None:
        if method == self._method and not self._failed:
            self._calls_left -= 1
            if self._calls_left == 0:
                self._failed = True
                if method == "sync" and self._reaches_medium:
                    self._journal.sync()
        if self._failed:
            raise StorageError(self._kind, f"planted at {self._method}")
