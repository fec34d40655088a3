"""Freeze the program: `build/binary.py [--arch amd64|arm64] [--out dist]`.

Promises two artefacts that need no Python on the machine they run on, from one analysis:
`tidegate-VERSION-linux-glibcNNN-ARCH`, one file, and the same name with `.tar.gz`, a folder.  Equal
sources give equal bytes, wherever they lie and whenever they are built, as long as Python and the
libraries are equal (packaging/pyinstaller/constraints.txt).  NNN is the oldest glibc they run on,
computed from the files; above `glibc_floor.FLOOR_MAX` nothing is built.

Without `--here` the environment `.venv-build` is prepared first and does the work.  With it the
Python that runs this does: it needs the project's libraries, the extras `build`, `deploy` and `pi`,
and no network; git only when `--commit` and SOURCE_DATE_EPOCH are not given.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import NamedTuple

import micropython
from micropython import BuildError, files_below, version_of

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-build"
SPEC = ROOT / "packaging" / "pyinstaller" / "tidegate.spec"
# Debian's names of machines, by the kernel's.
ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
# What a bundle of a node's modules has for `tidegate deploy`; the rest is for other ways.
BUNDLE_PARTS = ("lib/", "package.json")


class Source(NamedTuple):
    """Which sources these are."""

    version: str
    commit: str
    time_s: int  # Of the commit; every date in what is built is this one.

    @property
    def date(self) -> str:
        """Return the commit's time, for people."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time_s))


class Binaries(NamedTuple):
    """What was built."""

    one_file: Path
    archive: Path
    folder: Path  # What is in the archive, as it was packed.
    floor: str


def main(arguments: list[str]) -> int:
    """Build for the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Freeze the program for one kind of machine.")
    parser.add_argument("--arch", choices=sorted(ARCHES.values()), default=own_arch())
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--here", action="store_true", help="Build with this Python, as it is.")
    parser.add_argument("--commit", help="The commit to name; git is asked by default.")
    parser.add_argument("--bundle", type=Path, help="What build/micropython.py made; else made.")
    options = parser.parse_args(arguments)
    try:
        if options.arch != own_arch():
            return in_root(options.arch, options.out, options.commit)
        if not options.here:
            return in_environment(arguments)
        built = build(options.out.resolve(), options.commit, options.bundle)
    except BuildError as error:
        print(f"binary: error: {error}", file=sys.stderr)
        return 1
    for path in (built.one_file, built.archive):
        print(f"{path.stat().st_size:>12,}  {path}")
    return 0


def own_arch() -> str:
    """Return Debian's name of this kind of machine."""
    machine = platform.machine()
    return ARCHES.get(machine, machine)


def in_environment(arguments: list[str]) -> int:
    """Prepare `.venv-build` and build with it."""
    subprocess.run([sys.executable, str(ROOT / "build" / "bootstrap.py"), "binary"], check=True)
    python = str(VENV / "bin" / "python")
    return subprocess.run([python, __file__, "--here", *arguments], check=False).returncode


def in_root(arch: str, out: Path, commit: "str | None") -> int:
    """Build for another kind of machine, in a root of that kind."""
    program = ROOT / "build" / f"{arch}_root.py"
    if not program.exists():
        raise BuildError(f"for {arch} this must run on a machine of that kind")
    command = [sys.executable, str(program), "--out", str(out)]
    command += ["--commit", commit] if commit else []
    return subprocess.run(command, check=False).returncode


def build(out: Path, commit: "str | None" = None, bundle: "Path | None" = None) -> Binaries:
    """Freeze for this machine into the folder `out`."""
    source = source_of(commit)
    work = out / "work" / f"binary-{own_arch()}"
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    freeze(source, work, stage_bundle(work, bundle))
    floor = json.loads((work / "build_info.json").read_text())["glibc_floor"]
    stem = f"tidegate-{source.version}-linux-glibc{floor.replace('.', '')}-{own_arch()}"
    one_file = out / stem
    shutil.copy2(work / "frozen" / "onefile", one_file)
    folder = work / f"tidegate-{source.version}"
    shutil.move(work / "frozen" / "folder", folder)
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    archive = out / f"{stem}.tar.gz"
    pack(folder, archive, source.time_s)
    return Binaries(one_file, archive, folder, floor)


def source_of(commit: "str | None") -> Source:
    """Return which sources these are; SOURCE_DATE_EPOCH says when, if it is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if commit is None:
        commit = git("rev-parse", "HEAD")
        if git("status", "--porcelain", "--untracked-files=no"):
            commit += "-modified"
    if epoch is None:
        epoch = git("log", "-1", "--format=%ct")
    return Source(version_of(ROOT), commit, int(epoch))


def git(*arguments: str) -> str:
    """Return what git says of this checkout."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise BuildError(
            "no commit is known here: give --commit and set SOURCE_DATE_EPOCH"
        ) from None


def stage_bundle(work: Path, made: "Path | None") -> Path:
    """Put into a folder what `tidegate deploy` copies to a board, and its checksums."""
    if made is None:
        made = work / "micropython"
        micropython.build(ROOT, made)
    staged = work / "bundle"
    for path in files_below(made):
        name = path.relative_to(made).as_posix()
        if name.startswith(BUNDLE_PARTS):
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, staged / name)
    micropython.write_sums(staged)
    return staged


def freeze(source: Source, work: Path, bundle: Path) -> None:
    """Run PyInstaller; leave `onefile` and `folder` below work/frozen."""
    info = {"version": source.version, "commit": source.commit, "date": source.date}
    told = {"root": str(ROOT), "work": str(work), "bundle": str(bundle), "info": info}
    environment = {
        **os.environ,
        # Sets are put into order by the hashes of what is in them.
        "PYTHONHASHSEED": "1",
        "SOURCE_DATE_EPOCH": str(source.time_s),
        "TIDEGATE_BUILD": json.dumps(told),
        # What PyInstaller keeps between builds could be another build's.
        "PYINSTALLER_CONFIG_DIR": str(work / "cache"),
    }
    folders = ["--workpath", str(work / "pyinstaller"), "--distpath", str(work / "frozen")]
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *folders]
    log = work / "pyinstaller.log"
    with log.open("wb") as output:
        result = subprocess.run(
            [*command, str(SPEC)], check=False, env=environment, stdout=output, stderr=output
        )
    if result.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise BuildError(f"PyInstaller: {' / '.join(last)} (all of it in {log})")


def pack(folder: Path, archive: Path, time_s: int) -> None:
    """Pack a folder without the times, owners and modes of this machine."""
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in [folder, *sorted(folder.rglob("*"), key=Path.as_posix)]:
            entry = tar.gettarinfo(path, path.relative_to(folder.parent).as_posix())
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = time_s
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            if entry.isreg():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
