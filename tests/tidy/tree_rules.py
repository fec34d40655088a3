"""Rules of the tree: where files may lie, how large they are, what belongs to what.

Each rule takes a root and paths below it, so that its own test can plant a tree, and yields
messages.
"""

import ast
import re
import subprocess
from pathlib import Path

FILE_BYTES_MAX = 400_000
# These folders are no packages: the second would hide the library `packaging` from every tool.
FOLDERS_WITHOUT_PACKAGE = ("build", "packaging", "tests")


def no_package(root, paths):
    """No __init__.py in build/, packaging/ and tests/."""
    for path in paths:
        name = path.relative_to(root)
        if name.name == "__init__.py" and name.parts[0] in FOLDERS_WITHOUT_PACKAGE:
            yield f"{name}: {name.parts[0]}/ must not be a package"


def file_size(root, paths):
    """Nothing large: what can be made is made when it is needed."""
    for path in paths:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            yield f"{path.relative_to(root)}: {size} bytes, {FILE_BYTES_MAX} at most"


def core_modules(root):
    """Return the core's module files, without `__init__`."""
    files = sorted((root / "core" / "tidegate").rglob("*.py"))
    return [path for path in files if path.stem != "__init__"]


def own_test(root):
    """Each module of the core that has something to run has a test file of its own."""
    for path in core_modules(root):
        test = root / "tests" / "core" / f"test_{path.stem}.py"
        if has_behaviour(path) and not test.exists():
            yield f"{path.relative_to(root)}: there is no {test.relative_to(root)}"


def has_behaviour(path):
    """Tell whether a module has a function of its own: records and constants are only names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return any(isinstance(node, ast.FunctionDef) and not is_declared(node) for node in nodes)


def is_declared(function):
    """Tell whether a function is only promised: a docstring or `...` is all its body."""
    return all(
        isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
        for line in function.body
    )


def named_in_init(root):
    """The core's `__init__` is its table of contents: every module is named there."""
    contents = (root / "core" / "tidegate" / "__init__.py").read_text()
    for path in core_modules(root):
        if not re.search(rf"\b{path.stem}\b", contents):
            yield f"core/tidegate/__init__.py does not name {path.stem}"


def commands_of(help_text):
    """Return the names of the commands in the help of the program."""
    _, _, listing = help_text.partition("Commands:\n")
    return re.findall(r"^  ([a-z][a-z-]*)(?: |$)", listing, re.MULTILINE)


def commands_in(readme, commands):
    """Every command stands in the README as one would type it."""
    for command in commands:
        if not re.search(rf"\btidegate {command}\b", readme):
            yield f"README.md does not show `tidegate {command}`"


def local_names(root):
    """Return what must not be in a file: this checkout's path, the registries this machine uses."""
    names = {f"{root}/"}
    for command in (
        ["pip", "config", "get", "global.index-url"],
        ["npm", "config", "get", "registry"],
    ):
        names |= hosts(output_of(command))
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in (*sources, Path("/etc/pip.conf")):
        if path.is_file():
            names |= hosts(path.read_text(errors="replace"))
    return names | pip_hosts()


def output_of(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return result.stdout


def hosts(text):
    """Return the host names in the addresses of a text."""
    return set(re.findall(r"https?://([\w-]+(?:\.[\w-]+)+)", text))


def pip_hosts():
    """Return the hosts that pip asks when nothing is configured, as pip itself knows them."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return set()
    return {PyPI.netloc, PyPI.file_storage_domain}


def foreign_names(names):
    """Make a rule for texts: none of these names in it."""
    pattern = re.compile("|".join(re.escape(name) for name in sorted(names)), re.IGNORECASE)

    def rule(text):
        for number, line in enumerate(text.splitlines(), 1):
            match = pattern.search(line)
            if match:
                yield number, f"names a registry's host or a path of one machine: {match.group()}"

    return rule
