"""Entries for journals: made by hand for one case, or drawn at random so that they always fit.

A script draws an entry and applies it at once to a model disk of its own, which so runs ahead of
the journal under test and knows what the next entry may be.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold_all
from tidegate.records.span import Gap
from tidegate.store.journal import (
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Noted,
    Released,
    Renewed,
    Spent,
)

if TYPE_CHECKING:
    from random import Random

    from fakes.model_journal import ModelDisk
    from tidegate.records.span import Span
    from tidegate.store.journal import Entry, JournalState, LaneState

TOPICS = [
    b"site/a/temperature",
    b"site/b",
    "site/\u00e9\u5c71".encode(),
    b"\xff\x00raw",
    b"s/" * 90,
]


def make_records(count: int, boot: int = 1, size: int = 20, at_ms: int = 0) -> list[Record]:
    """Return records that differ from each other."""
    return [
        Record(boot, at_ms + i, b"site/%d" % (i % 7), b"%*d" % (size, at_ms + i), i % 3, b"")
        for i in range(count)
    ]


def admitted(state: LaneState, records: list[Record]) -> Admitted:
    """Return the entry that admits `records` behind what `state` has."""
    return Admitted(state.lane, state.last + 1, fold_all(state.last_hash, records), records)


def lane_of(state: JournalState, lane: str) -> LaneState:
    """Return one lane's state."""
    return next(found for found in state.lanes if found.lane == lane)


class Script:
    """Draws entries that fit what was drawn before; without `notes` none of a source's."""

    def __init__(self, random: Random, disk: ModelDisk, notes: bool = True) -> None:
        self._random = random
        self._notes = notes
        self.ahead = copy.deepcopy(disk)
        self._ticks_ms = 1000
        self._boot = max(disk.boots, default=0)

    def entries(self, count: int) -> list[Entry]:
        """Return `count` entries."""
        return [self._draw() for _ in range(count)]

    def _draw(self) -> Entry:
        entry: Entry | None = None
        while entry is None:
            lane = self._random.choice(list(self.ahead.lanes))
            state = self.ahead.lanes[lane].state(lane)
            kinds = (self._admit, self._release, self._drop, self._forget, self._rare)
            entry = self._random.choices(kinds, (9, 4, 3, 2, 1))[0](state)
        self.ahead.apply(entry)
        return entry

    def _admit(self, state: LaneState) -> Entry:
        random = self._random
        records = []
        for _ in range(random.choice((1, 1, 2, 5, 20))):
            self._ticks_ms += random.choice((0, 1, 1000))
            size = random.choice((0, 1, 20, 128, 128, 5000))
            properties = random.choice((b"", b"", random.randbytes(12)))
            payload = random.randbytes(size)
            topic = random.choice(TOPICS)
            flags = random.choice((0, 1, 2, 4, 5, 6))
            records.append(Record(self._boot, self._ticks_ms, topic, payload, flags, properties))
        return admitted(state, records)

    def _release(self, state: LaneState) -> Entry | None:
        if state.through == state.last:
            return None
        through = self._random.randint(state.through + 1, state.last)
        lane = self.ahead.lanes[state.lane]
        held = lane.held_records
        rest = sum(1 for _ in lane.rows_within(through + 1, state.last))
        return Released(state.lane, through, held - rest)

    def _drop(self, state: LaneState) -> Entry | None:
        random = self._random
        reason, kept = random.choice(
            (("overflow", False), ("overflow", False), ("damaged", False), ("poison: no", True))
        )
        if random.random() < 0.3:
            last = state.last + random.randint(1, 30)
            return Dropped(
                state.lane, state.last + 1, last, random.randrange(1 << 32), reason, False
            )
        first = random.randint(state.through + 1, state.last + 1)
        for gap in state.gaps:
            if gap.first <= first <= gap.last:
                first = gap.last + 1
        bounds = [gap.first - 1 for gap in state.gaps if gap.first > first]
        last = min([first + random.randint(0, 8), state.last, *bounds])
        if last < first:
            return None
        return Dropped(state.lane, first, last, None, reason, kept)

    def _forget(self, state: LaneState) -> Entry | None:
        if state.through == 0:
            return None
        return Forgotten(state.lane, self._random.randint(state.forgotten, state.through))

    def _rare(self, state: LaneState) -> Entry:
        random = self._random
        kind = random.randrange(5)
        if kind == 0:
            return Renewed(state.lane, f"{random.getrandbits(64):016x}")
        if kind == 1:
            return Spent(random.randrange(20000), random.randrange(1 << 40))
        if kind == 2 and self._notes:
            return Noted(
                random.choice(("listen", "other")),
                [
                    (random.randbytes(1), random.choice((None, b"", random.randbytes(60))))
                    for _ in range(random.randint(1, 8))
                ],
            )
        if kind == 3:
            self._boot += 1
        offset_ms = random.randrange(1 << 41)
        return Booted(Boot(self._boot, f"{self._boot:016x}", offset_ms, random.randrange(3)))


def joined(gaps: list[Gap]) -> list[Gap]:
    """Return gaps with neighbours of one reason made one: journals may do so or not."""
    result: list[Gap] = []
    for gap in gaps:
        if result and result[-1].last + 1 == gap.first and result[-1].reason == gap.reason:
            gap = Gap(result.pop().first, gap.last, gap.hash_at, gap.reason)
        result.append(gap)
    return result


def comparable(state: JournalState) -> tuple[object, ...]:
    """Return what two journals with the same history must agree in, besides their identities."""
    lanes = []
    for lane in state.lanes:
        lanes.append(
            (*lane[:1], *lane[2:8], sorted(lane.dropped.items()), joined(lane.gaps), *lane[10:])
        )
    return lanes, state.boots, state.spent, state.recent


def comparable_span(span: Span) -> tuple[object, ...]:
    """Return what two journals with the same history must agree in."""
    return (*span[:5], joined(span.gaps), *span[6:])
