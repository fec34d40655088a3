"""The oldest glibc that some ELF files run on: `build/glibc_floor.py [--max 2.36] FILE...`.

It is computed from the versions of symbols that the files ask of the C library, never from the
machine that built them.  A folder stands for all files below it; what is no ELF file is passed
over.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# The floor that we state: Debian 12 and Raspberry Pi OS 12 (docs/decisions/0084-binaries.md).
FLOOR_MAX = (2, 36)
_PREFIX = "GLIBC_"

Floor = tuple[int, ...]


def main(arguments: list[str]) -> int:
    """Print the floor of the files named; return 1 when it is above `--max`."""
    parser = argparse.ArgumentParser(description="Print the oldest glibc that files run on.")
    parser.add_argument("--max", default=floor_text(FLOOR_MAX), help="Fail above this one.")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    floor = floor_of(options.files)
    print(floor_text(floor))
    return int(floor > parsed(options.max))


def floor_of(paths: Iterable[Path]) -> Floor:
    """Return the highest version of glibc that any of the files asks for."""
    return max((version for path in elf_files(paths) for version in asked_by(path)), default=(0,))


def elf_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the ELF files among the paths and below the folders among them."""
    for path in paths:
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file():
                with each.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield each


def asked_by(path: Path) -> Iterator[Floor]:
    """Yield the versions of glibc whose symbols a file needs."""
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, symbols in section.iter_versions():
                    for symbol in symbols:
                        # GLIBC_PRIVATE binds to the C library of one machine; we have none of it.
                        if symbol.name.startswith(_PREFIX) and symbol.name[len(_PREFIX)].isdigit():
                            yield parsed(symbol.name.removeprefix(_PREFIX))


def parsed(text: str) -> Floor:
    """Return a version as numbers."""
    return tuple(int(part) for part in text.split("."))


def floor_text(floor: Floor) -> str:
    """Return a version as it is written."""
    return ".".join(str(part) for part in floor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
