"""Trees of Debian for another kind of machine, made by mmdebstrap and kept in a cache.

`root_archive` is a root to work in, all installed; `extracted` holds what packages bring and
nothing was run in, such as a kernel with its modules and a static busybox.  Both are named by what
is in them, so a changed list makes another one, and are made anew when they are `DAYS_MAX` old:
Debian has mended something since.  Without a network the old one still does.

The cache lies outside of the checkout, in `~/.cache/tidegate` (or below `XDG_CACHE_HOME`): it costs
minutes and half a gigabyte, is the same for every checkout, and `make clean` must not take it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bootstrap import administrator_prefix

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegate"
SUITE = "bookworm"
DAYS_MAX = 30
DAY_S = 86_400
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Debian's name of an architecture -> the kernel's.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class DebianError(Exception):
    """Report why there is no such tree here, in one line."""


def root_archive(arch: str, packages: "list[str]") -> Path:
    """Return the tar of a root that has apt and these packages, made if it is not in the cache."""
    if arch != host_arch():
        allow_foreign(arch)
    return cached(f"root-{arch}", ".tar", ["--variant=apt"], arch, packages)


def extracted(arch: str, packages: "list[str]") -> Path:
    """Return a folder with the files of packages and of what they depend on, nothing configured."""
    return cached(f"tree-{arch}", "", ["--variant=extract"], arch, packages)


def cached(name: str, suffix: str, options: "list[str]", arch: str, packages: "list[str]") -> Path:
    """Return a tree of the cache by what is in it; make it if it is missing or old."""
    recipe = json.dumps([SUITE, options, arch, sorted(packages)])
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    path = CACHE / f"{name}-{SUITE}-{digest}{suffix}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"{path.name}.lock"):
        if path.exists() and time.time() - path.stat().st_mtime < DAYS_MAX * DAY_S:
            return path
        say(f"making {path} with mmdebstrap")
        fresh = CACHE / f"new-{path.name}"
        remove(fresh)
        try:
            mmdebstrap([*options, f"--arch={arch}", f"--include={','.join(packages)}"], fresh)
        except DebianError as error:
            remove(fresh)
            if not path.exists():
                raise
            say(f"{error}; going on with the old one")
            return path
        remove(path)
        fresh.rename(path)
        # A folder has the time that mmdebstrap gave it, which is no time of ours.
        os.utime(path)
    return path


def mmdebstrap(options: "list[str]", out: Path) -> None:
    """Run mmdebstrap as root; raise with the end of what it said if it fails."""
    if shutil.which("mmdebstrap") is None:
        raise DebianError("mmdebstrap is not installed: apt-get install mmdebstrap arch-test")
    command = [*as_root(), "mmdebstrap", *options, SUITE, str(out)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode:
        raise DebianError(f"mmdebstrap failed: {result.stderr[-2000:]}")
    owner = f"{os.geteuid()}:{os.getegid()}"
    subprocess.run([*as_root(), "chown", owner, str(out)], check=True)


def allow_foreign(arch: str) -> None:
    """Have the kernel run programs of another architecture, in a chroot too, or raise."""
    entry = BINFMT / f"qemu-{MACHINES[arch]}"
    if not (BINFMT / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
        subprocess.run([*as_root(), *mount], check=False, capture_output=True)
    if not entry.exists() and shutil.which("update-binfmts"):
        enable = ["update-binfmts", "--enable", entry.name]
        subprocess.run([*as_root(), *enable], check=False, capture_output=True)
    if not entry.exists():
        raise DebianError(
            f"this kernel runs no {arch} programs: apt-get install qemu-user-static binfmt-support"
        )
    # F: the interpreter was opened when it was registered, so a chroot needs no copy of it.
    flags = next(line for line in entry.read_text().splitlines() if line.startswith("flags:"))
    if "F" not in flags:
        raise DebianError(f"{entry} has no flag F: programs would not run in a chroot")


def host_arch() -> str:
    """Return Debian's name of this machine's architecture, "" for one we do not build for."""
    machine = os.uname().machine
    return next((arch for arch, name in MACHINES.items() if name == machine), "")


def as_root() -> "list[str]":
    """Return what to put before a command that needs root; raise where there is no way."""
    prefix = administrator_prefix()
    if prefix is None:
        raise DebianError("making a root needs root: run it as root, or give this user sudo")
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
