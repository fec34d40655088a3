"""The folders that salvages have set aside: what lies in them, and how one goes.

A gateway that runs does not touch them, but for the one that a salvage has just begun to fill.
"""

import shutil
from pathlib import Path
from typing import Any

from tidegate_linux.durable import sync_folder
from tidegate_linux.journal.aside import COUNTS, Salvage, salvages
from tidegate_linux.journal.upkeep import become_owner
from tidegate_linux.quarantine.access import HINT_LIST, QuarantineError

_PREFIX = "damaged-"
_GOING = ".discarded"


def is_folder_name(name: str) -> bool:
    """Tell whether a person means a folder by `name`, and not a stream."""
    return name.startswith(_PREFIX)


def find_folder(home: Path, name: str) -> Salvage:
    """Return the folder `name` of those that were set aside in `home`."""
    for salvage in salvages(home):
        if salvage.folder.name == name:
            return salvage
    raise QuarantineError(f"there is no folder {home / name}", HINT_LIST)


def folder_fields(salvage: Salvage) -> dict[str, Any]:
    """Return what a folder holds, and what its salvage did; None is a count that nobody knows."""
    files = {path.name: path.stat().st_size for path in sorted(salvage.folder.iterdir())}
    return {
        "kind": "folder",
        "folder": str(salvage.folder),
        "files": files,
        "bytes": sum(files.values()),
        **{name: getattr(salvage, name) for name in COUNTS},
    }


def folder_lines(salvage: Salvage) -> list[str]:
    """Return what a person is told of a folder."""
    fields = folder_fields(salvage)
    files = [f"  {size:>14,} B  {name}" for name, size in fields["files"].items()]
    return [f"{salvage.folder.name}: {salvage}", *files]


def discard_folder(home: Path, name: str) -> None:
    """Take a folder away: its name at once, so that no half of it passes for the whole."""
    folder = find_folder(home, name).folder
    begun = home / "journal.salvage"
    if begun.exists() and begun.read_text() == name:
        hint = "start the gateway, which finishes that, and do this again"
        raise QuarantineError(f"a salvage is not finished with {folder}", hint)
    become_owner(folder)
    going = folder.with_name(name + _GOING)
    if going.exists():  # Of a run that was cut off.
        shutil.rmtree(going)
    folder.rename(going)
    sync_folder(home)
    shutil.rmtree(going)
    sync_folder(home)
