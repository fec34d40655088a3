"""A program in one file: put beside the one that runs, switched to, and put back.

At each instant `current` leads to a program that is whole, and so does `previous` from before the
switch on.  The order is the proof:

    1. the new program is written beside its place, synced, tried, renamed, its folder synced
    2. `previous` leads to the program that runs
    3. `trial` is put in place: it has no effect as long as `current` leads to another program
    4. `current` leads to the new program

and back:

    5. `current` leads to the old program; `trial` has no effect any more
    6. `result` says why, `trial` goes

Each step is durable before the next begins.  `packaging/launch/select` goes back the same way.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tidegate_linux.durable import Owner, give, remove, sync_folder, write_link
from tidegate_linux.install.layout import PROGRAM_MODE, Layout
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.release_file import ONEFILE, Release
from tidegate_linux.update.trial import Result, Trial, write_result, write_trial

KIND = ONEFILE
SPARE_BYTES = 16 * 1024 * 1024  # Left free beside a new program: links, logs, what else goes on.
UNFINISHED = ".unfinished"


class OnefileHost:
    """The programs of an installation, for whoever owns them; one process at a time."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.owner = Owner(layout.home.stat().st_uid, layout.home.stat().st_gid)

    def running(self) -> str:
        """Return the name of the program that `current` leads to."""
        current = self.layout.current
        try:
            return current.readlink().name
        except OSError as error:
            raise UpdateError(
                f"{current} is no link to a program",
                "put one there again: tidegate install, with the program that is to run",
            ) from error

    def before(self) -> str | None:
        """Return the name of the program that `previous` leads to, if there is a whole one."""
        try:
            name = self.layout.previous.readlink().name
        except OSError:
            return None
        return name if self.layout.version(name).is_file() else None

    def place(self, release: Release, check: Callable[[Path], None] | None = None) -> None:
        """Put a release's program beside the others, all of it or nothing.

        `check` tries the program before it has its name, and raises where it is not good: what was
        refused leaves nothing, and nothing can ever take it for a program to go back to.
        """
        manifest, versions = release.manifest, self.layout.versions
        self.prune()
        free = shutil.disk_usage(versions).free
        if free < manifest.size + SPARE_BYTES:
            raise UpdateError(
                f"there are {free} bytes free in {versions}, the release needs"
                f" {manifest.size + SPARE_BYTES}",
                "make room there",
            )
        path = self.layout.version(manifest.name)
        unfinished = path.with_name(f".{path.name}{UNFINISHED}")
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                release.copy_payload(file)
                file.flush()
                give(fd, self.owner)
                os.fchmod(fd, PROGRAM_MODE)
                os.fsync(fd)
            if check is not None:
                check(unfinished)
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(versions)

    def switch(self, trial: Trial) -> None:
        """Let the next start be the new program's, on trial."""
        write_link(self.layout.previous, f"versions/{trial.old}")
        write_trial(self.layout.trial, trial, self.owner)
        write_link(self.layout.current, f"versions/{trial.new}")

    def put_back(self, old: str, result: Result) -> None:
        """Let the next start be the old program's again, because of `result`."""
        write_link(self.layout.current, f"versions/{old}")
        self.end(result)

    def end(self, result: Result) -> None:
        """End the trial; what ran before is kept for going back by hand."""
        write_result(self.layout.result, result, self.owner)
        remove(self.layout.trial)

    def prune(self) -> None:
        """Delete the programs that neither link leads to, and what was never finished."""
        needed = {self.running(), self.before()}
        for path in self.layout.versions.iterdir():
            is_leftover = path.name.startswith(".") and path.name.endswith(UNFINISHED)
            is_program = path.name.startswith("tidegate-") and path.name not in needed
            if is_leftover or is_program:
                remove(path)
