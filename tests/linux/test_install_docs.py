"""What docs/install.md tells people to type, where it would hurt them if it were wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.gateway import PATHS
from tidegate_linux.install.layout import DATA, Layout

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", ["docs/install.md", "docs/decisions/0080-onefile.md"])
def test_the_pages_about_the_one_binary_name_a_temporary_folder(name):
    assert "TMPDIR=$HOME" in (ROOT / name).read_text()


def test_no_page_has_root_unpack_a_program_where_the_service_may_write():
    """Who owns the folder exchanges a library while it is unpacked: the service would be root."""
    folders = {
        folder
        for page in PAGES
        for folder in re.findall(r"TMPDIR=([^\s`)]+)", page.read_text("utf-8"))
    }
    assert not [folder for folder in folders if folder.startswith(DATA)]
    assert folders <= {"$HOME", "/root"}


def test_check_without_an_option_is_understood_as_install_tells_people_to_type_it():
    assert "\nsudo tidegate check\n" in (ROOT / "docs/install.md").read_text("utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "TIDEGATE_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "tidegate_linux", "check"],
        env={**environment, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    assert str(Layout().config) in done.stdout + done.stderr
