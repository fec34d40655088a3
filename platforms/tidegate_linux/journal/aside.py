"""The folders of damaged files, and the account of its salvage that lies in each.

What a salvage did is said as long as the folder stands, over any number of starts: somebody has to
look at what was lost, and says so by taking the folder away.
"""

import contextlib
import json
import os
from collections import namedtuple
from pathlib import Path

DAMAGED_MAX = 8  # Damaged databases that are kept; a medium that damages more is not to be trusted.
_ACCOUNT = "salvage.json"
_ACCOUNT_BYTES_MAX = 4096  # Ours has a hundred.


class Salvage(namedtuple("Salvage", ("folder", "records", "lost", "notes_lost"))):
    """What a salvage did: where the damaged files are, how many held records were carried over, how
    many numbers became gaps, or went to the quarantine, for being damaged, and how many notes of
    sources were found damaged.  The counts are None where the folder has no account."""

    __slots__ = ()
    folder: Path
    records: "int | None"
    lost: "int | None"
    notes_lost: "int | None"

    def __str__(self) -> str:
        text = f"the journal was damaged, and its files were set aside in {self.folder}"
        if self.records is None:
            return text
        text += f"; {self.records} held records were carried over, {self.lost} lost"
        return text + (f", and {self.notes_lost} notes of sources" if self.notes_lost else "")


COUNTS = Salvage._fields[1:]


def folder_of(home: Path, number: int) -> Path:
    """Return where the damaged files go, or went, for the `number`th time."""
    return home / f"damaged-{number}"


def write_account(salvage: Salvage) -> None:
    """Leave word beside the damaged files of what became of them, durably."""
    with (salvage.folder / _ACCOUNT).open("w", encoding="ascii") as file:
        json.dump(dict(zip(COUNTS, salvage[1:], strict=True)), file)
        file.flush()
        os.fsync(file.fileno())


def salvages(home: Path) -> list[Salvage]:
    """Return what was set aside in `home` and still is there, the oldest first."""
    numbers = range(1, DAMAGED_MAX + 1)
    folders = [folder_of(home, number) for number in numbers]
    return [_salvage_of(folder) for folder in folders if folder.is_dir()]


def _salvage_of(folder: Path) -> Salvage:
    account: object = None
    with contextlib.suppress(OSError, ValueError), (folder / _ACCOUNT).open("rb") as file:
        account = json.loads(file.read(_ACCOUNT_BYTES_MAX))
    counts = [account.get(name) if isinstance(account, dict) else None for name in COUNTS]
    if not all(isinstance(count, int) for count in counts):
        counts = [None] * len(counts)
    return Salvage(folder, *counts)
