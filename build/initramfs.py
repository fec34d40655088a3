"""Make the first root of a Linux kernel, an initramfs: files in, one reproducible archive out.

    tree = Initramfs()
    tree.file("/init", b"#!/bin/sh\\n...", mode=0o755)
    tree.copy(Path("dist/work/tidegate"), "/usr/lib/tidegate")
    tree.link("/bin/sh", "busybox")
    tree.node("/dev/console", 5, 1)
    tree.write(Path("initramfs.cpio.zst"))

Needs no root: what the archive says of owners and devices is written, not copied.  Everything is
root's, dated `DATE_S`, and in the order of its names, so equal files give equal bytes.  The format
is "newc" (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
"""

import gzip
import lzma
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

DATE_S = 0
# The kernel reads archives in steps of four bytes, block devices in those of 512.
PADDING = 512


class Entry(NamedTuple):
    """One thing in the archive: its type and rights, its content, for a device its numbers."""

    mode: int
    content: "bytes | Path" = b""
    major: int = 0
    minor: int = 0

    def read(self) -> bytes:
        """Return the content, which may lie in a file."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


class Initramfs:
    """What is to be in the archive, by absolute path; folders come into being with what they hold.

    A path that is put twice holds what came last.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def file(self, path: str, content: "bytes | Path", mode: int = 0o644) -> None:
        """Put a file: bytes, or what another file holds."""
        self._put(path, Entry(stat.S_IFREG | mode, content))

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link."""
        self._put(path, Entry(stat.S_IFLNK | 0o777, target.encode()))

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Put a folder that may stay empty."""
        self._put(path, Entry(stat.S_IFDIR | mode))

    def node(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Put a character device."""
        self._put(path, Entry(stat.S_IFCHR | mode, b"", major, minor))

    def copy(self, source: Path, path: str) -> None:
        """Put a file or a whole tree as it lies on this machine, with its links and rights."""
        if source.is_symlink():
            self.link(path, str(source.readlink()))
        elif source.is_dir():
            self.folder(path)
            for child in sorted(source.iterdir()):
                self.copy(child, f"{path}/{child.name}")
        else:
            # Whoever made it, only root may change it.
            self.file(path, source, 0o755 if source.stat().st_mode & 0o100 else 0o644)

    def write(self, out: Path) -> None:
        """Write the archive; the end of its name says how: .cpio, .cpio.gz or .cpio.zst."""
        plain = out.with_suffix("") if out.suffix in (".gz", ".zst") else out
        with plain.open("wb") as file:
            for number, (path, entry) in enumerate(sorted(self._entries.items()), 1):
                write_entry(file, path, entry, number)
            write_entry(file, "TRAILER!!!", Entry(0), 0)
            file.write(bytes(-file.tell() % PADDING))
        if out.suffix == ".gz":
            out.write_bytes(gzip.compress(plain.read_bytes(), 9, mtime=DATE_S))
        elif out.suffix == ".zst":
            # One thread: with more, their number is in the bytes.
            command = ["zstd", "-q", "-f", "-19", "-T1", str(plain), "-o", str(out)]
            subprocess.run(command, check=True)
        if plain != out:
            plain.unlink()

    def _put(self, path: str, entry: Entry) -> None:
        if not path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path} is no absolute path")
        name = PurePosixPath(path)
        for above in list(name.parents)[:-1]:
            self._entries.setdefault(str(above)[1:], Entry(stat.S_IFDIR | 0o755))
        self._entries[str(name)[1:]] = entry


def write_entry(file: BinaryIO, name: str, entry: Entry, number: int) -> None:
    """Write one entry: its head in hexadecimal digits, its name, its content, each padded."""
    content = entry.read()
    raw_name = name.encode() + b"\0"
    links = 1 + stat.S_ISDIR(entry.mode)
    # Owner and group are root; the first pair of device numbers is that of the disk it lay on.
    fields = [number, entry.mode, 0, 0, links, DATE_S, len(content), 0, 0]
    fields += [entry.major, entry.minor, len(raw_name), 0]
    file.write(b"070701" + b"".join(b"%08X" % field for field in fields) + raw_name)
    file.write(bytes(-file.tell() % 4))
    file.write(content)
    file.write(bytes(-file.tell() % 4))


def modules_in_order(modules: Path, names: "list[str]") -> "list[Path]":
    """Return the files of kernel modules and of all they depend on, as they must be loaded.

    modules: the folder /lib/modules/RELEASE.  A module that is built into the kernel needs no
    file; one that the kernel has not at all is a `LookupError`.
    """
    files = {module_name(path): path for path in sorted(modules.rglob("*.ko*"))}
    built_in = {module_name(Path(line)) for line in lines_of(modules / "modules.builtin")}
    found: dict[str, Path] = {}

    def visit(given: str) -> None:
        name = given.replace("-", "_")
        if name in found or name in built_in:
            return
        if name not in files:
            raise LookupError(f"{modules.name} has no module {name}")
        for needed in depends(files[name]):
            visit(needed)
        found[name] = files[name]

    for name in names:
        visit(name)
    return list(found.values())


def module_content(path: Path) -> bytes:
    """Return a kernel module as `insmod` takes it: what some kernels' packages compress, plain."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    return gzip.decompress(data) if path.suffix == ".gz" else data


def depends(path: Path) -> "list[str]":
    """Return the modules that a module says it needs, in its section .modinfo."""
    match = re.search(rb"\0depends=([^\0]*)\0", module_content(path))
    return [name for name in (match[1].decode() if match else "").split(",") if name]


def module_name(path: Path) -> str:
    """Return the name of a module by its file: the kernel knows no dashes."""
    return path.name.partition(".")[0].replace("-", "_")


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a file that may be missing."""
    if path.exists():
        yield from path.read_text().splitlines()
