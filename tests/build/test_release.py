"""What a release is made of, and what stops one."""

import hashlib
import sys

import pytest

from fixtures.gateway import ROOT

sys.path.insert(0, str(ROOT / "build"))

import release
from micropython import BuildError

CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n## 1.2.0 (2026-11-27)\n### Fixes\n- One.\n\n## 1.1.0\n- Old.\n"
)


def put(folder, files):
    """Write files and their checksums, as `make dist` does."""
    folder.mkdir(parents=True)
    sums = []
    for name, text in files.items():
        (folder / name).write_text(text)
        sums.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "core" / "tidegate").mkdir(parents=True)
    (tmp_path / "core" / "tidegate" / "version.py").write_text('VERSION = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    put(tmp_path / "dist" / "built" / "amd64", {"tidegate-amd64": "a", "both": "same"})
    put(tmp_path / "dist" / "built" / "arm64", {"tidegate-arm64": "b", "both": "same"})
    return tmp_path


def test_all_machines_files_come_together_with_one_list_and_the_notes(root):
    target = release.release(root, "v1.2.0")
    names = [line.split("  ")[1] for line in (target / "SHA256SUMS").read_text().splitlines()]
    assert names == ["both", "tidegate-amd64", "tidegate-arm64"]
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", *names]
    assert (root / "dist" / "work" / "NOTES.md").read_text() == "### Fixes\n- One.\n"


def test_what_one_machine_built_is_released_from_dist_itself(root):
    (root / "dist" / "built").rename(root / "elsewhere")
    (root / "dist").rmdir()
    put(root / "dist", {"tidegate": "x"})
    target = release.release(root, "v1.2.0")
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", "tidegate"]


@pytest.mark.parametrize("tag", ["", "1.2.0", "v1.2.1", "v1.2.0 "])
def test_a_tag_that_is_not_the_version_makes_nothing(root, tag):
    with pytest.raises(BuildError, match=r"version\.py says v1\.2\.0"):
        release.release(root, tag)
    assert not (root / "dist" / "release").exists()


@pytest.mark.parametrize(
    "text", ["", "# Changelog\n\n## Unreleased\n- One.\n", "## 1.2.0\n\n## 1\n"]
)
def test_a_version_that_nobody_is_told_of_is_not_released(root, text):
    (root / "CHANGELOG.md").write_text(text)
    with pytest.raises(BuildError, match=r"CHANGELOG\.md has no part 1\.2\.0"):
        release.release(root, "v1.2.0")


def test_a_file_that_was_changed_on_its_way_is_not_released(root):
    (root / "dist" / "built" / "arm64" / "tidegate-arm64").write_text("evil")
    with pytest.raises(BuildError, match="is not the file that"):
        release.release(root, "v1.2.0")


def test_two_files_of_one_name_are_not_chosen_between(root):
    put(root / "dist" / "built" / "other", {"both": "another"})
    with pytest.raises(BuildError, match="have one name and differ"):
        release.release(root, "v1.2.0")


@pytest.mark.parametrize("line", ["nonsense\n", f"{'0' * 64}  ../../etc/passwd\n"])
def test_a_list_that_is_none_stops_it(root, line):
    (root / "dist" / "built" / "amd64" / "SHA256SUMS").write_text(line)
    with pytest.raises(BuildError, match="no line of sha256sum"):
        release.release(root, "v1.2.0")
