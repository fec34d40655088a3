"""Programs beside each other: which are kept, which go, and which command may switch."""

import contextlib
import errno
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.releases import KEY, Installation, manifest_of, release_of
from fixtures.update_site import UpdateSite
from tidegate_linux.update import update
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.onefile import OnefileHost
from tidegate_linux.update.release_file import read_release
from tidegate_linux.update.trial import Trial

OLD = manifest_of(b"", "1.0.0").name
NEW = manifest_of(b"", "1.1.0").name
REFUSED = manifest_of(b"", "1.0.5").name
PAYLOAD = b"#!/bin/sh\nexit 0\n"


@pytest.fixture
def site(tmp_path):
    return Installation(tmp_path, OLD, b"old")


def release():
    return read_release(io.BytesIO(release_of(manifest_of(PAYLOAD), PAYLOAD)), [KEY])


def names(site):
    return sorted(path.name for path in site.layout.versions.iterdir())


def test_a_program_is_tried_whole_before_it_has_its_name(site):
    tried = []

    def check(path):
        tried.append((path.read_bytes(), os.access(path, os.X_OK), names(site)))

    OnefileHost(site.layout).place(release(), check)
    assert tried == [(PAYLOAD, True, [f".{NEW}.unfinished", OLD])]
    assert names(site) == [OLD, NEW]


def test_a_program_that_is_refused_leaves_nothing(site):
    def check(_path):
        raise UpdateError("it does not answer", "")

    with pytest.raises(UpdateError, match="does not answer"):
        OnefileHost(site.layout).place(release(), check)
    assert names(site) == [OLD]


def test_what_neither_link_leads_to_makes_room_before_room_is_looked_for(site, monkeypatch):
    site.add(REFUSED, b"refused")
    (site.layout.versions / ".x.unfinished").mkdir()
    site.layout.versions.joinpath("tidegate-folder").mkdir()
    looked = []
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: looked.append(names(site)) or usage(path)
    )
    OnefileHost(site.layout).place(release())
    assert looked == [[OLD]]
    assert names(site) == [OLD, NEW]


def test_the_program_before_stays_until_the_next_switch(site):
    site.add(REFUSED, b"before")
    site.layout.previous.symlink_to(f"versions/{REFUSED}")
    OnefileHost(site.layout).place(release())
    assert names(site) == sorted([OLD, NEW, REFUSED])


def test_a_command_of_a_program_that_runs_no_more_changes_nothing(tmp_path):
    """Another update has come to its end between the start of this one and its turn."""
    site = UpdateSite(tmp_path)
    site.add(NEW, b"new")
    site.layout.current.unlink()
    site.layout.current.symlink_to(f"versions/{NEW}")
    command = [site.layout.version(site.old), "update", site.release("1.1.0"), "-c", site.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{NEW} runs by now" in done.stderr
    assert site.layout.version(NEW).read_bytes() == b"new"
    assert not site.layout.trial.exists()


class Gone(io.StringIO):
    """A terminal that has been closed."""

    def write(self, _text):
        raise OSError(errno.EIO, "gone")


def test_a_terminal_that_is_gone_does_not_keep_the_old_program_from_coming_back(site):
    site.add(NEW, b"hangs")
    host = OnefileHost(site.layout)
    trial = Trial("ab12", NEW, OLD, 1, 0, Path("/none"))
    host.switch(trial)
    assert site.running == NEW
    with contextlib.redirect_stdout(Gone()), pytest.raises(UpdateError, match="was put back"):
        update._conclude(host, trial)
    assert site.running == OLD
    assert names(site) == [OLD]
