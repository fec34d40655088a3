"""The SQLite journal keeps the journal's contract, and agrees with the model in any history."""

import shutil
from random import Random

import pytest

pytest.register_assert_rewrite(
    "contracts.journal_contract",
    "contracts.journal_contract_lanes",
    "contracts.journal_contract_notes",
    "contracts.journal_steps",
)

from contracts.journal_contract import CONTRACT  # noqa: E402 - after the line above.
from contracts.journal_steps import ALL, expect_the_same_lane  # noqa: E402
from fakes.journal_script import Script, comparable, lane_of  # noqa: E402
from fakes.model_journal import ModelDisk  # noqa: E402
from tidegate_linux.journal.fresh import BYTES_MAX  # noqa: E402
from tidegate_linux.journal.sqlite import open_journal  # noqa: E402

LANES = ["main", "alarm"]


class SqliteBench:
    """Opens journals in folders of its own; a power cut is a copy of the files as they are."""

    recent_max = 30

    def __init__(self, path, fresh_bytes_max):
        self._path = path
        self._fresh_bytes_max = fresh_bytes_max
        self._folder = path / "0"
        self._count = 0
        self.journal = None
        self._open()

    def reopen(self):
        self.journal.close()
        return self._open()

    def crash(self):
        self._count += 1
        copy = self._path / str(self._count)
        shutil.copytree(self._folder, copy)
        (copy / "journal.db-shm").unlink(missing_ok=True)
        self.journal.close()
        self._folder = copy
        return self._open()

    def _open(self):
        self.journal = open_journal(
            self._folder,
            LANES,
            limit_bytes=100_000_000,
            recent_max=self.recent_max,
            fresh_bytes_max=self._fresh_bytes_max,
        )
        return self.journal


# Everything from the disk; some of it from memory; all that can be.
@pytest.fixture(params=[0, 5_000, BYTES_MAX], ids=["disk", "mixed", "memory"])
def bench(tmp_path, request):
    made = SqliteBench(tmp_path, request.param)
    yield made
    made.journal.close()


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise, bench):
    promise(bench)


@pytest.mark.parametrize("seed", range(40))
def test_any_history_gives_the_same_state_as_the_model(seed, bench):
    random = Random(seed)
    disk = ModelDisk(LANES, recent_max=bench.recent_max)
    model = disk.open()
    script = Script(random, disk)
    for _ in range(40):
        entries = script.entries(random.randint(1, 6))
        for journal in (bench.journal, model):
            journal.append(entries)
            journal.sync()
        chance = random.random()
        if chance < 0.1:
            bench.reopen()
            model = disk.open()
        elif chance < 0.2:
            bench.crash()
            model = disk.open()
        assert comparable(bench.journal.recover()) == comparable(model.recover())
        for source in ("listen", "other"):
            mine, theirs = (
                one.notes(source, b"", b"\xff\xff", ALL) for one in (bench.journal, model)
            )
            assert mine == theirs
        for lane in LANES:
            expect_the_same_lane(random, bench.journal, model, lane)
    for audit in bench.journal.audit():
        state = lane_of(bench.journal.recover(), audit.lane)
        assert audit[1:] == (state.held_records, state.held_bytes, 0)
