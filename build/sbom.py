"""List what is inside a binary, as CycloneDX: `build/sbom.py OUT.cdx.json`.

Run by the Python that freezes.

Promises the libraries that the program asks for, and what these ask for, in the versions that were
frozen, and with them what comes from elsewhere than a package index: Python, SQLite and OpenSSL.
What only builds (PyInstaller and its like) is not in there.  Equal environments give equal bytes.
"""

import importlib.metadata
import json
import platform
import ssl
import subprocess
import sys
import tomllib
from pathlib import Path

import apsw
from micropython import BuildError, version_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
EXTRAS = ("deploy", "pi")


def main(arguments: list[str]) -> int:
    """Write the list to the file that is named; return the exit code."""
    (target,) = arguments
    try:
        write_sbom(Path(target))
    except BuildError as error:
        print(f"sbom: error: {error}", file=sys.stderr)
        return 1
    return 0


def write_sbom(target: Path) -> None:
    """Write the list for a binary that the Python which runs this would freeze."""
    tree = everything()
    wanted = needed(own_requirements())
    kept = [one for one in tree["components"] if canonicalize_name(one["name"]) in wanted]
    root = tree["metadata"]["component"]
    root["version"] = version_of(ROOT)
    references = {root["bom-ref"], *(one["bom-ref"] for one in kept)}
    tree["components"] = kept + from_elsewhere()
    tree["dependencies"] = [
        {**one, "dependsOn": [ref for ref in one.get("dependsOn", []) if ref in references]}
        for one in tree["dependencies"]
        if one["ref"] in references
    ]
    target.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n")


def everything() -> dict:  # type: ignore[type-arg]
    """Return the list of all that is in this environment."""
    options = ["--output-reproducible", "--mc-type", "application", "--pyproject", str(PROJECT)]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", *options, sys.executable]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildError(f"cyclonedx: {result.stderr.strip()[-300:]}")
    return dict(json.loads(result.stdout))


def own_requirements() -> list[str]:
    """Return what the program asks for, with the extras that are frozen."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]


def needed(requirements: list[str]) -> set[str]:
    """Return the names of all libraries that these need, one through another."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        for extra in ("", *wanted.extras):
            key = (canonicalize_name(wanted.name), extra)
            if key not in found:
                found.add(key)
                waiting += asked_for(wanted.name, extra)
    return {name for name, _ in found}


def asked_for(name: str, extra: str) -> list[Requirement]:
    """Return what a library asks for, with one extra or none; the markers are done with."""
    result = []
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            requirement.marker = None
            result.append(requirement)
    return result


def from_elsewhere() -> list[dict[str, str]]:
    """Return what a binary has that is no package of Python."""
    versions = {
        "cpython": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.split()[1],
        "sqlite": apsw.sqlite_lib_version(),
    }
    return [
        {"bom-ref": f"{name}=={version}", "name": name, "type": "library", "version": version}
        for name, version in versions.items()
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
