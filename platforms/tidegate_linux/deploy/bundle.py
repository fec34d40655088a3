"""The bundle: what `build/micropython.py` made, read and checked before a board sees any of it.

Promises that every file is the one in SHA256SUMS, that all bytecode is of one version, and that the
configuration is one that the node will accept.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tidegate.config.node_settings import NodeSettings
from tidegate.config.reading.node_reader import read_node
from tidegate.config.schema import SettingsError
from tidegate_linux.deploy.errors import DeployError

SUMS = "SHA256SUMS"
FOLDER = "lib"
CONFIG_BYTES_MAX = 16_384  # A board reads it whole; ten times what every key with a value takes.
_MAKE_IT = "run make micropython in a checkout, or name its folder with --bundle"


class Bundle(NamedTuple):
    """The node's modules by their name below a board's library folder, and what they need."""

    version: str
    bytecode: int
    modules: dict[str, bytes]
    libraries: list[str]

    @property
    def packages(self) -> list[str]:
        """Return the top folders, which are all ours on a board."""
        return sorted({name.split("/")[0] for name in self.modules})


def find_bundle() -> Path:
    """Return the folder of the bundle when none was named: the one inside, or this checkout's."""
    inside = Path(__file__).with_name("bundle")
    if inside.is_dir():
        return inside
    return Path(__file__).resolve().parents[3] / "dist" / "micropython"


def read_bundle(folder: Path) -> Bundle:
    """Return what is in a bundle; raise `DeployError` when a file is not as it was built."""
    try:
        sums = (folder / SUMS).read_text()
        files = {}
        for line in sums.splitlines():
            digest, _, name = line.partition("  ")
            content = (folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise DeployError(f"{folder / name}: is not as it was built", _MAKE_IT)
            files[name] = content
        description = json.loads(files["package.json"])
        version, dependencies = str(description["version"]), description["deps"]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeployError(f"{error.filename}: no bundle there: {reason}", _MAKE_IT) from None
    except (KeyError, ValueError):
        raise DeployError(f"{folder}: is not a bundle", _MAKE_IT) from None
    prefix = f"{FOLDER}/"
    modules = {name[len(prefix) :]: data for name, data in files.items() if name.startswith(prefix)}
    versions = {data[1] for data in modules.values() if data[:1] == b"M"}
    if len(versions) != 1:
        raise DeployError(f"{folder}: is not bytecode of one version", _MAKE_IT)
    return Bundle(version, versions.pop(), modules, [name for name, _ in dependencies])


def read_config(path: Path) -> tuple[bytes, NodeSettings]:
    """Return a node's `config.json` as it is, and its settings."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "begin with packaging/micropython/examples/"
        raise DeployError(f"{path}: cannot be read: {reason}", hint) from None
    if len(data) > CONFIG_BYTES_MAX:
        raise DeployError(f"{path}: more than {CONFIG_BYTES_MAX} bytes", "is it another file?")
    try:
        tree = json.loads(data, object_pairs_hook=_without_repeats)
        if not isinstance(tree, dict):
            raise DeployError(f"{path}: is not an object", "it begins with { and ends with }")
        return data, read_node(tree)
    except SettingsError as error:
        raise DeployError(f"{path}: {error}", error.hint) from None
    except json.JSONDecodeError as error:
        # Its message says what was expected and where, never what was there.
        problem = error.msg[:1].lower() + error.msg[1:]
        hint = "JSON has no comments, and no comma before a closing bracket"
        raise DeployError(f"{path}: line {error.lineno}: {problem}", hint) from None
    except UnicodeDecodeError:
        raise DeployError(f"{path}: is not UTF-8", "save the file as UTF-8") from None
    except (ValueError, RecursionError):
        raise DeployError(f"{path}: cannot be read as JSON", "see the examples") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what the two Pythons would read differently: a key that stands there twice."""
    names = [name for name, _ in pairs]
    for index, name in enumerate(names):
        if name in names[:index]:
            shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "a key"
            raise SettingsError(shown, "is given twice", "keep one of the two")
    return dict(pairs)
