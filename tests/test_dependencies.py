"""Every library that the project declares has its reason in the decision about dependencies."""

import re
import tomllib

from tidy.files import ROOT

DECISION = ROOT / "docs" / "decisions" / "0002-dependencies.md"


def declared():
    """Return the names of all libraries in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        lines += extra
    return [re.match(r"[a-z0-9-]+", line).group() for line in lines]


def reasoned(text):
    """Return the names in the first column of the decision's tables."""
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return set(re.findall(r"[a-z][a-z0-9-]+", " ".join(cells)))


def test_every_dependency_has_its_reason():
    names = declared()
    assert "apsw" in names
    missing = sorted(set(names) - reasoned(DECISION.read_text()))
    assert not missing, f"{DECISION.name} has no line for {missing}"


def test_a_dependency_without_reason_is_found():
    assert reasoned("| apsw, click | gateway | x |\n| rich | demo | y |") == {
        "apsw",
        "click",
        "rich",
    }
