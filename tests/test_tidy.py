"""The style guide as tests: what a reader may rely on in every file of this project.

Each rule proves in test_tidy_rules.py that it finds what it looks for.
"""

import os
import subprocess
import sys

import pytest

from tidy import core_rules, shape_rules, tree_rules
from tidy.files import ROOT, project_files, python_files, read_text, violations

CORE_RULES = [
    core_rules.imports,
    core_rules.syntax,
    core_rules.calls,
    core_rules.integers,
]
SHAPE_RULES = [
    shape_rules.file_length,
    shape_rules.line_length,
    shape_rules.function_length,
    shape_rules.module_docstring,
    shape_rules.swallowed_errors,
]


def expect_none(found):
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("rule", CORE_RULES, ids=lambda rule: rule.__name__)
def test_core_is_portable_and_pure(rule):
    paths = python_files("core")
    assert paths
    expect_none(violations(rule, paths))


@pytest.mark.parametrize("rule", SHAPE_RULES, ids=lambda rule: rule.__name__)
def test_python_files_are_small_and_explained(rule):
    expect_none(violations(rule, python_files()))


def test_no_note_to_oneself_is_left():
    expect_none(violations(shape_rules.reminders, project_files()))


def test_no_file_names_one_machine():
    rule = tree_rules.foreign_names(tree_rules.local_names(ROOT))
    expect_none(violations(rule, project_files()))


@pytest.mark.parametrize("rule", [tree_rules.no_package, tree_rules.file_size])
def test_tree_is_in_order(rule):
    expect_none(list(rule(ROOT, project_files())))


@pytest.mark.parametrize("rule", [tree_rules.own_test, tree_rules.named_in_init])
def test_every_core_module_is_tested_and_listed(rule):
    assert tree_rules.core_modules(ROOT)
    expect_none(list(rule(ROOT)))


def test_readme_shows_every_command():
    if not (ROOT / "platforms" / "tidegate_linux" / "cli.py").exists():
        pytest.skip("there is no command line yet")
    paths = os.pathsep.join([str(ROOT / "core"), str(ROOT / "platforms")])
    result = subprocess.run(
        [sys.executable, "-c", "from tidegate_linux.cli import main; main()", "--help"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    commands = tree_rules.commands_of(result.stdout)
    assert "run" in commands, result.stdout
    expect_none(list(tree_rules.commands_in(read_text(ROOT / "README.md"), commands)))
