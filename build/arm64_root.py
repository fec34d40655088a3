"""Freeze the program for arm64 on a machine of another kind: `build/arm64_root.py [--out dist]`.

Called by build/binary.py, which does the same natively where the machine is arm64.  Debian's own
Python for arm64 does the work, in a root whose programs run through qemu-user.  Emulation is slow,
so it does only what must be done there: libraries come from wheels that are unpacked outside, and
the bundle for boards and the name of the commit from outside too.  In the root there is no network.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import binary
import bootstrap
import debian
from micropython import BuildError

ROOT = Path(__file__).resolve().parent.parent
ARCH = "arm64"
PYTHON = "3.11"
# The oldest of these that a library has is taken; none is above the glibc of the root.
PLATFORMS = [f"manylinux{name}_aarch64" for name in ("2014", "_2_17", "_2_27", "_2_28", "_2_31")]
EXTRAS = ["build", "deploy", "pi"]
CONSTRAINTS = ROOT / "packaging" / "pyinstaller" / "constraints.txt"
# Where things lie in the root, whatever they are called outside.
SOURCES, LIBRARIES, OUT = "/src", "/libraries", "/out"


def main(arguments: list[str]) -> int:
    """Build for the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Freeze the program for arm64, in a root of it.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--commit", help="The commit to name; git is asked by default.")
    options = parser.parse_args(arguments)
    bootstrap.install_packages(bootstrap.missing_packages(bootstrap.ARM64_PROGRAMS))
    try:
        freeze(options.out.resolve(), binary.source_of(options.commit))
    except (debian.DebianError, BuildError) as error:
        print(f"arm64_root: error: {error}", file=sys.stderr)
        return 1
    return 0


def freeze(out: Path, source: binary.Source) -> None:
    """Make the root, give it libraries, sources and a bundle, and have it build into `out`."""
    root = debian.extracted(ARCH, debian.FREEZING)
    debian.allow_foreign(ARCH)
    libraries = libraries_for_arm64()
    bundle = out / "work" / "micropython-arm64"
    run([sys.executable, str(ROOT / "build" / "micropython.py"), "--out", str(bundle)])
    command = ["python3", f"{SOURCES}/build/binary.py", "--here", "--arch", ARCH]
    command += ["--out", OUT, "--commit", source.commit]
    command += ["--bundle", f"{OUT}/{bundle.relative_to(out)}"]
    environment = {"PYTHONPATH": LIBRARIES, "SOURCE_DATE_EPOCH": str(source.time_s)}
    in_root(root, {SOURCES: ROOT, LIBRARIES: libraries, OUT: out}, environment, command)
    # What root has made is for whoever asked for it.
    made = sorted(out.glob(f"tidegate-{source.version}-*-{ARCH}*"))
    chown = [*debian.as_root(), "chown", "-R", f"{os.getuid()}:{os.getgid()}"]
    run([*chown, str(out / "work" / f"binary-{ARCH}"), *map(str, made)])
    for path in made:
        print(f"{path.stat().st_size:>12,}  {path}")


def libraries_for_arm64() -> Path:
    """Return a folder with the libraries, from wheels: nothing is run for it, nothing compiled."""
    wanted = requirements()
    recipe = "\n".join([*wanted, *PLATFORMS, PYTHON, CONSTRAINTS.read_text()])
    name = f"libraries-{ARCH}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder, fresh = debian.CACHE / name, debian.CACHE / f"new-{name}"
    with debian.locked(debian.CACHE / f"{name}.lock"):
        if not folder.exists():
            shutil.rmtree(fresh, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
            command += ["--quiet", "--target", str(fresh), "--no-compile", "--only-binary=:all:"]
            command += ["--implementation", "cp", "--python-version", PYTHON]
            command += [word for platform in PLATFORMS for word in ("--platform", platform)]
            run([*command, "--constraint", str(CONSTRAINTS), *wanted])
            fresh.rename(folder)
    return folder


def requirements() -> list[str]:
    """Return what the project and the extras for a build ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]


def in_root(
    root: Path, folders: "dict[str, Path]", environment: "dict[str, str]", command: "list[str]"
) -> None:
    """Run a command in a root, with folders of this machine, the last of them to be written to.

    The mounts are in a namespace of the command's own: they are gone when it ends, however it ends,
    so whoever removes the root never removes what was mounted there.
    """
    steps = ['set -e; cd "$0"; mkdir -p proc dev tmp', "mount --bind /dev dev"]
    steps += ["mount -t proc proc proc", "mount -t tmpfs tmp tmp"]
    for number, (name, folder) in enumerate(folders.items(), 1):
        steps += [f"mkdir -p .{name}", f"mount --bind {shlex.quote(str(folder))} .{name}"]
        if number < len(folders):
            steps += [f"mount -o remount,bind,ro .{name}"]
    # The list of libraries that ldconfig keeps is made by no one where nothing was configured.
    steps += ['chroot "$0" /sbin/ldconfig', 'exec chroot "$0" /usr/bin/env -i "$@"']
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    fixed = {"PATH": path, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"}
    words = [f"{name}={value}" for name, value in {**fixed, **environment}.items()]
    script = "\n".join(steps)
    unshare = [*debian.as_root(), "unshare", "--mount", "sh", "-c", script, str(root)]
    run([*unshare, *words, *command])


def run(command: "list[str]") -> None:
    """Run a command, whose own words are the error if it fails; else they are of no interest."""
    null = subprocess.DEVNULL
    try:
        code = subprocess.run(command, check=False, stdin=null, stdout=null).returncode
    except OSError as error:
        raise BuildError(str(error)) from None
    if code:
        raise BuildError(f"{command[0]} ended with {code}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
