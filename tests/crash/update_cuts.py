"""Cut the power of a disk anywhere in an update, and judge what is left.

A *story* is an update from its first byte to its end: the program is put beside the other and
switched to, `select` runs before each start, the gateway proves itself or does not.  It is told by
a child process on a file system of its own.  Before one of its calls the disk loses its power:
what was not synced is gone, or all of it was written back a moment before.  The file system
recovers, and then

- `current` must lead to a whole program, the old or the new one, before anybody repairs anything
- after `select` it must do so still, and the new one only on trial or with its proof
- the same story, told once more, must end as it should

Python's calls are seen through the interpreter's profiling hook, the shell's by programs of ours in
place of those it calls.  They count down one number together, in a file on another disk.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from crash.mounts import NO_LOG_FLUSH, SHUTDOWN, Mount
from fixtures.releases import KEY, Installation, manifest_of, release_of
from tidegate_linux.durable import Owner
from tidegate_linux.install.layout import Layout
from tidegate_linux.update.release_file import read_release
from tidegate_linux.update.trial import KEPT, Progress, Result, Trial, read_trial, write_progress

CALLS = ("open", "write", "flush", "fsync", "rename", "symlink", "unlink", "close", "fchmod")
SHELL_CALLS = ("mv", "ln", "rm", "sync", "cat")
POWER_GONE = 99
# What a shell says to have `Mount.cut_power` done.
_CUT = (
    f"{sys.executable} -SE -c 'import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], 0),"
    f' {SHUTDOWN}, struct.pack("I", {NO_LOG_FLUSH}))\''
)


def program(letter: str) -> bytes:
    """Return a program that says a letter, long enough to be cut in its middle."""
    return f"#!/bin/sh\necho {letter}\nexit 0\n".encode() + letter.encode() * 150_000


OLD, NEW = program("o"), program("n")
OLD_NAME, NEW_NAME = manifest_of(OLD, "1.0.0").name, manifest_of(NEW, "1.1.0").name
WHOLE = {OLD_NAME: hashlib.sha256(OLD).digest(), NEW_NAME: hashlib.sha256(NEW).digest()}
RELEASE = release_of(manifest_of(NEW, "1.1.0"), NEW)


class Story(NamedTuple):
    """How the starts of the new program end, and which program must be there in the end."""

    starts: tuple[str, ...]
    end: str


STORIES = {
    "good": Story(("stopped", "proved"), NEW_NAME),
    "bad": Story(("killed", "killed", "killed"), OLD_NAME),
}


class Cut(NamedTuple):
    """What a cut has left: whether it came at all, and what is wrong."""

    is_made: bool
    wrong: list[str]


class Rig:
    """One disk, and cuts of its power in updates that the module `onefile` makes."""

    def __init__(
        self, disk: Mount, folder: Path, onefile: ModuleType, select: str, is_written_back: bool
    ) -> None:
        """`is_written_back`: the kernel has written back all that it held just before the cut."""
        self._disk = disk
        self._is_written_back = is_written_back
        self._onefile = onefile
        self._select = select
        self._counter = folder / "counter"
        self._shell = folder / "shell"
        self._make_shell()
        self._root = disk.point / "root"
        self.layout = Layout(self._root)
        self._progress = self._root / "progress"
        self._told = 0

    def cut(self, story: Story, at: int) -> Cut:
        """Tell a story and cut the power before call number `at`; judge what is left."""
        shutil.rmtree(self._root, ignore_errors=True)
        Installation(self._root, OLD_NAME, OLD)
        self.layout.select.write_text(self._select)
        self._write_back()
        if not self._tell(story, at):
            return Cut(False, self._judge_end(story))
        self._disk.recover()
        self._count_down(0)
        wrong = [f"before select: {text}" for text in self._judge()]
        self._run_select()
        wrong += [f"after select: {text}" for text in self._judge() + self._judge_trial()]
        self._tell(story, 0)
        return Cut(True, wrong + [f"told again: {text}" for text in self._judge_end(story)])

    def _tell(self, story: Story, at: int) -> bool:
        """Tell a story in a child; return whether the power went."""
        self._count_down(at)
        self._told += 1
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._live(story, f"{self._told}")
                code = POWER_GONE if self._is_cut() else 0
            except BaseException:
                # Told to whoever reads the test's output; a child must never return from here.
                traceback.print_exc()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, POWER_GONE), f"the story itself has failed with {code}"
        return code == POWER_GONE

    def _cut_power(self) -> None:
        if self._is_written_back:
            self._write_back()
        self._disk.cut_power()

    def _write_back(self) -> None:
        subprocess.run(["sync", "-f", self._disk.point], check=True)

    def _count_down(self, at: int) -> None:
        """Have the power go before call number `at` from now, 0 for never."""
        self._counter.write_text(f"{at or 1_000_000}\n")

    def _live(self, story: Story, name: str) -> None:
        host = self._onefile.OnefileHost(self.layout)
        if host.running() == OLD_NAME:
            trial = Trial(name, NEW_NAME, OLD_NAME, 600, 0, self._progress)
            with _Countdown(self._counter, self._cut_power):
                host.place(read_release(io.BytesIO(RELEASE), [KEY]))
                host.switch(trial)
        for outcome in (*story.starts, "ended"):
            self._run_select()
            trial = read_trial(self.layout.trial)
            if self._is_cut() or trial is None or host.running() != NEW_NAME:
                return
            self._start(trial, outcome)
            if outcome == "proved":
                with _Countdown(self._counter, self._cut_power):
                    host.end(Result(trial.id, NEW_NAME, KEPT, "proved"))

    def _start(self, trial: Trial, outcome: str) -> None:
        """Be the new program for one start."""
        if outcome in ("proved", "stopped"):
            found = outcome == "proved", outcome == "stopped"
            progress = Progress(trial.id, trial.starts, 1, *found, "receipt", "")
            write_progress(self._progress, progress, Owner(os.geteuid(), os.getegid()))

    def _run_select(self) -> None:
        path = f"{self._shell}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", self.layout.select],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and not self._is_cut():
            raise OSError(f"select ends with {done.returncode}: {done.stderr}")

    def _is_cut(self) -> bool:
        return int(self._counter.read_text()) <= 0

    def _judge(self) -> list[str]:
        """Return what is wrong with the program that a start would be."""
        current = self.layout.current
        try:
            name, data = current.readlink().name, current.read_bytes()
        except OSError as error:
            return [f"current leads nowhere: {error.strerror}"]
        if hashlib.sha256(data).digest() != WHOLE.get(name):
            return [f"{name} is not whole, it has {len(data)} bytes"]
        return [] if os.access(current, os.X_OK) else [f"{name} cannot be run"]

    def _judge_trial(self) -> list[str]:
        """Return what is wrong if the new program would run without anybody watching it."""
        is_watched = read_trial(self.layout.trial) is not None or self._progress.exists()
        is_new = (
            self.layout.current.is_symlink() and self.layout.current.readlink().name != OLD_NAME
        )
        return ["the new program is on no trial"] if is_new and not is_watched else []

    def _judge_end(self, story: Story) -> list[str]:
        wrong = self._judge()
        if not wrong and self.layout.current.readlink().name != story.end:
            wrong.append(f"it ends with {self.layout.current.readlink().name}")
        if not wrong and self.layout.trial.exists():
            wrong.append("the trial does not end")
        return wrong

    def _make_shell(self) -> None:
        self._shell.mkdir()
        # This one disk is synced, not those of all who work on this machine.
        sync = f"{shutil.which('sync')} -f {self._disk.point}"
        before = f"{sync}; " if self._is_written_back else ""
        for name in SHELL_CALLS:
            call = sync if name == "sync" else f'{shutil.which(name)} "$@"'
            path = self._shell / name
            path.write_text(
                f"#!/bin/sh\nread -r n <{self._counter}\n"
                f"echo $((n - 1)) >{self._counter}\n"
                f'[ "$n" -eq 1 ] && {{ {before}{_CUT} {self._disk.point}; }}\n'
                f"exec {call}\n"
            )
            path.chmod(0o755)


class _Countdown:
    """Counts this process's calls down, and cuts the power at the last one."""

    def __init__(self, counter: Path, cut: Callable[[], None]) -> None:
        self._counter = counter
        self._cut = cut
        self._left = int(counter.read_text())

    def __enter__(self) -> None:
        sys.setprofile(self._see)

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        self._counter.write_text(f"{self._left}\n")

    def _see(self, _frame: object, event: str, what: object) -> None:
        if event != "c_call" or getattr(what, "__name__", "") not in CALLS:
            return
        self._left -= 1
        if self._left == 0:
            sys.setprofile(None)
            self._cut()
            os._exit(POWER_GONE)


def cuts(rig: Rig, story: Story) -> Iterator[list[str]]:
    """Cut a story before each of its calls; yield what each cut has left wrong."""
    at = 1
    while (cut := rig.cut(story, at)).is_made:
        yield cut.wrong
        at += 1
    assert not cut.wrong, f"the story ends badly without a cut: {cut.wrong}"
