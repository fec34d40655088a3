"""The simulation of nodes behind a gateway, as a test: see `docs/simulation.md`.

A failure names its seed; `python tests/simulation/nodes/run.py --seed N --trace` shows it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.mutants import planted
from simulation.nodes.coverage import missed
from simulation.nodes.mutants import MUTANTS, seeds_max
from simulation.nodes.runner import run_seed, run_seeds

QUICK_SEEDS = 300
SLOW_SEEDS = 5000
MISFITS = ("TypeError", "AttributeError", "NameError", "UnboundLocalError", "ImportError")
PROCESSES = min(2, os.cpu_count() or 1)

RUN = Path(__file__).parent / "nodes" / "run.py"


def expect_no_failures(outcome):
    if outcome.failures:
        pytest.fail("\n".join(outcome.failures[:20]), pytrace=False)


def test_two_hops_keep_their_promises_in_some_worlds():
    outcome = run_seeds(0, QUICK_SEEDS - 1, 1)
    expect_no_failures(outcome)
    assert outcome.seeds == QUICK_SEEDS


def test_a_seed_gives_the_same_run_of_two_hops_whatever_the_hash_seed():
    outputs = []
    for hash_seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, str(RUN), "--seeds", "0..39", "--hashes"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(result.stdout)
    assert outputs[0].count("SEED=") == 40
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_two_hops_keep_their_promises_in_many_worlds_and_every_fault_was_met():
    outcome = run_seeds(0, SLOW_SEEDS - 1, PROCESSES)
    expect_no_failures(outcome)
    assert missed(outcome.met) == []


@pytest.mark.slow
@pytest.mark.parametrize(("mutant", "took"), MUTANTS, ids=lambda value: getattr(value, "name", ""))
def test_a_planted_bug_of_two_hops_is_found(mutant, took):
    with planted(mutant):
        for seed in range(seeds_max(took)):
            failures = run_seed(seed).failures
            if failures:
                # What ends so is no find: the code has changed and the patch no longer fits it.
                assert not any(name in failures[0] for name in MISFITS), failures[0]
                print(f"found with {seed + 1} seeds: {failures[0]}")
                return
    pytest.fail(f"{seeds_max(took)} seeds did not find: {mutant.name}", pytrace=False)


def test_a_planted_bug_of_two_hops_is_taken_out_again():
    for mutant, _ in MUTANTS:
        before = [vars(patch.owner)[patch.attribute] for patch in mutant.patches]
        with planted(mutant):
            planted_here = [vars(patch.owner)[patch.attribute] for patch in mutant.patches]
        after = [vars(patch.owner)[patch.attribute] for patch in mutant.patches]
        assert before == after
        assert all(one is not other for one, other in zip(before, planted_here, strict=True))
