"""The built one file, updated to and updating: what only a frozen program can get wrong."""

import re

import pytest

from fixtures.binary import built_binary
from fixtures.hub import HubProcess
from fixtures.update_site import UpdateSite
from tidegate.version import VERSION

pytestmark = pytest.mark.slow


@pytest.mark.xdist_group("binary")
def test_the_one_file_proves_itself_and_updates_again(tmp_path):
    program = built_binary()
    floor = re.search(r"glibc(\d)(\d+)", program.name)
    glibc = f"{floor[1]}.{floor[2]}"
    with HubProcess(tmp_path) as hub, UpdateSite(tmp_path, hub.url, version="0.0.9") as site:
        update = site.update(site.release_of(program.read_bytes(), VERSION, glibc=glibc))
        assert update.end() == 0, update.said
        assert "kept, proved by: receipt" in update.said
        assert site.running == program.name
        assert site.version() == VERSION
        # It finds its own place and keys, and its children do without its libraries.
        back = site.update(site.release("0.0.9"), "--force-downgrade")
        assert back.end() == 0, back.said
        assert "kept, proved by: receipt" in back.said
        assert site.version() == "0.0.9"


@pytest.mark.xdist_group("binary")
def test_a_one_file_with_its_end_cut_off_is_not_even_tried(tmp_path):
    """Signed all the same: a build that failed without anybody seeing it."""
    program = built_binary().read_bytes()
    site = UpdateSite(tmp_path, version="0.0.9")
    update = site.update(site.release_of(program[:-1_000_000], VERSION))
    assert update.end() == 1
    assert f"does not say that it is {VERSION}" in update.said
    assert site.running == site.old
