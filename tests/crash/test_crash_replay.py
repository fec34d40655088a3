"""P1 and P4 at a power cut between any two writes: nothing that was acknowledged is lost.

Every image is what a power cut may leave of the real journal's own writes (`medium` has the rules).
With a fault planted the rig must report losses: a rig that does not is broken.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from crash.replay import replay

SEED = int(os.environ.get("TIDEGATE_SEED", "1"))


def replay_all(jobs):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        # Not a function of this file: a library installs a package `tests` that would hide ours.
        tallies = [each.result() for each in [pool.submit(replay, *job) for job in jobs]]
    images = sum(tally.images for tally in tallies)
    nested = sum(tally.nested_images for tally in tallies)
    violations = [text for tally in tallies for text in tally.violations]
    print(f"seeds {jobs[0][0]}..{jobs[-1][0]}: {images} images, {nested} of recoveries")
    if not violations:
        print(f"0 violations: with 95 % confidence fewer than {3 / images:.4%} of all power cuts")
    return images, nested, violations


def test_no_power_cut_loses_what_was_acknowledged():
    images, nested, violations = replay_all([(SEED, 1, 0.01), (SEED + 1, 1, 0.01)])
    assert violations == []
    assert images >= 1_500
    assert nested >= 50


@pytest.mark.slow
def test_no_power_cut_of_thirty_thousand_loses_what_was_acknowledged():
    jobs = [(seed, 6, 0.005) for seed in range(SEED + 100, SEED + 112)]
    images, nested, violations = replay_all(jobs)
    assert violations == []
    assert images >= 30_000
    assert nested >= 500


@pytest.mark.parametrize("plant", ["synchronous-normal", "acknowledge-before-sync"])
def test_rig_reports_the_losses_of_a_planted_fault(plant):
    _, _, violations = replay_all([(SEED, 1, 0.0, plant), (SEED + 1, 1, 0.0, plant)])
    print(f"{plant}: {len(violations)} images lose what was acknowledged")
    assert len(violations) > 100
