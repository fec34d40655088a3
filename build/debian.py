"""Trees of Debian for any kind of machine: `extracted(arch, packages)`, kept in a cache.

A tree holds the files that packages bring, and those they depend on, as mmdebstrap unpacks them;
nothing in it was run or configured.  So it takes seconds for a foreign architecture too, and it
does for a kernel with its modules, and for a root in which one program and its tools run: no users,
no services, no apt.  Trees are named by what is in them, so a changed list makes another one, and
are made anew when they are `DAYS_MAX` old: Debian has mended something since.  Without a network
the old one still does.

The cache lies outside of the checkout, in `~/.cache/tidegate` (or below `XDG_CACHE_HOME`): it is
half a gigabyte from the network, the same for every checkout, and `make clean` must not take it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bootstrap import administrator_prefix, missing_packages

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate"
SUITE = "bookworm"
DAYS_MAX = 30
DAY_S = 86_400
MAKE_S = 900.0  # It takes 10 to 30 s, most of it for the network.
# A root in which Python freezes a program: Python and the shared library of it that goes along;
# what PyInstaller calls: strip, objdump, ldd (which bash runs) and ldconfig; what it is called
# with: env and sh.  Emulated programs find their C library there, too.
FREEZING = ["python3", "libpython3.11", "binutils", "bash", "libc-bin", "coreutils", "dash"]
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Debian's name of an architecture -> the kernel's.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class DebianError(Exception):
    """Report why there is no such tree here, in one line."""


class MissingError(DebianError):
    """Report what this machine lacks for it; another one may have it."""


def extracted(arch: str, packages: "list[str]") -> Path:
    """Return the folder with such a tree; make it if it is missing or old."""
    recipe = json.dumps([SUITE, arch, sorted(packages)])
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    path = CACHE / f"tree-{arch}-{SUITE}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"{path.name}.lock"):
        if path.exists() and time.time() - path.stat().st_mtime < DAYS_MAX * DAY_S:
            return path
        say(f"making {path} with mmdebstrap")
        fresh = CACHE / f"new-{path.name}"
        remove(fresh)
        try:
            mmdebstrap(["--variant=extract", f"--arch={arch}"], packages, fresh)
        except DebianError as error:
            remove(fresh)
            if not path.exists():
                raise
            say(f"{error}; going on with the old one")
            return path
        remove(path)
        fresh.rename(path)
        # A folder has the time that mmdebstrap gave it, which is no time of ours.
        subprocess.run([*as_root(), "touch", str(path)], check=True)
    return path


def mmdebstrap(options: "list[str]", packages: "list[str]", out: Path) -> None:
    """Run mmdebstrap as root; raise with the end of what it said if it fails."""
    need({"mmdebstrap": "mmdebstrap", "arch-test": "arch-test"})
    include = f"--include={','.join(packages)}"
    command = [*as_root(), "mmdebstrap", *options, include, SUITE, str(out)]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MAKE_S
        )
    except subprocess.TimeoutExpired:
        raise DebianError(f"mmdebstrap was not done in {MAKE_S:.0f} s") from None
    if result.returncode:
        raise DebianError(f"mmdebstrap failed: {result.stderr[-2000:]}")


def allow_foreign(arch: str) -> None:
    """Have the kernel run programs of another architecture, in a chroot too, or raise."""
    entry = BINFMT / f"qemu-{MACHINES[arch]}"
    if not (BINFMT / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
        subprocess.run([*as_root(), *mount], check=False, capture_output=True)
    if not entry.exists():
        need({"qemu-user-static": f"{entry.name}-static", "binfmt-support": "update-binfmts"})
        enable = ["update-binfmts", "--enable", entry.name]
        subprocess.run([*as_root(), *enable], check=False, capture_output=True)
    if not entry.exists():
        raise MissingError(f"this kernel runs no {arch} programs: {entry} cannot be had")
    # F: the interpreter was opened when it was registered, so a chroot needs no copy of it.
    flags = next(line for line in entry.read_text().splitlines() if line.startswith("flags:"))
    if "F" not in flags:
        raise MissingError(f"{entry} has no flag F: programs would not run in a chroot")


def need(packages: "dict[str, str]") -> None:
    """Raise unless the program of each of these packages is there."""
    missing = missing_packages(packages)
    if missing:
        raise MissingError(f"apt-get install {' '.join(missing)}")


def host_arch() -> str:
    """Return Debian's name of this machine's architecture, "" for one we do not build for."""
    machine = os.uname().machine
    return next((arch for arch, name in MACHINES.items() if name == machine), "")


def as_root() -> "list[str]":
    """Return what to put before a command that needs root; raise where there is no way."""
    prefix = administrator_prefix()
    if prefix is None:
        raise MissingError("making a root needs root: run it as root, or give this user sudo")
    return prefix


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes respect: two at once must not make the same tree."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    """Remove a tree of the cache, which root may own."""
    if path.exists():
        subprocess.run([*as_root(), "rm", "-rf", "--one-file-system", str(path)], check=True)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(f"debian: {text}", file=sys.stderr, flush=True)
