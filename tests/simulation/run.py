"""Run the simulation by hand.

python tests/simulation/run.py --seeds 0..9999          run these, on all processors
python tests/simulation/run.py --seed 42 --trace        run one again, and show what happened
python tests/simulation/run.py --seeds 0..49 --hashes   one number a seed: equal runs, equal numbers
"""

import argparse
import os
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in ("core", "tests"):
    sys.path.insert(0, str(ROOT / folder))

from simulation.coverage import missed  # noqa: E402
from simulation.runner import run_seeds  # noqa: E402
from simulation.scenario import Scenario  # noqa: E402

COVERAGE_SEEDS_MIN = 10_000  # Fewer may miss something by chance.


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0..999", help="first..last")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="show what happened")
    parser.add_argument("--hashes", action="store_true", help="show a hash of each seed's trace")
    parser.add_argument("--met", action="store_true", help="show what was met, and how often")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("..")
    seeds = range(int(first), int(last or first) + 1)
    if arguments.seed is not None:
        seeds = range(arguments.seed, arguments.seed + 1)
    if arguments.trace or arguments.hashes:
        return max([_run_one(seed, arguments.trace) for seed in seeds])
    return _run_all(seeds, arguments.processes, arguments.met)


def _run_one(seed: int, is_traced: bool) -> int:
    scenario = Scenario(seed, is_traced)
    failure = None
    try:
        scenario.run()
    except Exception as error:
        failure = error
    for line in scenario.world.trace or []:
        print(line)
    if is_traced and failure is not None:
        traceback.print_exception(failure)
    print(f"SEED={seed} {scenario.world.trace_hash:08x} {failure or 'ok'}")
    return 0 if failure is None else 1


def _run_all(seeds: range, processes: int, shows_met: bool) -> int:
    outcome, seconds = run_seeds(seeds[0], seeds[-1], processes)
    for line in outcome.failures:
        print(line)
    if shows_met:
        for name, count in sorted(outcome.met.items()):
            print(f"{count:8} {name}")
    print(
        f"{outcome.seeds} seeds, {len(outcome.failures)} failed; {outcome.events} events,"
        f" {outcome.virtual_ms / 3_600_000:.0f} hours of virtual time in {seconds:.0f} s,"
        f" {outcome.seeds / seconds:.0f} seeds a second"
    )
    gaps = missed(outcome.met) if outcome.seeds >= COVERAGE_SEEDS_MIN else []
    for name in gaps:
        print(f"never met: {name}")
    return 1 if outcome.failures or gaps else 0


if __name__ == "__main__":
    sys.exit(main())
