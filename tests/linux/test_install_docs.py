"""What docs/install.md tells people to type, where it would hurt them if it were wrong."""

import re
from pathlib import Path

import pytest

from tidegate_linux.install.layout import DATA

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
