"""Run many seeds, on several processors, and add up what they met."""

import gc
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from simulation.nodes.scenario import Scenario

CHUNK_SEEDS = 100


class Outcome(NamedTuple):
    """What a number of seeds came to; `failures` are lines that name their seed."""

    seeds: int
    events: int
    virtual_ms: int
    failures: list[str]
    met: Counter[str]
    trace_hash: int


def run_seed(seed: int) -> Outcome:
    """Run one seed.  Any error is its failure: a planted bug may end in anything."""
    scenario = Scenario(seed)
    failures = []
    # A node whose heap is full collects it, which here would go through all that the tests hold.
    gc.freeze()
    try:
        scenario.run()
    except Exception as error:
        failures.append(f"SEED={seed} {type(error).__name__}: {error}")
    finally:
        gc.unfreeze()
    world = scenario.world
    return Outcome(1, world.events, world.now_ms, failures, Counter(world.met), world.trace_hash)


def run_chunk(first: int, last: int) -> Outcome:
    """Run the seeds `first..last`."""
    total = Outcome(0, 0, 0, [], Counter(), 0)
    for seed in range(first, last + 1):
        total = _sum(total, run_seed(seed))
    return total


def run_seeds(first: int, last: int, processes: int) -> Outcome:
    """Run the seeds `first..last`; return what they came to."""
    if processes == 1:
        return run_chunk(first, last)
    starts = list(range(first, last + 1, CHUNK_SEEDS))
    ends = [min(start + CHUNK_SEEDS - 1, last) for start in starts]
    total = Outcome(0, 0, 0, [], Counter(), 0)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for outcome in pool.map(run_chunk, starts, ends):
            total = _sum(total, outcome)
    return total


def _sum(one: Outcome, other: Outcome) -> Outcome:
    one.met.update(other.met)
    return Outcome(
        one.seeds + other.seeds,
        one.events + other.events,
        one.virtual_ms + other.virtual_ms,
        one.failures + other.failures,
        one.met,
        one.trace_hash ^ other.trace_hash,
    )
