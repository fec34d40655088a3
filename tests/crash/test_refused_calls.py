"""An error of every single sync and every single write of the journal.

strace makes the kernel refuse the n-th call.  Whatever is refused, the journal says so, what was
acknowledged is there when it is opened again, and nothing is acknowledged that is not.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from crash.storing_program import LANES, LIMIT_BYTES, lane_of
from fakes.journal_script import admitted, make_records
from tidegate_linux.journal.sqlite import open_journal

COMMITS = 12
PROGRAM = [sys.executable, "-m", "crash.storing_program"]
STRACE = shutil.which("strace")

pytestmark = pytest.mark.skipif(
    STRACE is None, reason="strace is not installed: apt install strace"
)


def run(folder, calls, fault=None):
    """Run the program under strace; return its words and the number of `calls` it made."""
    command = [STRACE, "-f", "-qq", "-y", "-e", f"trace={calls}", "-o", str(folder) + ".trace"]
    if fault is not None:
        command += ["-e", f"inject={calls}:{fault}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, *PROGRAM, str(folder), str(COMMITS)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trace = (folder.parent / f"{folder.name}.trace").read_text()
    return done.stdout.split("\n")[:-1], trace


def last_said(words, what):
    numbers = [int(line.split()[-1]) for line in words if line.startswith(what)]
    return numbers[-1] if numbers else 0


def expect_whole(folder, words):
    """What was acknowledged is there, the rows are sound, and more can be stored."""
    journal = open_journal(folder, LANES, limit_bytes=LIMIT_BYTES)
    state = lane_of(journal.recover(), "main")
    acknowledged = last_said(words, "acknowledged")
    # One commit more may have reached the medium before its success could be reported.
    assert state.last in (acknowledged, acknowledged + 3)
    assert last_said(words, "recovered") in (0, state.last)
    span = journal.read("main", state.forgotten + 1, 10_000, 1 << 30)
    assert (span.last, span.damaged) == (state.last, 0)
    assert [audit.missing for audit in journal.audit()] == [0]
    journal.append([admitted(state, make_records(1))])
    journal.sync()
    journal.close()


def sweep(tmp_path, calls, fault, step=1):
    """Refuse the first call, the second, and so on until there is none left to refuse."""
    refused = 0
    nth = 1
    while True:
        folder = tmp_path / f"{nth}"
        words, trace = run(folder, calls, f"{fault}:when={nth}")
        if "INJECTED" not in trace:
            break
        expect_whole(folder, words)
        refused += any(line.startswith("refused") for line in words)
        nth += step
    return nth - 1, refused


def test_every_commit_is_synced(tmp_path):
    words, trace = run(tmp_path / "node", "fdatasync,fsync")
    assert len(words) == COMMITS
    log_syncs = re.findall(r"f(?:data)?sync\(\d+<[^>]*journal\.db-wal>", trace)
    assert len(log_syncs) >= COMMITS


def test_any_sync_that_fails_is_reported_and_loses_nothing(tmp_path):
    calls, refused = sweep(tmp_path, "fdatasync,fsync", "error=EIO")
    assert calls > COMMITS
    assert refused > COMMITS


def test_any_write_refused_for_want_of_space_loses_nothing(tmp_path):
    calls, refused = sweep(tmp_path, "pwrite64", "error=ENOSPC", step=9)
    assert calls > COMMITS
    assert refused > 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO"])
def test_every_single_write_that_fails_loses_nothing(tmp_path, fault):
    calls, refused = sweep(tmp_path, "pwrite64", fault)
    assert calls > 10 * COMMITS
    assert refused > 10 * COMMITS


@pytest.mark.parametrize("first", [1, 20, 40])
def test_disk_that_stays_full_is_reported_and_keeps_what_it_has(tmp_path, first):
    folder = tmp_path / "node"
    words, _ = run(folder, "pwrite64", f"error=ENOSPC:when={first}+")
    assert any(line.startswith("refused full") for line in words)
    expect_whole(folder, words)
