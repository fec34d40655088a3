"""What could lose data on the machine itself: its clock, its disk, and a journal that is there."""

import errno
import os
import stat
import tempfile
from pathlib import Path

from tidegate.config.settings import JournalSettings
from tidegate.errors import StorageError
from tidegate.events import ClockRead
from tidegate.records.clock import SYNCHRONISED, is_plausible
from tidegate.store.room import BLOCK, DROP_NEWEST, DROP_OLDEST
from tidegate_linux.clock import read_clock
from tidegate_linux.journal.connection import connect_readonly
from tidegate_linux.journal.errors import WORLD_ERRORS, JournalError, storage_error
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.journal.lane_rows import load_lanes
from tidegate_linux.journal.reading import audit_lane, read_journal_state
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, Finding
from tidegate_linux.status.status import size

MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = ("tmpfs", "ramfs")
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


def check_clock(reading: ClockRead | None = None) -> list[Finding]:
    """Look whether the wall clock can be believed."""
    reading = reading or read_clock()
    if not is_plausible(reading.wall_ms):
        what = "shows a time that cannot be: records get theirs once it is set"
        return [Finding(WARNING, what, "set the clock, or install a time service, as chrony")]
    if reading.quality != SYNCHRONISED:
        what = "no time service vouches for it: records say that their time is merely set"
        return [Finding(WARNING, what, "install a time service, as chrony")]
    return [Finding(INFO, "a time service keeps it right", "")]


_WITHOUT_ROOM = {
    DROP_OLDEST: "each new message costs the oldest one that is held",
    DROP_NEWEST: "new messages are dropped",
    BLOCK: "nothing can be admitted",
}


def check_folder(folder: Path, settings: JournalSettings) -> list[Finding]:
    """Look whether the journal finds its room, on a medium that keeps it."""
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        return [Finding(ERROR, f"{parent} is not a folder", "name another one in node.data")]
    try:
        with tempfile.TemporaryFile(dir=parent):
            medium = os.statvfs(parent)
    except OSError as error:
        what = f"{parent} cannot be written: {(error.strerror or str(error)).lower()}"
        hint = "run the gateway and this check as the user who owns it"
        if error.errno == errno.EROFS:
            hint = "mount it for writing: a medium that fails is often mounted read-only"
        elif error.errno == errno.ENOENT:
            hint = "name another one in node.data"
        return [Finding(ERROR, what, hint)]
    findings = _look_at_medium(parent) + _look_at_modes(folder)
    free_bytes = medium.f_bavail * medium.f_frsize
    stored_bytes = sum(path.stat().st_size for path in folder.glob("journal.*"))
    wanted_bytes = settings.limit_bytes + settings.reserve_bytes - stored_bytes
    if free_bytes < settings.reserve_bytes:
        what = (
            f"only {size(free_bytes)} are free, less than journal.reserve_bytes: "
            + _WITHOUT_ROOM[settings.overflow]
        )
        findings.append(Finding(ERROR, what, "free some space, or lower journal.reserve_bytes"))
    elif free_bytes < wanted_bytes:
        what = (
            f"{size(free_bytes)} are free, but journal.limit_bytes and journal.reserve_bytes want "
            + f"{size(wanted_bytes)}: the journal is full earlier than planned"
        )
        findings.append(Finding(WARNING, what, "free some space, or lower journal.limit_bytes"))
    else:
        findings.append(Finding(INFO, f"{folder}: {size(free_bytes)} are free", ""))
    return findings


def _look_at_medium(folder: Path) -> list[Finding]:
    kind = medium_of(folder, MOUNTS)
    if kind in _IN_MEMORY:
        what = f"{folder} lies in memory ({kind}): a power cut takes what was acknowledged"
        return [Finding(ERROR, what, "name a folder on a disk or a card in node.data")]
    if kind in _REMOTE:
        what = f"{folder} lies on another machine ({kind}), whose flush we cannot rely on"
        return [Finding(WARNING, what, "name a folder on a disk of this machine in node.data")]
    return []


def _look_at_modes(folder: Path) -> list[Finding]:
    """Look whether the files are open to users who are neither the owner nor of the group."""
    if not folder.is_dir() or not folder.stat().st_mode & stat.S_IXOTH:
        return []
    names = sorted(path.name for path in folder.iterdir() if path.stat().st_mode & stat.S_IROTH)
    if not names:
        return []
    what = f"others on this machine can read {', '.join(names)} in {folder}"
    return [Finding(WARNING, what, f"chmod -R go-rwx {folder}")]


def medium_of(folder: Path, mounts: Path) -> str:
    """Return the kind of file system that `folder` is on, "" where it is not known."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        # proc(5): …, major:minor, …, then a lone hyphen and the type.
        fields = line.split()
        if len(fields) > 2 and fields[2] == number and "-" in fields:
            return fields[fields.index("-") + 1]
    return ""


def check_journal(folder: Path) -> list[Finding]:
    """Count what a journal holds row by row, beside a running gateway or without."""
    home = JournalFolder(folder)
    if not home.database.exists():
        return [Finding(INFO, "there is none yet; the first start makes it", "")]
    try:
        connection = connect_readonly(home.database)
        try:
            connection.execute("BEGIN")
            lanes = load_lanes(connection)
            state = read_journal_state(connection, lanes.values(), 0)
            audits = [audit_lane(connection, lane) for lane in lanes.values()]
        finally:
            connection.close()
    except JournalError as error:
        return [Finding(ERROR, error.what, error.hint)]
    except WORLD_ERRORS as error:
        return [_unreadable(folder, storage_error(error))]
    findings = []
    for audit in audits:
        if audit.missing:
            what = f"{audit.missing} records of lane {audit.lane} are gone from the file"
            hint = "the next start sets the damage aside and tells the hub; save a copy first"
            findings.append(Finding(ERROR, what, hint))
    held = sum(audit.held_records for audit in audits)
    what = f"node {state.node} holds {held:,} records, every row counted"
    return findings or [Finding(INFO, what, "")]


def _unreadable(folder: Path, error: StorageError) -> Finding:
    what = f"the journal in {folder} cannot be read: {error}"
    hint = "run this as the user whose gateway it is; if it is damaged, the gateway salvages it"
    return Finding(ERROR, what, hint)
