"""The manual page says what the commands' help says, in roff that mandoc has nothing against."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tidegate.version import VERSION
from tidegate_linux.cli import commands
from tidegate_linux.install.manual import manual_page

ROOT = Path(__file__).parents[2]
MANDOC = shutil.which("mandoc")
needs_mandoc = pytest.mark.skipif(MANDOC is None, reason="there is no mandoc")


def rendered(roff):
    """Return the page as a reader sees it, on one line."""
    command = [MANDOC, "-Tascii", "-Owidth=1000"]
    done = subprocess.run(command, input=roff, capture_output=True, text=True, check=True)
    # Bold and underlined letters are struck over.
    return " ".join(re.sub(".\x08", "", done.stdout).split())


@needs_mandoc
def test_the_page_holds_every_command_and_every_option():
    text = rendered(manual_page(commands, VERSION, "2026-11-27"))
    assert f"tidegate {VERSION}" in text
    for name, command in commands.commands.items():
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        assert f"tidegate {name}" in text
        for each in inner:
            assert " ".join(each.help.split("\n\n")[0].split()).split(". ")[0] in text
            for option in each.params:
                for word in option.opts if isinstance(option, click.Option) else []:
                    assert word in text


@needs_mandoc
@pytest.mark.parametrize(
    "help_text",
    ["", "Ends with a back\\slash.", ".begins like a request", "'so does this", 'Say "it" ~ ^ `.'],
)
def test_no_help_text_breaks_the_page(help_text):
    group = click.Group("tidegate", help="First.\n\nSecond.")
    option = click.Option(["-c", "--config"], envvar="CONFIG", help=help_text)
    group.add_command(click.Command("run", help=f"Run.\n\n{help_text}", params=[option]))
    roff = manual_page(group, "1.0", "2026-11-27")
    assert lint(roff) == ""
    assert help_text in rendered(roff)


def lint(roff):
    command = [MANDOC, "-Tlint", "-Wstyle"]
    return subprocess.run(command, input=roff, capture_output=True, text=True).stdout


@needs_mandoc
def test_the_page_is_made_the_same_twice_and_without_a_fault(tmp_path):
    pages = []
    for name in ("a", "b"):
        out = tmp_path / name / "tidegate.1"
        command = [sys.executable, ROOT / "build" / "man.py", "--out", out]
        variables = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run(command, env=variables, check=True, capture_output=True)
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    assert '"2023-11-14"' in pages[0]
    assert lint(pages[0]) == ""
