"""Which program is installed: the one binary that runs here, or another that is named.

Its name says all that has to be known without running it: version, oldest glibc, kind of machine.
A file with another name is asked, if it can run here.
"""

import json
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tidegate_linux.build_info import build_info
from tidegate_linux.frozen import FOLDER, ONE_FILE, form
from tidegate_linux.install.errors import InstallError
from tidegate_linux.install.layout import Layout

NAME = re.compile(r"tidegate-(?P<version>\d[\w.+-]*)-linux-glibc\d+-(?P<architecture>amd64|arm64)")
# ELF's numbers of machines, and the kernel's names of them.
ARCHITECTURES = {0x3E: "amd64", 0xB7: "arm64"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_GIVE = "name the one binary: tidegate install tidegate-VERSION-linux-glibcNNN-ARCH"
# The first start of a large program on a slow card; emulated, it takes some seconds.
_ANSWER_S = 60.0


class Program(NamedTuple):
    """A program to be installed."""

    path: Path
    name: str

    @property
    def architecture(self) -> str:
        """Return Debian's name of the kind of machine that it is for."""
        return self.name.rpartition("-")[2]


def find_program(given: Path | None, layout: Layout) -> Program:
    """Return the program at `given`, by default the running one; raise `InstallError`."""
    program = _running_program() if given is None else _given_program(given, layout)
    expected = _architecture_of(layout)
    if expected and program.architecture != expected:
        what = f"{program.name} is for {program.architecture}, and this is {expected}"
        raise InstallError(what, f"take the binary for {expected}")
    return program


def _running_program() -> Program:
    if form() == FOLDER:
        raise InstallError("this program is a folder, which stays where it was unpacked", _GIVE)
    if form() != ONE_FILE:
        raise InstallError("this tidegate runs from source, which cannot be copied", _GIVE)
    return Program(Path(sys.executable), _name(build_info()._asdict()))


def _given_program(path: Path, layout: Layout) -> Program:
    architecture = _elf_architecture(path)
    if not architecture:
        raise InstallError(f"{path} is no program for amd64 or arm64", _GIVE)
    known = NAME.fullmatch(path.name)
    if known and known["architecture"] != architecture:
        raise InstallError(f"{path} is a program for {architecture}", "give it its own name back")
    if known and not layout.is_host:
        return Program(path, path.name)
    if architecture != MACHINES.get(platform.machine()):
        what = f"{path} is for {architecture} and cannot be asked here what it is"
        raise InstallError(what, "take a binary for this machine, or one with its full name")
    # On the host it is asked in any case: one that does not start here is found out in time.
    told = _ask(path)
    if told["form"] != ONE_FILE:
        raise InstallError(f"{path} is not one file by itself", _GIVE)
    return Program(path, _name(told))


def _ask(path: Path) -> dict[str, str]:
    """Return what a program says of itself."""
    try:
        command = [str(path.absolute()), "version", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise InstallError(f"{path} does not run here: {last}", "take a binary for this host")
        told = json.loads(done.stdout)
        return {key: str(told[key]) for key in ("version", "glibc_floor", "platform", "form")}
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {_ANSWER_S:.0f} s"
        hint = f"chmod +x {path}, and take a binary for this host"
        raise InstallError(f"{path} does not run here: {reason.lower()}", hint) from None
    except (ValueError, KeyError, TypeError):
        raise InstallError(f"{path} is not tidegate", _GIVE) from None


def _name(told: dict[str, str]) -> str:
    """Return the name that build/binary.py gives a program that says this of itself."""
    architecture = MACHINES.get(told["platform"].rpartition(" ")[2], "")
    floor = told["glibc_floor"].replace(".", "")
    name = f"tidegate-{told['version']}-linux-glibc{floor}-{architecture}"
    if not NAME.fullmatch(name):
        raise InstallError(f"a program that calls itself {name} is not installed", _GIVE)
    return name


def _architecture_of(layout: Layout) -> str:
    """Return the kind of machine of the host or the image; empty where nothing says so."""
    if layout.is_host:
        return MACHINES.get(platform.machine(), platform.machine())
    return _elf_architecture(layout.follow("bin/sh"))


def _elf_architecture(path: Path) -> str:
    """Return what kind of machine an ELF program is for; empty when it is none that we know."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:6] != b"\x7fELF\x02\x01":
        return ""
    (machine,) = struct.unpack_from("<H", head, 18)
    return ARCHITECTURES.get(machine, "")
