"""Open a journal to look after it by hand: with its gateway stopped, and as the user who owns it.

A running gateway keeps the lanes' figures in memory and has the journal locked, so nobody else may
change it.  What only looks needs none of this.
"""

import os
from pathlib import Path

from tidegate.errors import StorageError
from tidegate_linux.journal.errors import JournalError, storage_error
from tidegate_linux.journal.folder import JournalFolder, lock_holder
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.journal.store import SqliteJournal


def open_to_change(folder: Path, lanes: "list[str]", limit_bytes: int) -> SqliteJournal:
    """Open the journal in `folder` as its gateway does; as root, become its owner first.

    Raises `JournalError`, and makes no journal where there is none.
    """
    if not has_journal(folder):
        raise JournalError(f"there is no journal in {folder}", "start the gateway once")
    refuse_if_running(folder)
    become_owner(JournalFolder(folder).database)
    try:
        return open_journal(folder, lanes, limit_bytes=limit_bytes)
    except StorageError as error:
        raise unreadable(folder, error) from error


def has_journal(folder: Path) -> bool:
    """Tell whether there is a journal in `folder`; raise `JournalError` for who may not look."""
    try:
        return JournalFolder(folder).database.exists()
    except OSError as error:
        raise unreadable(folder, storage_error(error)) from error


def refuse_if_running(folder: Path) -> None:
    """Raise `JournalError` where a gateway has the journal in `folder`."""
    holder = lock_holder(folder)
    if holder:
        raise JournalError(
            f"a gateway runs on the journal in {folder}, as process {holder}",
            "stop it, do this again, and start it: devices send again what was not acknowledged",
        )


def become_owner(path: Path) -> None:
    """Let root go on as the owner of `path`: files made from here on must be the gateway's."""
    owner = path.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def unreadable(folder: Path, error: StorageError) -> JournalError:
    """Return what a person is told where the medium, or the journal on it, refuses."""
    hint = "run it as the user of the gateway, or as root; tidegate check says more"
    return JournalError(f"the journal in {folder}: {error}", hint)
