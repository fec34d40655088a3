"""Make everything that is handed out: `build/dist.py [--arch amd64|arm64] [--out dist]`.

For each kind of machine the program as one file and as a folder, its Debian package and the list of
what is inside; once, what a MicroPython board is given; and SHA256SUMS over all of it.  Signed
release files come with them where the environment holds the key (build/signing.py).  Without
`--arch` both kinds of machine are built, and one that this machine cannot build is left out, which
is said loudly and is no success.  At the end everything is named with its size and checksum, and
what runs here is measured.

Run by the Python of `.venv-build`: `make dist`.
"""

import argparse
import hashlib
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The page of the manual is made from the commands, which are not installed here.
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "platforms")]

import binary  # noqa: E402 - found through the line above, as what they import is.
import deb  # noqa: E402
import measuring  # noqa: E402
import micropython  # noqa: E402
import sbom  # noqa: E402
import signing  # noqa: E402
from micropython import BuildError, version_of  # noqa: E402

ARCHES = ("amd64", "arm64")
SUMS = "SHA256SUMS"
ROUNDS = 7


def main(arguments: list[str]) -> int:
    """Build all of it; return the exit code."""
    parser = argparse.ArgumentParser(description="Make everything that is handed out.")
    parser.add_argument("--arch", choices=ARCHES, help="Only for this kind of machine.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    clear(out)
    missing = []
    for arch in [options.arch] if options.arch else ARCHES:
        try:
            make_for(arch, out)
        except (BuildError, deb.DebError) as error:
            print(f"dist: error: NOTHING FOR {arch}: {error}", file=sys.stderr)
            missing.append(arch)
    try:
        make_node(out)
        files = write_sums(out)
        say(files)
        measure_own(files)
    except BuildError as error:
        print(f"dist: error: {error}", file=sys.stderr)
        return 1
    if missing:
        print(f"dist: error: LEFT OUT: {', '.join(missing)}", file=sys.stderr)
    return int(bool(missing))


def clear(out: Path) -> None:
    """Remove what another version or another build has left, so that SHA256SUMS names only ours."""
    for pattern in ("tidegate[-_]*", SUMS):
        for path in out.glob(pattern):
            if path.is_file():
                path.unlink()


def make_for(arch: str, out: Path) -> None:
    """Make what is for one kind of machine."""
    if binary.main(["--arch", arch, "--out", str(out), *here(arch)]) != 0:
        raise BuildError("it could not be frozen")
    (archive,) = out.glob(f"tidegate-*-linux-*-{arch}.tar.gz")
    one_file = archive.with_name(archive.name.removesuffix(".tar.gz"))
    size = one_file.stat().st_size
    if size > measuring.ONE_FILE_BYTES_MAX:
        raise BuildError(
            f"{one_file.name}: {size:,} bytes, {measuring.ONE_FILE_BYTES_MAX:,} at most"
        )
    deb.build(archive, out)
    # The same libraries in the same versions for every kind of machine: constraints.txt.
    sbom.write_sbom(one_file.with_name(f"{one_file.name}.cdx.json"))
    key = signing.signing_key()
    if key is None:
        print("dist: no key in the environment: no signed release file", file=sys.stderr)
    else:
        signing.make_release(one_file, key)


def here(arch: str) -> list[str]:
    """Return the option by which this very Python freezes, where it is of that kind."""
    return ["--here"] if arch == binary.own_arch() else []


def make_node(out: Path) -> None:
    """Make what a MicroPython board is given: the two files that are handed out on their own."""
    made = out / "micropython"
    micropython.build(ROOT, made)
    for suffix in ("-mpy.zip", ".romfs"):
        name = f"tidegate-{version_of(ROOT)}{suffix}"
        target = name if suffix == "-mpy.zip" else name.replace(suffix, f"-micropython{suffix}")
        shutil.copyfile(made / name, out / target)


def write_sums(out: Path) -> list[Path]:
    """Write SHA256SUMS, as `sha256sum --check` reads it; return what it names."""
    files = sorted(path for path in out.glob("tidegate[-_]*") if path.is_file())
    (out / SUMS).write_text("".join(f"{digest_of(path)}  {path.name}\n" for path in files))
    return files


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def say(files: list[Path]) -> None:
    """Print every file with its size and its checksum."""
    for path in files:
        print(f"{path.stat().st_size:>12,}  {digest_of(path)}  {path.name}")


def measure_own(files: list[Path]) -> None:
    """Measure the two forms for this machine beside the bare interpreter, and print it."""
    stems = [path for path in files if path.name.endswith(f"-{binary.own_arch()}")]
    if not stems:
        return
    one_file = stems[0]
    out = one_file.parent
    version = version_of(ROOT)
    folder = out / "work" / f"binary-{binary.own_arch()}" / f"tidegate-{version}" / "tidegate"
    programs = {
        "interpreter": measuring.interpreter(Path(sys.executable)),
        "one file": [str(one_file)],
        "folder": [str(folder)],
    }
    results = measuring.measure(programs, ROUNDS)
    bare = results["interpreter"].start_s
    floor = one_file.name.split("-linux-glibc")[1].split("-")[0]
    print(f"glibc {floor[0]}.{floor[1:]} or newer; a gateway until it listens, best of {ROUNDS}:")
    for name, found in results.items():
        ratio = found.start_s / bare
        over = "  ABOVE WHAT WAS ASKED" if ratio > measuring.START_RATIO_ASKED else ""
        memory = found.memory_bytes / 1e6
        print(f"{name:<12} {found.start_s:6.2f} s  {ratio:4.2f} x  {memory:5.1f} MB{over}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
