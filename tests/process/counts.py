"""How much is done by each test here: a little in seconds, and all of it in minutes.

    @sized(kills=(4, 200))
    def test_...(kills):

runs once with 4, and once with many marked slow: with all 200 where the environment has
TIDEGATE_TRIALS=all, and else with half of them, which is what fits into the time of `make slow`.
`spread` shares the larger number out to several instances, which run at the same time if the tests
do.
"""

import os
import random

import pytest

SHARE = 1 if os.environ.get("TIDEGATE_TRIALS") == "all" else 2
TRIALS = ("kills", "cuts", "stops", "replies")
SEED = int(os.environ.get("TIDEGATE_SEED", "0")) or random.SystemRandom().randrange(2**32)


def sized(**sizes: tuple[int, int]) -> pytest.MarkDecorator:
    """Run a test with the first size of each pair, and with the second one when there is time."""
    names = list(sizes)
    small = [sizes[name][0] for name in names]
    large = [sizes[name][1] // (SHARE if name in TRIALS else 1) for name in names]
    return pytest.mark.parametrize(
        names,
        [pytest.param(*small, id="quick"), pytest.param(*large, id="full", marks=pytest.mark.slow)],
    )


def spread(name: str, small: int, large: int, instances: int) -> pytest.MarkDecorator:
    """Run a test once with `small`, and `instances` times with its part of `large` each."""
    assert large % instances == 0
    full = [
        pytest.param(large // instances // SHARE, id=f"full-{number}", marks=pytest.mark.slow)
        for number in range(1, instances + 1)
    ]
    return pytest.mark.parametrize(name, [pytest.param(small, id="quick"), *full])


def bound(trials: int) -> str:
    """Return what no failure in so many trials says of the rate of failures: the rule of three."""
    return f"0 of {trials}: the rate is below {min(100, 300 / trials):.2g} % with 95 % confidence"
