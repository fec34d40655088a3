"""Run the simulation of nodes by hand.

python tests/simulation/nodes/run.py --seeds 0..999       run these, one line a failure
python tests/simulation/nodes/run.py --seed 42 --trace    run one again, and show what happened
"""

import argparse
import os
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path[:] = [
    folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).parent
]
for folder in ("core", "platforms", "tests"):
    sys.path.insert(0, str(ROOT / folder))

from simulation.nodes.runner import run_seed, run_seeds  # noqa: E402
from simulation.nodes.scenario import Scenario  # noqa: E402


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
    if arguments.seed is not None:
        return _run_one(arguments.seed, arguments.trace)
    first, _, last = arguments.seeds.partition("..")
    seeds = range(int(first), int(last or first) + 1)
    if arguments.hashes:
        for seed in seeds:
            outcome = run_seed(seed)
            print(f"SEED={seed} {outcome.trace_hash:08x}")
        return 0
    return _run_all(seeds, arguments.processes, arguments.met)


def _run_one(seed: int, is_traced: bool) -> int:
    scenario = Scenario(seed, is_traced)
    failure = None
    try:
        scenario.run()
    except Exception as error:
        failure = error
    if is_traced:
        print(scenario.plan)
    for line in scenario.world.trace or []:
        print(line)
    if is_traced and failure is not None:
        traceback.print_exception(failure)
    print(f"SEED={seed} {scenario.world.trace_hash:08x} {failure or 'ok'}")
    return 0 if failure is None else 1


def _run_all(seeds: range, processes: int, shows_met: bool) -> int:
    started_s = time.perf_counter()
    outcome = run_seeds(seeds[0], seeds[-1], processes)
    seconds = time.perf_counter() - started_s
    for line in outcome.failures:
        print(line)
    if shows_met:
        for name, count in sorted(outcome.met.items()):
            print(f"{count:8} {name}")
    print(
        f"{outcome.seeds} seeds, {len(outcome.failures)} failed; {outcome.events} events,"
        f" {outcome.virtual_ms / 3_600_000:.0f} hours of virtual time in {seconds:.0f} s"
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
