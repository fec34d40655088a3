"""The user of the service, on this host or in an image.

On a host `useradd` makes it, which knows the host's ranges and locks.  An image may be for another
kind of machine, and a small system may have no useradd: there the lines are written here, into the
files that are there, with a number that neither users nor groups have.

Nobody removes the user again: a number that is given anew would own what the old one left behind.
"""

import shutil
import subprocess
from pathlib import Path

from tidegate_linux.durable import ROOT, Owner, write_file
from tidegate_linux.install.errors import InstallError
from tidegate_linux.install.layout import DATA, USER, Layout

# What Debian, Red Hat and BusyBox leave to system users; taken from the top, as they do.
NUMBERS = range(999, 99, -1)
SHELL = "/usr/sbin/nologin"


def user_files(layout: Layout) -> tuple[Path, ...]:
    """Return the files that know users, there or not."""
    etc = layout.root / "etc"
    return tuple(etc / name for name in ("passwd", "group", "shadow", "gshadow"))


def owner_in(layout: Layout) -> Owner | None:
    """Return the numbers of the service's user and group, or None when one of them is missing."""
    etc = layout.root / "etc"
    uid = _numbers(etc / "passwd").get(USER)
    gid = _numbers(etc / "group").get(USER)
    return None if uid is None or gid is None else Owner(uid, gid)


def add_user(layout: Layout) -> None:
    """Add the user and the group of the service, those that are missing."""
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not layout.is_host or program is None:
        _write_lines(layout.root / "etc")
        return
    groups = _numbers(layout.root / "etc" / "group")
    group = ["--gid", USER] if USER in groups else ["--user-group"]
    command = [program, "--system", *group, "--no-create-home", "--home-dir", DATA]
    command += ["--shell", SHELL, "--comment", "Tidegate", USER]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise InstallError(f"the user {USER} was not added: {reason}", f"add it by hand: {USER}")


def _write_lines(etc: Path) -> None:
    users, groups = _numbers(etc / "passwd"), _numbers(etc / "group")
    taken = {*users.values(), *groups.values()}
    free = next(number for number in NUMBERS if number not in taken)
    gid = groups.get(USER, free)
    # Passwords that nothing matches, in all files that a system of this kind has.
    _add_line(etc / "group", f"{USER}:x:{gid}:")
    _add_line(etc / "passwd", f"{USER}:x:{free}:{gid}:Tidegate:{DATA}:{SHELL}")
    for name, line in (("shadow", f"{USER}:!*:::::::"), ("gshadow", f"{USER}:!*::")):
        if (etc / name).exists():
            _add_line(etc / name, line)


def _numbers(path: Path) -> dict[str, int]:
    """Return the names in a passwd or group file with their numbers."""
    if not path.exists():
        return {}
    fields = [line.split(":") for line in path.read_text("utf-8", "replace").splitlines()]
    return {each[0]: int(each[2]) for each in fields if len(each) > 2 and each[2].isdigit()}


def _add_line(path: Path, line: str) -> None:
    data = path.read_bytes() if path.exists() else b""
    if any(each.startswith(f"{USER}:".encode()) for each in data.splitlines()):
        return
    if data and not data.endswith(b"\n"):
        data += b"\n"
    if path.exists():
        _replace(path, data + line.encode() + b"\n")
    else:
        write_file(path, data + line.encode() + b"\n", 0o644, ROOT)


def _replace(path: Path, data: bytes) -> None:
    status = path.stat()
    write_file(path, data, status.st_mode & 0o7777, Owner(status.st_uid, status.st_gid))
