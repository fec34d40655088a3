"""Run the real journal on the recorder, cut the power everywhere, open what is left, and judge.

A *history* is a seeded random workload: entries in groups, each group acknowledged when `sync` has
returned; checkpoints and restarts in between.  After each power cut the journal, opened by the code
that production runs, must be exactly in the state of the last acknowledged group, or of the one
that was being synced; it must take more; and a power cut during its recovery must change nothing.
"""

import copy
import hashlib
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from random import Random

from crash.medium import Medium, load, store
from crash.recorder import MARK, Recorder
from fakes.journal_script import Script, admitted, joined, lane_of, make_records
from fakes.model_journal import ModelDisk
from fakes.old_journal import make_old
from tidegate_linux.journal.sqlite import open_journal

LANES = ["main", "alarm"]
LIMIT_BYTES = 2_000_000
RECENT_MAX = 20
FILES = ("journal.db", "journal.db-wal")
ALL = 1 << 30
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None

Tally = namedtuple("Tally", ("images", "nested_images", "violations"))
History = namedtuple("History", ("base", "operations", "states"))


def replay(seed: int, images_per_operation: int, nested_share: float, plant: str = "") -> Tally:
    """Record one history and judge distinct images of it; `plant` names a fault to put in."""
    random = Random(seed)
    history = record(random, plant)
    medium = Medium(history.base)
    acknowledged = begun = 0
    seen: set[bytes] = set()
    nested_images = 0
    violations: list[str] = []
    for at, operation in enumerate(history.operations):
        if operation[0] == MARK:
            word, number = operation[2]
            begun = number
            acknowledged = number if word == "acknowledged" else acknowledged
        else:
            medium.follow(operation)
        for image in _images(medium, random, images_per_operation):
            key = _digest(image, acknowledged, begun)
            if key in seen:
                continue
            seen.add(key)
            expected = {number: history.states[number] for number in {acknowledged, begun}}
            nested = random.random() < nested_share
            found, more = judge(image, expected, nested, random)
            nested_images += more
            violations.extend([f"seed {seed}, operation {at}: {text}" for text in found])
    return Tally(len(seen), nested_images, violations)


def record(random: Random, plant: str) -> History:
    """Run a random workload on the recorder; return what it did and the states it went through.

    Half of the journals are of the format's version 1 when they are opened.
    """
    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    recorder = Recorder(f"recorder-{random.getrandbits(64):x}")
    try:
        open_journal(folder, LANES, limit_bytes=LIMIT_BYTES).close()
        if random.random() < 0.5:
            make_old(folder)
        base = load(folder, FILES)
        states = _run(folder, recorder, random, plant)
    finally:
        recorder.unregister()
        shutil.rmtree(folder)
    return History(base, recorder.operations, states)


def judge(
    image: dict[str, bytes], expected: dict[int, object], nested: bool, random: Random
) -> tuple[list[str], int]:
    """Open an image; return what is wrong with it and how many nested cuts were made."""
    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    try:
        store(image, folder)
        journal = open_journal(folder, LANES, limit_bytes=LIMIT_BYTES, recent_max=RECENT_MAX)
        found = state_of(journal)
        violations = [] if found in expected.values() else [_difference(found, expected)]
        violations.extend(_cannot_go_on(journal))
        journal.close()
    except Exception as error:
        # Whatever it is: an image must be openable.
        return [f"the journal does not open: {error!r}"], 0
    finally:
        shutil.rmtree(folder)
    if not nested or violations:
        return violations, 0
    return _judge_recovery(image, found, random)


def state_of(journal) -> object:
    """Return all that can be read from a journal, in a form that compares."""
    state = journal.recover()
    lanes = []
    for lane in state.lanes:
        lanes.append((*lane[:8], sorted(lane.dropped.items()), joined(lane.gaps), *lane[10:]))
        at = 1
        while at <= lane.last:
            span = journal.read(lane.lane, at, ALL, ALL)
            lanes.append((*span[:5], joined(span.gaps), *span[6:]))
            at = span.last + 1 if span.last >= at else lane.last + 1
    notes = [journal.notes(source, b"", b"\xff\xff", ALL) for source in ("listen", "other")]
    return lanes, state.boots, state.spent, state.recent, notes


def _run(folder: Path, recorder: Recorder, random: Random, plant: str) -> list[object]:
    journal = _open(folder, recorder, plant)
    disk = ModelDisk(LANES, recent_max=RECENT_MAX)
    for state in journal.recover().lanes:
        disk.lanes[state.lane].epoch = state.epoch
    model = disk.open()
    script = Script(random, disk)
    states = [state_of(model)]
    recorder.mark(("acknowledged", 0))
    for number in range(1, 25):
        entries = script.entries(random.choice((1, 2, 8)))
        model.append(entries)
        model.sync()
        # Of a copy: a reader stands at the end of what it reads, and gaps there are not joined.
        states.append(state_of(copy.deepcopy(disk).open()))
        recorder.mark(("begun", number))
        journal.append(entries)
        if plant != "acknowledge-before-sync" or number % 3 == 0:
            journal.sync()
        recorder.mark(("acknowledged", number))
        chance = random.random()
        if chance < 0.15:
            journal.checkpoint()
        elif chance < 0.25 and plant == "":
            journal.close()
            journal = _open(folder, recorder, plant)
            model = disk.open()
    journal.close()
    return states


def _open(folder: Path, recorder: Recorder, plant: str):
    journal = open_journal(
        folder, LANES, limit_bytes=LIMIT_BYTES, recent_max=RECENT_MAX, vfs=recorder.name
    )
    if plant == "synchronous-normal":
        journal._connection.pragma("synchronous", "NORMAL")
    return journal


def _images(medium: Medium, random: Random, count: int) -> list[dict[str, bytes]]:
    return [medium.whole(), medium.bare(), *[medium.image(random) for _ in range(count)]]


def _cannot_go_on(journal) -> list[str]:
    """Check the figures against the rows, and that more can be stored."""
    problems = []
    for audit in journal.audit():
        state = lane_of(journal.recover(), audit.lane)
        if audit[1:] != (state.held_records, state.held_bytes, 0):
            problems.append(f"{audit} does not match {state}")
        journal.append([admitted(state, make_records(3))])
        journal.sync()
        after = lane_of(journal.recover(), audit.lane)
        if after.last != state.last + 3 or journal.read(audit.lane, after.last, 1, 1).damaged:
            problems.append(f"{audit.lane} takes nothing more")
    return problems


def _judge_recovery(
    image: dict[str, bytes], expected: object, random: Random
) -> tuple[list[str], int]:
    """Cut the power again while the image is being recovered."""
    folder = Path(tempfile.mkdtemp(dir=SCRATCH))
    recorder = Recorder(f"nested-{random.getrandbits(64):x}")
    try:
        store(image, folder)
        _open(folder, recorder, "").close()
    finally:
        recorder.unregister()
        shutil.rmtree(folder)
    medium = Medium(image)
    seen = set()
    violations = []
    for operation in recorder.operations:
        medium.follow(operation)
        for again in _images(medium, random, 2):
            key = _digest(again, 0, 0)
            if key not in seen:
                seen.add(key)
                found, _ = judge(again, {0: expected}, False, random)
                violations.extend([f"during recovery: {text}" for text in found])
    return violations, len(seen)


def _digest(image: dict[str, bytes], acknowledged: int, begun: int) -> bytes:
    digest = hashlib.blake2b(f"{acknowledged} {begun}".encode(), digest_size=16)
    for name in sorted(image):
        digest.update(f"{name} {len(image[name])}\n".encode())
        digest.update(image[name])
    return digest.digest()


def _difference(found: object, expected: dict[int, object]) -> str:
    lasts = [lane[:3] for lane in found[0] if isinstance(lane[0], str)]
    return f"what is left is none of the states {sorted(expected)}: {lasts}"
