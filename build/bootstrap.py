"""Prepare this checkout on a fresh machine: `python3 build/bootstrap.py VERB`, one of `STAGES`.

Installs what is missing and nothing else: Debian packages through apt-get (as root, or with sudo)
and a virtual environment `.venv` with this project in it; for binaries another, `.venv-build`, with
the libraries of the program and nothing of the tests. Does nothing when all is there, so every verb
of the Makefile begins with it. What cannot be installed is named; only what no stage can do
without (Python 3.11, venv, pip's packages) ends it. Needs the standard library of Python 3.7.

Debian may start a mosquitto or a PostgreSQL that it installs. Nothing here uses them: the demo and
the tests start their own, on ports of their own.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD_VENV = ROOT / ".venv-build"
STAMP = "tidegate-ready"
PYTHON_MIN = (3, 11)
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"

# Debian package -> the file or program by which we know that it is there.
TEST_PROGRAMS = {
    "mosquitto": "mosquitto",
    "git": "git",
    "mosquitto-clients": "mosquitto_pub",
    "strace": "strace",
    "e2fsprogs": "mkfs.ext4",
    "mandoc": "mandoc",
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    # What a service manager makes of packaging/.
    "busybox": "busybox",
    "shellcheck": "shellcheck",
    "systemd": "systemd-analyze",
    # For MQTT.js, on node and in a browser (tests/endpoint/clients).
    "nodejs": "node",
    "npm": "npm",
    "chromium": "chromium",
}
MQTT_JS = "mqtt@5.16.0"
# MicroPython's MQTT client. pip refuses its archive, which has no setup file.
UMQTT = "micropython-umqtt.simple==1.3.4"
UMQTT_SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
UMQTT_MODULE = "umqtt/simple.py"
# What binaries are built with, to the version; a release builds the same bytes years later.
CONSTRAINTS = ROOT / "packaging" / "pyinstaller" / "constraints.txt"
BUILD_PROGRAMS = {"binutils": "strip"}
BUILD_EXTRAS = {"build", "deploy", "pi", "sbom"}
# Makes and runs arm64 programs on another kind of machine (build/debian.py).
ARM64_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.*",
    "arch-test": "arch-test",
    "qemu-user-static": "qemu-aarch64-static",
    "binfmt-support": "update-binfmts",
}
# Boots whole machines with a disk, for the tests of what is handed out.
DELIVERY_PROGRAMS = {
    **ARM64_PROGRAMS,
    "qemu-system-arm": "qemu-system-aarch64",
    "qemu-system-x86": "qemu-system-x86_64",
    "zstd": "zstd",
    "device-tree-compiler": "fdtput",
    "mosquitto-clients": "mosquitto_pub",
    "e2fsprogs": "mkfs.ext4",
    "git": "git",
    "lintian": "lintian",
}
# A Python links this library or PyInstaller cannot use it; {} is its version.
SHARED_PYTHON = "libpython{}"
# Stage -> (Debian packages, extras of pyproject.toml).
STAGES = {
    "run": ({}, set()),
    "test": (TEST_PROGRAMS, {"test"}),
    "micropython": ({}, {"test"}),
    "binary": (BUILD_PROGRAMS, BUILD_EXTRAS),
    "delivery": (DELIVERY_PROGRAMS, {"test"}),
    "bench": ({"mosquitto": "mosquitto"}, {"bench"}),
    "fuzz": ({}, {"test", "fuzz"}),
}


def main(arguments: "list[str]") -> int:
    """Prepare for one stage; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in STAGES:
        say(f"usage: bootstrap.py {'|'.join(STAGES)}")
        return 2
    programs, extras = STAGES[arguments[0]]
    # Two verbs at once must not build one environment twice.
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for package in install_packages(missing_packages(programs)):
            say(f"missing: {package}; what needs it will say so")
            say(f"hint: apt-get install {package}")
        try:
            if arguments[0] == "binary":
                prepare_build_environment()
                return 0
            prepare_environment(extras)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            say(f"error: {error}")
            return 1
        if arguments[0] in ("test", "micropython"):
            prepare_umqtt()
        if arguments[0] == "test":
            prepare_mqtt_js()
            prepare_for_tests_of_binaries()
    return 0


def say(text: str) -> None:
    """Tell the person at the terminal; standard output belongs to the verb that follows."""
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def missing_packages(programs: "dict[str, str]") -> "list[str]":
    """Return the Debian packages whose program is not there."""
    return [package for package, program in programs.items() if not is_there(program)]


def is_there(program: str) -> bool:
    """Tell whether a program is in the path of an administrator, or a pattern matches a file."""
    if program.startswith("/"):
        return any(Path("/").glob(program[1:]))
    return shutil.which(program, path=SEARCH_PATH) is not None


def install_packages(packages: "list[str]") -> "list[str]":
    """Install Debian packages; return those that are still missing."""
    prefix = administrator_prefix() if packages and shutil.which("apt-get") else None
    if prefix is None:
        return packages
    say(f"installing with apt-get: {' '.join(packages)}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    # A list that cannot be refreshed may still be good enough to install from.
    subprocess.run([*apt, "update"], check=False, stdin=subprocess.DEVNULL)
    options = ["-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", "-y"]
    # One by one after a failure: a package that a release does not have must not cost the others.
    if run_quietly([*apt, *options, *packages]):
        return []
    return [package for package in packages if not run_quietly([*apt, *options, package])]


def administrator_prefix() -> "list[str] | None":
    """Return what to put before a command that needs root, or None when there is no way."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    if sys.stdin is not None and sys.stdin.isatty():
        return ["sudo"]
    allowed = subprocess.run(["sudo", "-n", "true"], check=False, stderr=subprocess.DEVNULL)
    return ["sudo", "-n"] if allowed.returncode == 0 else None


def run_quietly(command: "list[str]") -> bool:
    """Run a command; show its output only if it fails. Return whether it succeeded."""
    result = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode != 0:
        sys.stderr.write(result.stdout.decode(errors="replace"))
    return result.returncode == 0


def prepare_environment(extras: "set[str]") -> None:
    """Make `.venv` with the project and the extras, unless the stamp says that it is there."""
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp_file = VENV / STAMP
    stamp = stamp_file.read_text().split() if stamp_file.exists() else [""]
    works = (VENV / "bin" / "python").exists() and can("pip", str(VENV / "bin" / "python"))
    if works and stamp[0] == digest and extras <= set(stamp[1:]):
        return
    if not works:
        python = find_python()
        say(f"making .venv with {python}")
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
        stamp = [""]
    wanted = sorted(extras | set(stamp[1:]))
    say(f"installing the project{' with ' + ', '.join(wanted) if wanted else ''} into .venv")
    target = f".[{','.join(wanted)}]" if wanted else "."
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--editable", target], check=True, cwd=str(ROOT))
    stamp_file.write_text(" ".join([digest, *wanted]) + "\n")


def prepare_build_environment() -> None:
    """Make `.venv-build` with the program's libraries, unless the stamp says that it is there.

    The project itself stays out: what is frozen are the sources of whoever freezes them.
    """
    own, stamp = str(BUILD_VENV / "bin" / "python"), BUILD_VENV / STAMP
    if stamp.exists() and can("tomllib", own) and stamp.read_text() == build_identity(own):
        return
    python = find_build_python()
    say(f"making {BUILD_VENV.name} with {python}")
    subprocess.run([python, "-m", "venv", "--clear", str(BUILD_VENV)], check=True)
    pip = [own, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--constraint", str(CONSTRAINTS), *build_requirements(own)]
    subprocess.run(pip, check=True)
    stamp.write_text(build_identity(own))


def prepare_for_tests_of_binaries() -> None:
    """Make `.venv-build` for tests that freeze the program; they skip where it cannot be had."""
    try:
        prepare_build_environment()
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        tell_missing(f"{BUILD_VENV.name} ({error})", False)


def build_identity(python: str) -> str:
    """Return a digest of what is asked for, and of the versions."""
    text = "\n".join([*build_requirements(python), CONSTRAINTS.read_text()])
    return hashlib.sha256(text.encode()).hexdigest()


def build_requirements(python: str) -> "list[str]":
    """Return what the project and the extras for binaries ask for; `python` can read TOML."""
    code = "import sys, tomllib; project = tomllib.load(open(sys.argv[1], 'rb'))['project']\n"
    code += "extras = [project['optional-dependencies'][name] for name in sys.argv[2:]]\n"
    code += "print(*project['dependencies'], *sum(extras, []), sep='\\n')"
    command = [python, "-c", code, str(ROOT / "pyproject.toml"), *sorted(BUILD_EXTRAS)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return printed.decode().splitlines()


def find_build_python() -> str:
    """Return the Python that is frozen: Debian's where it is new enough, else any that is.

    Debian's is what a fresh machine has, so people can build the bytes that we built.
    """
    debian = "/usr/bin/python3"
    if not can("ensurepip", debian) and can("sys", debian):
        install_packages(["python3-venv"])
    if not can("ensurepip", debian):
        return find_python()
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    printed = subprocess.run([debian, "-c", code], check=True, stdout=subprocess.PIPE).stdout
    library = SHARED_PYTHON.format(printed.decode().strip())
    if not is_there(f"/usr/lib/*/{library}.so.1.0"):
        install_packages([library])
    return debian


def prepare_umqtt() -> None:
    """Put umqtt.simple, which pip does not install, below `.venv`, or say that it cannot be had.

    It is tried once for an environment: a machine without its registry asks no more.
    """
    unearth, folder = VENV / "bin" / "unearth", VENV / "micropython" / "umqtt"
    if unearth.exists() and is_first_try(folder, UMQTT):
        tell_missing(UMQTT, fetch_umqtt(unearth, folder))


def prepare_mqtt_js() -> None:
    """Put MQTT.js below `.venv`, likewise."""
    folder = VENV / "node"
    if shutil.which("npm") and is_first_try(folder, MQTT_JS):
        npm = ["npm", "install", "--prefix", str(folder), "--no-package-lock", "--no-audit"]
        tell_missing(MQTT_JS, run_quietly([*npm, "--no-fund", "--ignore-scripts", MQTT_JS]))


def is_first_try(folder: Path, name: str) -> bool:
    """Make the folder of a client; tell whether there was none yet."""
    if folder.exists():
        return False
    say(f"installing {name} into {folder.relative_to(ROOT)}")
    folder.mkdir(parents=True)
    return True


def tell_missing(name: str, is_there: bool) -> None:
    """Name what could not be had."""
    if not is_there:
        say(f"missing: {name}; what needs it will say so")


def fetch_umqtt(unearth: Path, folder: Path) -> bool:
    """Put umqtt's module into a folder; return whether its archive came, and is the known one."""
    with tempfile.TemporaryDirectory() as place:
        if not run_quietly([str(unearth), UMQTT, "--download", place]):
            return False
        for archive in Path(place).glob("*.tar.gz"):
            if hashlib.sha256(archive.read_bytes()).hexdigest() != UMQTT_SHA256:
                say(f"error: {archive.name} is not the archive that was checked")
                return False
            with tarfile.open(str(archive)) as members:
                module = members.extractfile(f"{archive.name[: -len('.tar.gz')]}/{UMQTT_MODULE}")
                if module is not None:
                    (folder / "simple.py").write_bytes(module.read())
                    return True
    return False


def find_python() -> str:
    """Return a Python that is new enough and can make environments; install one if need be."""
    for attempt in ("as it is", "with Debian's"):
        for name in (sys.executable, "python3", "python3.13", "python3.12", "python3.11"):
            path = shutil.which(name)
            if path is not None and can("ensurepip", path):
                return path
        if attempt == "as it is":
            install_packages(["python3-venv"])
    needed = ".".join(str(part) for part in PYTHON_MIN)
    raise RuntimeError(f"no Python {needed} with venv. To have it: apt-get install python3-venv")


def can(module: str, python: str) -> bool:
    """Tell whether a Python starts, is new enough and has a module."""
    code = f"import sys, {module}; sys.exit(sys.version_info < {PYTHON_MIN})"
    try:
        command = [python, "-c", code]
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
