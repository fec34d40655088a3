"""The segment log keeps the journal's contract, and agrees with the model in any history.

It keeps no notes: that part of the contract is not its own.
"""

import gc
from random import Random

import pytest

pytest.register_assert_rewrite(
    "contracts.journal_contract",
    "contracts.journal_contract_lanes",
    "contracts.journal_contract_notes",
    "contracts.journal_steps",
)

from contracts.journal_contract import CONTRACT  # noqa: E402 - after the line above.
from contracts.journal_contract_notes import NOTE_CONTRACT  # noqa: E402
from contracts.journal_steps import expect_the_same_lane  # noqa: E402
from fakes.journal_script import (  # noqa: E402
    Script,
    admitted,
    comparable,
    lane_of,
    make_records,
)
from fakes.model_journal import ModelDisk  # noqa: E402
from model_medium import ModelFlash, ModelMedium  # noqa: E402
from tidegate.delivery.chance import Chance  # noqa: E402
from tidegate.store.log import open_log  # noqa: E402
from tidegate.store.segment import Segment  # noqa: E402
from tidegate.store.segments import ROOMY, Sizes  # noqa: E402

LANES = ["main", "alarm"]
SMALL = Sizes(4096, 512, 256, 1 << 20)
OWN_CONTRACT = [promise for promise in CONTRACT if promise not in NOTE_CONTRACT]


class LogBench:
    """A log on a flash in memory; a power cut keeps `kept_share` of what was not synced."""

    recent_max = 30

    def __init__(self, sizes, kept_share=0.0, garbage=b""):
        self.flash = ModelFlash()
        self._sizes = sizes
        self._kept_share = kept_share
        self._garbage = garbage
        self._opened = 0
        self.journal = None
        self._open()

    def reopen(self):
        self.journal.close()
        return self._open()

    def crash(self):
        self._medium.cut(self._kept_share, self._garbage)
        return self._open()

    def _open(self):
        self._opened += 1
        self._medium = self.flash.open()
        chance = Chance(self._opened)
        self.journal = open_log(self._medium, LANES, chance, self._sizes, self.recent_max)
        return self.journal


CUTS = [(0.0, b""), (0.5, b""), (0.97, b"\xff" * 40), (0.0, b"\xf9\xd6\x01"), (1.0, b"\0" * 9)]


@pytest.fixture(params=[SMALL, ROOMY], ids=["small", "roomy"])
def sizes(request):
    return request.param


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: f"{cut[0]}-{len(cut[1])}")
@pytest.mark.parametrize("promise", OWN_CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise, sizes, cut):
    promise(LogBench(sizes, *cut))


@pytest.mark.parametrize("seed", range(60))
def test_any_history_gives_the_same_state_as_the_model(seed, sizes):
    random = Random(seed)
    bench = LogBench(sizes, *random.choice(CUTS))
    disk = ModelDisk(LANES, recent_max=bench.recent_max)
    model = disk.open()
    script = Script(random, disk, notes=False)
    for _ in range(40):
        entries = script.entries(random.randint(1, 6))
        for journal in (bench.journal, model):
            journal.append(entries)
            journal.sync()
        chance = random.random()
        if chance < 0.1:
            bench.reopen()
            model = disk.open()
        elif chance < 0.3:
            bench.crash()
            model = disk.open()
        assert comparable(bench.journal.recover()) == comparable(model.recover())
        for lane in LANES:
            expect_the_same_lane(random, bench.journal, model, lane)


class CountingMedium(ModelMedium):
    """Notes how many heads of segments are in memory whenever something is read."""

    def __init__(self, flash):
        ModelMedium.__init__(self, flash)
        self.heads_max = 0

    def read(self, number, at, size_bytes):
        heads = sum(isinstance(each, Segment) for each in gc.get_objects())
        self.heads_max = max(self.heads_max, heads)
        return ModelMedium.read(self, number, at, size_bytes)


def test_opening_reads_the_heads_of_segments_one_by_one():
    # On a board a long log would else take more memory to open than to run.
    bench = LogBench(SMALL)
    while len(bench.flash.synced) < 40:
        state = lane_of(bench.journal.recover(), "main")
        bench.journal.append([admitted(state, make_records(20))])
        bench.journal.sync()
    medium = CountingMedium(bench.flash)
    journal = open_log(medium, LANES, Chance(1), SMALL)
    assert lane_of(journal.recover(), "main").last > 40
    assert medium.heads_max < 5
