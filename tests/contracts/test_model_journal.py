"""The journal in memory keeps the same contract as the real one, and so does the one that fails."""

from itertools import product
from random import Random

import pytest

pytest.register_assert_rewrite(
    "contracts.journal_contract",
    "contracts.journal_contract_lanes",
    "contracts.journal_contract_notes",
    "contracts.journal_steps",
)

from contracts.journal_contract import CONTRACT  # noqa: E402 - after the line above.
from contracts.journal_steps import balance_holds, fill, main_of  # noqa: E402
from fakes.faulty_journal import FaultyJournal  # noqa: E402
from fakes.journal_script import admitted, make_records  # noqa: E402
from fakes.model_journal import ModelDisk  # noqa: E402
from tidegate.errors import (  # noqa: E402
    STORAGE_CORRUPT,
    STORAGE_FULL,
    STORAGE_IO,
    STORAGE_READONLY,
    StorageError,
)

LANES = ["main", "alarm"]
KINDS = (STORAGE_FULL, STORAGE_IO, STORAGE_READONLY, STORAGE_CORRUPT)


class ModelBench:
    recent_max = 30

    def __init__(self, wrap, chance):
        self.disk = ModelDisk(LANES, recent_max=self.recent_max)
        self._wrap = wrap
        self._chance = chance
        self.journal = wrap(self.disk.open())

    def reopen(self):
        self.journal.close()
        self.journal = self._wrap(self.disk.open())
        return self.journal

    def crash(self):
        self.journal.crash(self._chance)
        self.journal = self._wrap(self.disk.open())
        return self.journal


def never_failing(journal):
    return FaultyJournal(journal, "sync", 1 << 30, STORAGE_IO)


@pytest.mark.parametrize("chance", [0.0, 1.0])
@pytest.mark.parametrize("wrap", [lambda journal: journal, never_failing], ids=["plain", "faulty"])
@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise, wrap, chance):
    promise(ModelBench(wrap, lambda: chance))


@pytest.mark.parametrize(
    ("method", "kind", "reaches_medium"),
    [*product(("append", "sync", "read"), KINDS, (False, True))],
)
def test_failed_journal_is_dead_and_the_medium_holds_what_was_synced(method, kind, reaches_medium):
    for nth in range(1, 6):
        disk = ModelDisk(LANES)
        journal = FaultyJournal(disk.open(), method, nth, kind, reaches_medium)
        synced = 0
        with pytest.raises(StorageError) as caught:
            while True:
                fill(journal, 3, at_ms=synced)
                synced = main_of(journal).last
                journal.read("main", 1, 1, 1)
        assert caught.value.kind == kind
        with pytest.raises(StorageError):
            journal.sync()
        state = main_of(disk.open())
        assert state.last in (synced, synced + 3)
        assert balance_holds(state)
        assert state.last == synced or (method == "sync" and reaches_medium) or method == "read"


def test_full_disk_refuses_and_keeps_what_it_holds():
    disk = ModelDisk(LANES, capacity_bytes=1000)
    fill(disk.open(), 5)
    journal = disk.open()
    journal.append([admitted(main_of(journal), make_records(50))])
    with pytest.raises(StorageError) as caught:
        journal.sync()
    assert caught.value.kind == STORAGE_FULL
    assert main_of(disk.open()).last == 5


def test_crash_sometimes_finds_what_nobody_was_told_of():
    outcomes = set()
    random = Random(5)
    for _ in range(50):
        disk = ModelDisk(LANES)
        journal = disk.open()
        journal.append([admitted(main_of(journal), make_records(2))])
        journal.crash(random.random)
        outcomes.add(main_of(disk.open()).last)
    assert outcomes == {0, 2}
