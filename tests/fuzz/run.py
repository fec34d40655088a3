"""Fuzz the parsers: `python tests/fuzz/run.py [--runs N] [--target NAME] [--seed N] [--plain]`.

Runs each target N times under atheris, one process a target, and exits with 1 when one of them went
wrong; the input that did it is left in `tests/fuzz/found/`, and `--replay FILE` runs it again.
Without atheris, or with `--plain`, a seeded loop of mutations stands in: it is blind to coverage.
"""

import argparse
import importlib.util
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
FOUND = FOLDER / "found"
RUNS = 1_000_000
# Longer inputs are slower and find no more: every length and count can be wrong in few bytes.
INPUT_BYTES_MAX = 1024
# A target holds the interpreter, atheris with its corpus, and what a parser may take; one
# allocation holds no more than a few times the 64 KiB that the batch target allows.
MEMORY_MB_MAX = 768
ALLOCATION_MB_MAX = 64
PLAIN_GROWTH_MB_MAX = 64
INPUT_S_MAX = 5
WARNING = "WARNING: atheris is not installed (pip install -e '.[fuzz]'): blind mutations instead"

sys.path[:0] = [str(ROOT / "core"), str(ROOT / "platforms"), str(ROOT / "tests"), str(FOLDER)]
INSTRUMENTED = ["tidegate", "tidegate_linux.endpoint.codec", "targets"]


def main(arguments=None):
    """Run the targets; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--target", action="append", help="one of them, may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, which is printed")
    parser.add_argument("--plain", action="store_true", help="mutations without atheris")
    parser.add_argument("--replay", type=Path, help="run one input, in this process")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    if options.child:
        return fuzz_here(options.child, options.runs, seed)
    plain = options.plain or importlib.util.find_spec("atheris") is None
    if plain and not options.plain:
        print(WARNING, flush=True)
    names = options.target or list(target_names())
    if options.replay:
        return replay(names[0], options.replay)
    run = run_plain if plain else run_atheris
    failed = [name for name in names if not run(name, options.runs, seed)]
    if failed:
        print(f"went wrong: {', '.join(failed)}")
    return 1 if failed else 0


def target_names():
    from targets import TARGETS

    return TARGETS


def replay(name, path):
    """Run a target on one input; what is wrong is raised."""
    from targets import target

    target(name)[0](path.read_bytes())
    print(f"{name}: nothing wrong with {path}")
    return 0


def run_atheris(name, runs, seed):
    """Run a target in a process of its own; tell whether all went well."""
    FOUND.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--child", name, "--runs", str(runs), "--seed", str(seed)]
    started_s = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started_s
    done = re.search(r"Done (\d+) runs in", result.stderr)
    count = int(done[1]) if done else 0
    good = result.returncode == 0 and count >= runs
    speed = f"{count / seconds:,.0f}/s" if count else "?"
    print(f"{name}: {count:,} runs, {speed}, seed {seed}: {'ok' if good else 'WRONG'}", flush=True)
    if not good:
        print(result.stdout[-4000:] + result.stderr[-8000:])
    return good


def fuzz_here(name, runs, seed):
    """Fuzz a target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from targets import target

        function, seeds = target(name)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds()):
            (Path(corpus) / f"seed{number}").write_bytes(data)
        flags = [
            f"-runs={runs}",
            f"-seed={seed}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}",
            f"-malloc_limit_mb={ALLOCATION_MB_MAX}",
            f"-timeout={INPUT_S_MAX}",
            f"-artifact_prefix={FOUND}/{name}-",
            corpus,
        ]
        atheris.Setup([sys.argv[0], *flags], function)
        atheris.Fuzz()
    return 0


def run_plain(name, runs, seed):
    """Mutate seeds blindly; tell whether all went well."""
    from targets import target

    function, seeds = target(name)
    chance = random.Random(seed)
    corpus = list(seeds())
    before_mb = peak_mb()
    started_s = time.monotonic()
    for count in range(1, runs + 1):
        data = mutated(chance, corpus)
        input_s = time.monotonic()
        try:
            function(data)
            slow = time.monotonic() - input_s > INPUT_S_MAX
            if slow or peak_mb() - before_mb > PLAIN_GROWTH_MB_MAX:
                raise AssertionError("more time or memory than announced")
        except Exception as error:  # Whatever it is, it is what we look for: kept and named.
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"{name}-plain-{seed}-{count}"
            path.write_bytes(data)
            print(f"{name}: run {count}, seed {seed}: WRONG, {error!r}; see {path}")
            return False
    speed = runs / (time.monotonic() - started_s)
    print(f"{name}: {runs:,} blind mutations, {speed:,.0f}/s, seed {seed}: ok", flush=True)
    return True


def mutated(chance, corpus):
    """Return one of the seeds with a few random changes."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        length = chance.randint(0, 8)
        how = chance.randrange(5)
        if how == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            data[at : at + length] = chance.randbytes(length)
        elif how == 2:
            del data[at : at + length]
        elif how == 3:
            other = chance.choice(corpus)
            start = chance.randint(0, len(other))
            data[at:at] = other[start : start + 4 * length]
        else:
            edge = chance.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 48))
            data[at : at + 8] = edge.to_bytes(8, "little")
    return bytes(data[:INPUT_BYTES_MAX])


def peak_mb():
    """Return the most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
