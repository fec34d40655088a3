"""GitHub's workflows, as far as they can be looked at without GitHub.

`make check` holds them to their schema and to an audit of security; here it is tried that both can
say no.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.gateway import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
# Programs that only exist there, or only mean something there.
GITHUBS = re.compile(r"^(gh release |bash \.ci/run$)")


def program(name):
    return str(Path(sys.executable).parent / name)


def commands(text):
    """Return each line that a workflow runs."""
    found = re.findall(r"^ +(?:- )?run: (?:\|\n((?: {10,}.*\n)+)|(.+)\n)", text, re.MULTILINE)
    return [line.strip() for block, one in found for line in (block or one).splitlines()]


def test_there_are_workflows():
    assert [path.name for path in FILES] == ["build.yml", "ci.yml", "release.yml"]


def test_the_schema_refuses_what_is_wrong(tmp_path):
    path = tmp_path / "wrong.yml"
    path.write_text(FILES[0].read_text().replace("steps:", "stepz:"))
    options = ["--builtin-schema", "vendor.github-workflows", str(path)]
    assert subprocess.run([program("check-jsonschema"), *options], capture_output=True).returncode


def test_the_audit_finds_what_is_wrong(tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = re.sub(r"@[0-9a-f]{40}", "@main", FILES[1].read_text())
    (folder / "ci.yml").write_text(text)
    command = [program("zizmor"), "--offline", "--no-progress", str(folder)]
    assert subprocess.run(command, capture_output=True).returncode != 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_and_runners_by_version(path):
    text = path.read_text()
    for used in re.findall(r"uses: (.+)$", text, re.MULTILINE):
        assert used.startswith("./") or re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", used), used
    assert "-latest" not in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_permissions_begin_with_none(path):
    assert re.search(r"^permissions: \{\}$", path.read_text(), re.MULTILINE)


def test_what_they_run_are_targets_that_anybody_can_run():
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    lines = [line for path in FILES for line in commands(path.read_text())]
    assert len(lines) >= 6
    for line in lines:
        if GITHUBS.match(line):
            continue
        words = re.sub(r"\$\{\{.*?\}\}", "", line).split()
        assert words[0] == "make", line
        assert {word for word in words[1:] if "=" not in word} <= targets, line
