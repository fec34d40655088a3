"""Histories for a journal on flash, with what must hold after each sync; written as JSON.

Drawn and accounted here, by the model journal on CPython; carried out on MicroPython.  So the two
share no code but the core's own codecs.
"""

from __future__ import annotations

import json
from binascii import crc32
from random import Random
from typing import TYPE_CHECKING

from fakes.journal_script import Script, admitted, comparable, joined
from fakes.model_journal import ModelDisk
from tidegate.records.record import Record
from tidegate.store.entry import entry_frames
from tidegate.store.journal import Released

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.store.journal import Entry, LaneState

LANES = ["main", "alarm"]
HELD_BYTES_MAX = 10_000  # So that a small flash is never full: another test is about that.
ALL = 1 << 30


class FlashScript(Script):
    """Draws what a small node writes: mostly short records, in groups, and now and then a long one.

    A group that is longer than the log's buffer in both lanes has a file closed in its middle.
    """

    def _admit(self, state: LaneState) -> Entry:
        random = self._random
        if sum(lane.held_bytes for lane in self.ahead.lanes.values()) > HELD_BYTES_MAX:
            return self._release(state) or self._rare(state)
        records = []
        for _ in range(random.choice((1, 1, 2, 5, 9))):
            self._ticks_ms += random.choice((0, 1, 1000))
            payload = random.randbytes(random.choice((0, 8, 40, 40, 40, 130, 700)))
            topic = random.choice((b"site/a/temperature", b"site/b", b"\xff\x00raw"))
            flags = random.choice((0, 1, 2, 4, 5, 6))
            records.append(Record(self._boot, self._ticks_ms, topic, payload, flags, b""))
        return admitted(state, records)

    def _release(self, state: LaneState) -> Entry | None:
        if self._random.random() < 0.5 and state.through < state.last:
            return Released(state.lane, state.last, state.held_records)
        return super()._release(state)


def write_history(path: Path, seed: int, groups: int) -> None:
    """Write a history of so many groups to `path`."""
    random = Random(seed)
    disk = ModelDisk(LANES)
    script = FlashScript(random, disk, notes=False)
    model = disk.open()
    told = []
    for _ in range(groups):
        entries = script.entries(random.choice((1, 2, 3, 6, 10)))
        model.append(entries)
        model.sync()
        reopens = random.random() < 0.15
        if reopens:
            model = disk.open()
        frames = [frame.hex() for entry in entries for frame in entry_frames(entry, 0)]
        told.append({"frames": frames, "reopens": reopens, "expected": _expected(model)})
    path.write_text(json.dumps({"lanes": LANES, "groups": told}))


def _expected(model) -> dict[str, object]:
    state = model.recover()
    _, boots, spent, _ = comparable(state)
    lanes = {}
    for lane in state.lanes:
        span = model.read(lane.lane, lane.forgotten + 1, ALL, ALL)
        assert span.last == lane.last
        digest = 0
        for record in span.records:
            digest = crc32(repr(tuple(map(_plain, record))).encode(), digest)
        lanes[lane.lane] = [
            *lane[2:8], sorted(map(list, lane.dropped.items())),
            [list(gap) for gap in joined(lane.gaps)], *lane[10:],
            len(span.records), digest, span.hash_before, [list(gap) for gap in joined(span.gaps)],
        ]  # fmt: skip
    return {"lanes": lanes, "boots": [list(boot) for boot in boots], "spent": list(spent)}


def _plain(field: object) -> object:
    """Return what prints the same on both Pythons."""
    return field.hex() if isinstance(field, bytes) else field
