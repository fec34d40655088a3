"""What this program is: its version and where it comes from, for people, packages and updates.

A frozen program has a file with it, written by build/binary.py; a checkout asks git.
"""

import json
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

import apsw

from tidegate.version import VERSION
from tidegate_linux.frozen import FOLDER, ONE_FILE, SOURCE, form

_FILE = Path(__file__).with_name("build_info.json")
_GIT_S = 5.0


class BuildInfo(NamedTuple):
    """One program.  Empty texts stand for what is not known."""

    version: str
    commit: str
    date: str  # Of the commit, UTC.
    sqlite: str
    python: str
    platform: str
    glibc_floor: str  # The oldest glibc that it runs on; from source, that is Python's business.
    form: str  # SOURCE, ONE_FILE or FOLDER of `frozen`.


def build_info() -> BuildInfo:
    """Return what this program is."""
    built = json.loads(_FILE.read_text()) if form() in (ONE_FILE, FOLDER) else _from_git()
    return BuildInfo(
        VERSION,
        built["commit"],
        built["date"],
        apsw.sqlite_lib_version(),
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
        built["glibc_floor"],
        form(),
    )


def _from_git() -> dict[str, str]:
    """Return the commit of the checkout that this file lies in, if it lies in one."""
    assert form() == SOURCE
    command = ["git", "-C", str(_FILE.parent), "log", "-1", "--format=%H %cd"]
    date = ["--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--", str(_FILE.parents[2])]
    try:
        result = subprocess.run(
            [*command, *date],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_S,
            env={"TZ": "UTC"},
        )
        commit, _, when = result.stdout.strip().partition(" ")
    except (OSError, subprocess.SubprocessError):
        commit = when = ""
    return {"commit": commit, "date": when, "glibc_floor": ""}
