"""Run the simulation: python tests/simulation/run.py --seeds 0..9999, or --seed N --trace."""

import argparse
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in ("core", "tests"):
    sys.path.insert(0, str(ROOT / folder))

from simulation.scenario import Scenario  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="0..999")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        arguments.seeds = f"{arguments.seed}..{arguments.seed}"
    first, _, last = arguments.seeds.partition("..")
    started = time.perf_counter()
    met = Counter()
    failures = []
    count = events = 0
    for seed in range(int(first), int(last or first) + 1):
        scenario = Scenario(seed, arguments.trace)
        count += 1
        try:
            scenario.run()
        except Exception as error:
            failures.append((seed, f"{type(error).__name__} {error}"))
            print(f"SEED={seed} {type(error).__name__}: {error}")
            if arguments.trace:
                print("\n".join(scenario.world.trace))
                traceback.print_exc()
        met.update(scenario.world.met)
        events += scenario.world.events
    seconds = time.perf_counter() - started
    for name, number in sorted(met.items()):
        print(f"{number:6} {name}")
    print(f"{count} seeds, {len(failures)} failed, {count / seconds:.0f} seeds/s, {events} events")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
