"""Journals of older versions of the format, made from new ones by taking away what came later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from pathlib import Path


def make_old(folder: Path) -> None:
    """Make of a closed journal what version 1 had: no notes."""
    connection = apsw.Connection(str(folder / "journal.db"))
    connection.execute("DROP TABLE note; PRAGMA user_version = 1")
    connection.close()
