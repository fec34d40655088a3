"""Make the Debian package: `build/deb.py [--arch amd64|arm64] [--archive FILE] [--out dist]`.

Packs the folder form that build/binary.py has made, for any architecture on any machine: nothing of
it is run.  Needs dpkg-deb and no other tool of Debian's.  Equal archives, sources and times give
equal bytes; the time is SOURCE_DATE_EPOCH or that of the last commit.

What it depends on is computed: every library that a file of the folder asks for and the folder does
not have, and the oldest glibc, must come from a package in `PROVIDERS`.
"""

import argparse
import email.utils
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from glibc_floor import elf_files
from man import day_of, source_date

from tidegate.version import VERSION
from tidegate_linux.cli import commands
from tidegate_linux.install.parts import CONFIG_FIRST
from tidegate_linux.install.texts import MANUAL, shared_texts

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
REVISION = "1"
MAINTAINER = "Tidegate maintainers <maintainers@tidegate.invalid>"
UNITS = ("tidegate.service", "tidegate-hub.service")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
CONFFILE = "etc/tidegate/gateway.toml"
ARCHIVE_NAME = re.compile(r"tidegate-.+-linux-glibc\d+-(?P<architecture>amd64|arm64)\.tar\.gz")
# Who brings the libraries that are not in the folder, by the beginning of their names.
PROVIDERS = {
    "libc6": (
        *("libc.so", "libdl.so", "libm.so", "libpthread.so", "libresolv.so", "librt.so"),
        *("libutil.so", "ld-linux"),
    ),
    "zlib1g": ("libz.so",),
}
# Debian's zsh looks into a folder of its own.
PLACES = {"zsh/site-functions": "zsh/vendor-completions"}


class DebError(Exception):
    """Report why there is no package, in one line."""


class Package(NamedTuple):
    """What is to be packed, and what its control file says of it."""

    root: Path
    version: str
    architecture: str
    time_s: int

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return f"tidegate_{self.version}_{self.architecture}.deb"


def main(arguments: list[str]) -> int:
    """Make a package for the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the Debian package from the folder form.")
    parser.add_argument("--arch", choices=["amd64", "arm64"], help="Default: this machine's.")
    parser.add_argument("--archive", type=Path, help="What build/binary.py made. Default: dist's.")
    parser.add_argument("--version", default=VERSION, help="For tests of upgrades.")
    parser.add_argument("--compress", default="xz", help="none is quicker, for tests.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    try:
        archive = options.archive or find_archive(options.out, options.arch or own_architecture())
        made = build(archive, options.out.resolve(), options.version, options.compress)
    except DebError as error:
        print(f"deb: error: {error}", file=sys.stderr)
        return 1
    print(f"{made.stat().st_size:>12,}  {made}")
    return 0


def own_architecture() -> str:
    """Return Debian's name of this kind of machine."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def find_archive(out: Path, architecture: str) -> Path:
    """Return the folder form of this version in `out`."""
    found = sorted(out.glob(f"tidegate-{VERSION}-linux-glibc*-{architecture}.tar.gz"))
    if len(found) != 1:
        raise DebError(f"{len(found)} folder forms for {architecture} in {out}: make binary first")
    return found[0]


def build(archive: Path, out: Path, version: str = VERSION, compression: str = "xz") -> Path:
    """Pack an archive of the folder form; return the package."""
    known = ARCHIVE_NAME.fullmatch(archive.name)
    if not known:
        raise DebError(f"{archive.name} is not named like a folder form")
    architecture = known["architecture"]
    # 1.2.0-rc1 comes before 1.2.0, which Debian writes with a tilde.
    debian_version = f"{version.replace('-', '~')}-{REVISION}"
    root = out / "work" / f"deb-{architecture}-{version}"
    if root.exists():
        shutil.rmtree(root)
    package = Package(root, debian_version, architecture, source_date())
    folder = stage_program(root, archive)
    stage_texts(package)
    stage_control(package, depends(folder))
    return pack(package, out, compression)


def stage_program(root: Path, archive: Path) -> Path:
    """Unpack the folder form to where it will lie; return its folder there."""
    folder = root / "usr/lib/tidegate"
    folder.parent.mkdir(parents=True)
    with tarfile.open(archive) as members:
        top = members.getnames()[0].split("/")[0]
        members.extractall(folder.parent)
    (folder.parent / top).rename(folder)
    # It stands in doc/tidegate/copyright.
    (folder / "LICENSE").unlink(missing_ok=True)
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            is_program = path == folder / "tidegate"
            path.chmod(0o755 if is_program else 0o644)
    link = root / "usr/bin/tidegate"
    link.parent.mkdir()
    link.symlink_to("../lib/tidegate/tidegate")
    return folder


def stage_texts(package: Package) -> None:
    """Put the units, the configuration and what people read in their places."""
    root, share = package.root, package.root / "usr/share"
    for unit in UNITS:
        write(root / "usr/lib/systemd/system" / unit, (PACKAGING / "systemd" / unit).read_bytes())
    write(root / CONFFILE, (PACKAGING / CONFIG_FIRST).read_bytes())
    for name, text in shared_texts(commands, day_of(package.time_s)).items():
        for ours, debians in PLACES.items():
            name = name.replace(ours, debians)
        if name == MANUAL:
            write_packed(share / f"{name}.gz", text)
        else:
            write(share / name, text)
    documents = share / "doc/tidegate"
    write(documents / "copyright", (PACKAGING / "deb" / "copyright").read_bytes())
    write_packed(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    write_packed(documents / "changelog.Debian.gz", changelog(package).encode())
    overrides = (PACKAGING / "deb" / "lintian-overrides").read_bytes()
    write(share / "lintian/overrides/tidegate", overrides)


def stage_control(package: Package, depends_on: str) -> None:
    """Write what dpkg reads: control, conffiles, sums and scripts."""
    files = [path for path in sorted(package.root.rglob("*")) if path.is_file()]
    plain = [path for path in files if not path.is_symlink()]
    control = package.root / "DEBIAN"
    template = (PACKAGING / "deb" / "control").read_text()
    text = template.format(
        version=package.version,
        architecture=package.architecture,
        maintainer=MAINTAINER,
        depends=depends_on,
        # By Debian's rule: whole KiB a file, one for everything else.
        installed_kib=sum(-(-path.stat().st_size // 1024) for path in plain)
        + sum(1 for path in package.root.rglob("*") if path.is_dir() or path.is_symlink()),
    )
    write(control / "control", text.encode())
    write(control / "conffiles", f"/{CONFFILE}\n".encode())
    sums = "".join(
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(package.root)}\n"
        for path in plain
        if path != package.root / CONFFILE
    )
    write(control / "md5sums", sums.encode())
    for name in SCRIPTS:
        write(control / name, (PACKAGING / "deb" / name).read_bytes())
        (control / name).chmod(0o755)


def depends(folder: Path) -> str:
    """Return the packages that the program in a folder needs, from what its files ask for."""
    asked: set[str] = set()
    for path in elf_files([folder]):
        with path.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if isinstance(section, DynamicSection):
                    tags = section.iter_tags("DT_NEEDED")
                    asked |= {str(vars(tag)["needed"]) for tag in tags}
    had = {path.name for path in folder.rglob("*.so*")}
    needed = set()
    for library in sorted(asked - had):
        provider = [name for name, begins in PROVIDERS.items() if library.startswith(begins)]
        if not provider:
            raise DebError(f"no package is known that brings {library}")
        needed |= set(provider)
    info = folder / "_internal/tidegate_linux/build_info.json"
    floor = json.loads(info.read_text())["glibc_floor"]
    # passwd has useradd, for postinst.
    versions = {"libc6": f"libc6 (>= {floor})"}
    return ", ".join(versions.get(name, name) for name in sorted({*needed, "libc6", "passwd"}))


def changelog(package: Package) -> str:
    """Return Debian's changelog, which has one entry: what changed stands in our own."""
    return (
        f"tidegate ({package.version}) unstable; urgency=medium\n\n"
        "  * What changed stands in changelog.gz.\n\n"
        f" -- {MAINTAINER}  {email.utils.formatdate(package.time_s)}\n"
    )


def pack(package: Package, out: Path, compression: str) -> Path:
    """Pack what was staged; the times of all files are cut to the package's."""
    for path in package.root.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    made = out / package.name
    # With several threads the bytes depend on how many there are.
    options = ["--root-owner-group", f"-Z{compression}", "--threads-max=1"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(package.time_s)}
    command = ["dpkg-deb", *options, "--build", str(package.root), str(made)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise DebError(" ".join(done.stderr.split()))
    return made


def write(path: Path, data: bytes) -> None:
    """Write a file with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)


def write_packed(path: Path, data: bytes) -> None:
    """Write a file as gzip does with -9n."""
    write(path, gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
