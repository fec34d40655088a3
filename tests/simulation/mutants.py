"""Planted bugs: each a real mistake that somebody could make, and that the simulation must find.

This is the one place where code of the project is patched, inside a context manager that takes
the patch out again.  Some of them are faults that the simulation found in the core once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fakes.model_journal import _Lane
from simulation import receiver
from simulation.core_mutants import CORE_MUTANTS, uploads_before_sync
from simulation.disk import SimDisk, SimJournal
from simulation.receiver import Receiver
from simulation.source import SimSource
from tidegate.gateway import Gateway
from tidegate.store.journal import Booted


class Patch(NamedTuple):
    """What stands where, given what is there."""

    owner: Any
    attribute: str
    make: Callable[[Any], Any]


class Mutant(NamedTuple):
    """A bug, and the patches that plant it."""

    name: str
    patches: tuple[Patch, ...]


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Have the bug in the code for as long as the block runs."""
    originals = []
    for owner, attribute, make in mutant.patches:
        # As it stands in its class: a property stays one.
        original = vars(owner)[attribute]
        originals.append((owner, attribute, original))
        setattr(owner, attribute, make(original))
    try:
        yield
    finally:
        for owner, attribute, original in originals:
            setattr(owner, attribute, original)


def _stale_acknowledgement(_original):
    def acknowledge(self, _generation, tokens):
        if self.is_connected:
            self._send_acknowledgements(tokens)

    return acknowledge


def _pause_that_keeps_the_connection(_original):
    def pause(self, _reason):
        return None

    return pause


def _rows_then_cursor(original):
    def apply(self, name, table, verdict):
        if self._world.happens(self._crash_rate):
            self.tables[name] = table
            table.write(verdict, [receiver.uid_of(record.payload) for record in verdict.records])
            self.is_up = False
            self._world.after(1000, self._up_again)
        else:
            original(self, name, table, verdict)

    return apply


def _cursor_then_rows(original):
    def apply(self, name, table, verdict):
        if self._world.happens(self._crash_rate):
            self.tables[name] = table
            table.cursor = verdict.cursor
            self.is_up = False
            self._world.after(1000, self._up_again)
        else:
            original(self, name, table, verdict)

    return apply


def _gap_off_by_one(original):
    def examine(cursor, span):
        verdict = original(cursor, span)
        if verdict.kind == "apply" and span.first <= cursor.through and span.gaps:
            # Counts the number of the gap's first once too often when it skips what is known.
            return verdict._replace(records=verdict.records[1:], hashes=verdict.hashes[1:])
        return verdict

    return examine


def _takes_what_is_ahead(original):
    def examine(cursor, span):
        if span.first > cursor.through + 1:
            cursor = cursor._replace(through=span.first - 1, hash_at=None)
        return original(cursor, span)

    return examine


def _visible_before_sync(_original):
    """An adapter whose reads show what was appended and not synced."""

    def append(self, entries):
        self._meet("append")
        if getattr(self, "before", None) is None:
            self.before = self._process.node.disk.image()
        self._journal.append(entries)
        self._journal._settle()
        self._process.crash_point("append")

    return append


def _undo_unsynced(original):
    def close(self):
        before = getattr(self, "before", None)
        if before is not None:
            self._process.node.disk.__dict__.update(before.__dict__)
        original(self)

    return close


def _forgets_one_too_many(original):
    def forget(self, through):
        freed_bytes = original(self, through)
        self.rows.pop(self.base + self.forgotten + 1, None)
        return freed_bytes

    return forget


def _drops_without_a_gap(_original):
    def add_gap(self, first, last, hash_at, reason, kept):
        return None

    return add_gap


def _clock_rewrites_records(original):
    def apply(self, entry):
        original(self, entry)
        if isinstance(entry, Booted):
            for lane in self.lanes.values():
                for row, (running, record) in lane.rows.items():
                    if record.boot == entry.boot.number and entry.boot.quality:
                        late = record._replace(ticks_ms=record.ticks_ms + 1)
                        lane.rows[row] = (running, late)

    return apply


def _forgets_what_was_undone(original):
    def sync(self):
        original(self)
        self.before = None

    return sync


_LAZY = (
    Patch(SimJournal, "append", _visible_before_sync),
    Patch(SimJournal, "sync", _forgets_what_was_undone),
    Patch(SimJournal, "close", _undo_unsynced),
    Patch(SimJournal, "lose_power", _undo_unsynced),
)


def _single(name: str, owner: Any, attribute: str, make: Callable[[Any], Any]) -> Mutant:
    return Mutant(name, (Patch(owner, attribute, make),))


MUTANTS = (
    Mutant("uploads before the commit", (*_LAZY, Patch(Gateway, "handle", uploads_before_sync))),
    *[_single(*row) for row in CORE_MUTANTS],
    _single("sends a stale acknowledgement", SimSource, "acknowledge", _stale_acknowledgement),
    _single("keeps a paused connection", SimSource, "pause", _pause_that_keeps_the_connection),
    _single("hub: commits rows before the cursor", Receiver, "apply", _rows_then_cursor),
    _single("hub: commits the cursor before rows", Receiver, "apply", _cursor_then_rows),
    _single("hub: skips one too many at a gap", receiver, "examine", _gap_off_by_one),
    _single("hub: takes what is ahead", receiver, "examine", _takes_what_is_ahead),
    _single("journal: forgets one too many", _Lane, "forget", _forgets_one_too_many),
    _single("journal: drops without a gap", _Lane, "_add_gap", _drops_without_a_gap),
    _single("journal: a corrected clock rewrites", SimDisk, "apply", _clock_rewrites_records),
)  # fmt: skip
