"""Programs beside each other: which are kept, which go, and which command may switch."""

import contextlib
import errno
import fcntl
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from fixtures.releases import KEY, Installation, manifest_of, release_of
from fixtures.update_site import UpdateSite, program_of
from tidegate_linux.config import load_gateway
from tidegate_linux.durable import Owner
from tidegate_linux.update import update
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.onefile import OnefileHost
from tidegate_linux.update.release_file import read_release
from tidegate_linux.update.trial import PUT_BACK, Result, Trial, mark, write_result

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


def test_what_lies_in_the_way_of_a_link_is_moved(site):
    site.add(NEW, b"new")
    for name in (".previous.unfinished", ".trial.unfinished"):
        (site.layout.home / name).mkdir()
    os.mkfifo(site.layout.home / ".current.unfinished")
    OnefileHost(site.layout).switch(Trial("ab12", NEW, OLD, 1, 0, Path("/none")))
    assert site.running == NEW


def test_a_program_in_place_of_the_link_is_one_clear_error(site):
    site.layout.current.unlink()
    site.layout.current.write_bytes(b"program")
    with pytest.raises(UpdateError, match="is no link to a program"):
        OnefileHost(site.layout).running()


def refused(site, *arguments):
    """Return what a command that is refused says, which must be one error."""
    command = [site.layout.version(site.old), "update", *arguments, "-c", site.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("action", ["FILE", "--back"])
def test_a_folder_that_cannot_be_changed_is_one_clear_error(tmp_path, action):
    site = UpdateSite(tmp_path)
    site.layout.lock.mkdir()
    said = refused(site, str(site.release("1.1.0")) if action == "FILE" else action)
    assert f"{site.layout.lock}: is a directory" in said


def test_the_update_that_is_at_work_is_named(tmp_path):
    site = UpdateSite(tmp_path)
    with site.layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        said = refused(site, "--back")
    assert "another update is at work, process 4711" in said


def test_what_was_put_back_is_not_tried_every_night(tmp_path):
    site = UpdateSite(tmp_path)
    release = site.release("1.1.0", "says another version")
    name = manifest_of(b"", "1.1.0").name
    sha256 = hashlib.sha256(program_of("1.1.0", "says another version")).hexdigest()
    result = Result(f"ab12{mark(sha256)}", name, PUT_BACK, "3 of 3 starts failed")
    write_result(site.layout.result, result, Owner(os.geteuid(), os.getegid()))
    assert "was put back the last time: 3 of 3 starts failed" in refused(site, str(release))
    # Asked for, it is tried; so is another build of the same version.
    assert "does not say that it is 1.1.0" in refused(site, str(release), "--again")
    other = site.release("1.1.0", "finds fault")
    assert "finds fault with" in refused(site, str(other))


@pytest.mark.parametrize("answer", [b'{"streams":[]}', b'{"streams":[],"link":3}'])
def test_a_status_port_that_is_no_gateways_is_believed_nothing(tmp_path, answer):
    settings, _ = load_gateway(UpdateSite(tmp_path).config)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", settings.status.url.port), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert update._is_line_down(settings) is False
        thread.join()
