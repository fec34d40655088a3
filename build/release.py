"""Make a release of what was built: `TAG=v1.2.3 python build/release.py`.

Promises in dist/release every file of dist/built (what machines of several kinds built, each in a
folder of its own) or, where there is no such folder, of dist; one SHA256SUMS over all of them; and
in dist/work/NOTES.md the part of CHANGELOG.md that is this version's.  Nothing is made for a tag
that is not the version of the sources, for a version that CHANGELOG.md does not tell of, or of
files that do not agree with the checksums that came with them.
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from micropython import BuildError, version_of

ROOT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"


def main() -> int:
    """Release what the environment's TAG names; return the exit code."""
    try:
        release(ROOT, os.environ.get("TAG", ""))
    except BuildError as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 1
    return 0


def release(root: Path, tag: str) -> Path:
    """Fill dist/release and write the notes; return the folder.  Raises `BuildError`."""
    version = version_of(root)
    if tag != f"v{version}":
        raise BuildError(f"TAG is {tag!r}, but core/tidegate/version.py says v{version}")
    notes = notes_of((root / "CHANGELOG.md").read_text(), version)
    files = gather(root / "dist")
    target = root / "dist" / "release"
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for name in sorted(files):
        shutil.copyfile(files[name], target / name)
    sums = [f"{digest_of(target / name)}  {name}\n" for name in sorted(files)]
    (target / SUMS).write_text("".join(sums))
    (root / "dist" / "work").mkdir(exist_ok=True)
    (root / "dist" / "work" / "NOTES.md").write_text(notes)
    print(f"release: {tag}: {len(files)} files and {SUMS} in {target}")
    return target


def notes_of(changelog: str, version: str) -> str:
    """Return a version's part of the changelog, without its heading."""
    parts = re.split(r"^## (.+)$", changelog, flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if heading.split()[0] == version and text.strip():
            return text.strip() + "\n"
    raise BuildError(f"CHANGELOG.md has no part {version}: give 'Unreleased' that name and a date")


def gather(dist: Path) -> dict[str, Path]:
    """Return what is released, by name; each file as its folder's checksums say."""
    built = dist / "built"
    folders = sorted(path for path in built.iterdir() if path.is_dir()) if built.exists() else []
    files: dict[str, Path] = {}
    for folder in folders or [dist]:
        for name, digest in sums_of(folder).items():
            path = folder / name
            if not path.is_file() or digest_of(path) != digest:
                raise BuildError(f"{path} is not the file that {folder / SUMS} names")
            known = files.setdefault(name, path)
            if digest_of(known) != digest:
                raise BuildError(f"{known} and {path} have one name and differ")
    return files


def sums_of(folder: Path) -> dict[str, str]:
    """Return the checksum of each file that a folder's list names."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except FileNotFoundError:
        raise BuildError(f"{folder / SUMS} is not there: make dist writes it") from None
    sums = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        if not re.fullmatch("[0-9a-f]{64}", digest) or not name or "/" in name:
            raise BuildError(f"{folder / SUMS}: no line of sha256sum: {line!r}")
        sums[name] = digest
    return sums


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
