"""Who may look into the quarantine, and who may change it.

Anybody who may read the data folder looks, beside a running gateway as well.  To change it the
gateway must be stopped: it keeps the lanes' figures in memory, and has the journal locked.
"""

import os
from pathlib import Path

from tidegate.config.settings import GatewaySettings
from tidegate.errors import ProtocolError, StorageError
from tidegate.gateway import lane_names
from tidegate.limits import SEQ_MAX
from tidegate.records.stream import parse_stream
from tidegate_linux.config import load_gateway
from tidegate_linux.journal.folder import JournalFolder, lock_holder
from tidegate_linux.journal.quarantine_rows import StoredQuarantine, Wanted
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.journal.store import SqliteJournal

EVERYTHING = Wanted(None, None)
HINT_LIST = "see what there is: tidegate quarantine list"


class QuarantineError(Exception):
    """Report what cannot be done with the quarantine, and what to do about it."""

    def __init__(self, what: str, hint: str) -> None:
        Exception.__init__(self, what, hint)
        self.what = what
        self.hint = hint


def wanted_of(stream: str | None, seq: int | None) -> Wanted:
    """Return what a person means by a stream's name and a number, or without the one or both."""
    if stream is None:
        return EVERYTHING
    try:
        wanted = Wanted(parse_stream(stream), seq)
    except ProtocolError as error:
        raise QuarantineError(f"{stream} is no stream: {error.detail}", HINT_LIST) from error
    if seq is not None and not 0 < seq <= SEQ_MAX:
        raise QuarantineError(f"no record has the number {seq}", HINT_LIST)
    return wanted


def settings_of(config: Path) -> GatewaySettings:
    """Return the settings of the gateway whose file is `config`."""
    return load_gateway(config, secrets=False)[0]


def open_to_look(folder: Path) -> StoredQuarantine:
    """Open the quarantine of the journal in `folder` for reading."""
    try:
        return StoredQuarantine(folder)
    except StorageError as error:
        raise unreadable(folder, error) from error


def open_to_change(settings: GatewaySettings) -> SqliteJournal:
    """Open the journal as its gateway does, which must not run; as root, become its owner first."""
    folder = Path(settings.node.data)
    database = JournalFolder(folder).database
    if not database.exists():
        raise QuarantineError(f"there is no journal in {folder}", "start the gateway once")
    refuse_if_running(folder)
    become_owner(database)
    try:
        return open_journal(folder, lane_names(settings), limit_bytes=settings.journal.limit_bytes)
    except StorageError as error:
        raise unreadable(folder, error) from error


def refuse_if_running(folder: Path) -> None:
    """Raise `QuarantineError` where a gateway has the journal in `folder`."""
    holder = lock_holder(folder)
    if holder:
        raise QuarantineError(
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


def unreadable(folder: Path, error: StorageError) -> QuarantineError:
    """Return what a person is told where the medium, or the journal on it, refuses."""
    hint = "run it as the user of the gateway, or as root; tidegate check says more"
    return QuarantineError(f"the journal in {folder}: {error}", hint)
