"""What is on trial, how it is doing, and how the last trial ended: three small text files.

    trial       beside the programs, root's: which program is on trial, against what, and how often
                it was started; `select`, a shell script, counts in it
    result      beside it: how the last trial ended, and why
    progress    in the gateway's own folder, the gateway's: what it has proved so far

Each is lines of a name and a value, below the name of the form and above `end`, so that a shell
reads them as easily as we do and half a file is told from a whole one.  They are put in place by a
rename after a sync.  `packaging/launch/select` reads and writes the same: it must change together
with this.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from tidegate_linux.durable import Owner, write_file

TRIAL_FORM = "tidegate-trial 1"
PROGRESS_FORM = "tidegate-progress 1"
RESULT_FORM = "tidegate-result 1"
END = "end"
FAILURES_MAX = 3  # Starts that end in a crash or a kill; `select` has the same number.
# What is proved must have held for so long in one start: a program that crashes sooner has failed.
HOLD_S = 60
BYTES_MAX = 4096
MODE = 0o644

KEPT, PUT_BACK = "kept", "put-back"
YES, NO = "yes", "no"
# How the hub's answer is proved: it came, or the gateway was well for as long as was agreed, or it
# has no hub.
RECEIPT, OFFLINE, NO_HUB = "receipt", "offline", "no-hub"


class Trial(NamedTuple):
    """A program on trial; its `id` begins with chance and ends with the program's `mark`.

    It has `limit_s` seconds of running, over all its starts, to prove itself.  `offline_s` is how
    long it must have run well to do without an answer of the hub, 0 where it must have one.
    `starts` and `failures` are what `select` has counted.  What is proved counts when it has held
    for `hold_s`; a `select` that is older than this leaves it out.
    """

    id: str
    new: str
    old: str
    limit_s: int
    offline_s: int
    progress: Path
    starts: int = 0
    failures: int = 0
    hold_s: int = HOLD_S


class Progress(NamedTuple):
    """What a gateway on trial has proved, `seconds` into it; `missing` is said in words."""

    id: str
    start: int
    seconds: int
    is_proved: bool
    is_stopped: bool
    receipt: str
    missing: str


class Result(NamedTuple):
    """How a trial ended."""

    id: str
    new: str
    outcome: str
    why: str


def mark(sha256: str) -> str:
    """Return what a trial's id ends with, for a program with this hash: it stays in the result."""
    return f"-{sha256[:32]}"


def write_trial(path: Path, trial: Trial, owner: Owner) -> None:
    """Put a trial in place."""
    fields = [(name, str(value)) for name, value in trial._asdict().items()]
    _write(path, TRIAL_FORM, fields, owner)


def read_trial(path: Path) -> Trial | None:
    """Return the trial in a file; None where there is none, or half of one."""
    found = _read(path, TRIAL_FORM)
    try:
        return Trial(
            found["id"],
            found["new"],
            found["old"],
            int(found["limit_s"]),
            int(found["offline_s"]),
            Path(found["progress"]),
            int(found["starts"]),
            int(found["failures"]),
            int(found.get("hold_s") or HOLD_S),
        )
    except (KeyError, ValueError):
        return None


def write_progress(path: Path, progress: Progress, owner: Owner) -> None:
    """Put a gateway's progress in place."""
    fields = [
        ("id", progress.id),
        ("start", str(progress.start)),
        ("seconds", str(progress.seconds)),
        ("proved", YES if progress.is_proved else NO),
        ("stopped", YES if progress.is_stopped else NO),
        ("receipt", progress.receipt or NO),
        ("missing", progress.missing or "nothing"),
    ]
    _write(path, PROGRESS_FORM, fields, owner)


def read_progress(path: Path) -> Progress | None:
    """Return the progress in a file; None where there is none, or it is not whole."""
    found = _read(path, PROGRESS_FORM)
    try:
        return Progress(
            found["id"],
            int(found["start"]),
            int(found["seconds"]),
            found["proved"] == YES,
            found["stopped"] == YES,
            found["receipt"],
            found["missing"],
        )
    except (KeyError, ValueError):
        return None


def write_result(path: Path, result: Result, owner: Owner) -> None:
    """Say how a trial ended."""
    _write(path, RESULT_FORM, list(result._asdict().items()), owner)


def read_result(path: Path) -> Result | None:
    """Return how the last trial ended, None where none has."""
    found = _read(path, RESULT_FORM)
    try:
        return Result(found["id"], found["new"], found["outcome"], found["why"])
    except KeyError:
        return None


def _write(path: Path, form: str, fields: list[tuple[str, str]], owner: Owner) -> None:
    lines = [form, *(f"{name} {' '.join(value.splitlines())}" for name, value in fields), END, ""]
    write_file(path, "\n".join(lines).encode(), MODE, owner)


def _read(path: Path, form: str) -> dict[str, str]:
    """Return a file's fields; nothing of what is not whole, not ours, or no plain file.

    Root reads what the gateway's user wrote: a link there is not followed, a pipe not waited for.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return {}
            lines = file.read(BYTES_MAX).decode("utf-8").split("\n")
    except (OSError, ValueError):
        return {}
    if lines[0] != form or lines[-2:] != [END, ""]:
        return {}
    pairs = [line.partition(" ") for line in lines[1:-2]]
    return {name: value for name, _, value in pairs}
