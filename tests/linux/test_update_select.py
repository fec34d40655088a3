"""`select`, the shell script before every start: whatever a power cut or a bad program has left."""

import os
import shutil
import subprocess

import pytest

from fixtures.releases import ROOT, Installation
from tidegate_linux.install.durable import Owner
from tidegate_linux.update.trial import (
    FAILURES_MAX,
    Progress,
    Trial,
    read_result,
    read_trial,
    write_progress,
    write_trial,
)

OLD, NEW = "tidegate-1.0.0-linux-glibc236-amd64", "tidegate-1.1.0-linux-glibc236-amd64"
ME = Owner(os.geteuid(), os.getegid())
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}


class Host(Installation):
    """An installation after a switch, with all of `trial` as it was then."""

    def __init__(self, root, shell):
        super().__init__(root, OLD, b"#!/bin/sh\necho old\n")
        self.shell = shell
        self.add(NEW, b"#!/bin/sh\necho new\n")
        self.progress = root / "with a space" / "progress"
        self.progress.parent.mkdir()
        self.layout.previous.symlink_to(f"versions/{OLD}")
        self.lead(NEW)
        self.write(starts=0)

    def lead(self, name):
        self.layout.current.unlink(missing_ok=True)
        self.layout.current.symlink_to(f"versions/{name}")

    def write(self, **changes):
        trial = Trial("ab12", NEW, OLD, 600, 0, self.progress)
        write_trial(self.layout.trial, trial._replace(**changes), ME)

    def say(self, **changes):
        progress = Progress("ab12", 1, 5, False, False, "no", "no answer of the hub")
        write_progress(self.progress, progress._replace(**changes), ME)

    def select(self):
        done = subprocess.run(
            [*self.shell, self.layout.select], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "not found" not in done.stderr
        assert "rror" not in done.stderr, done.stderr
        return done.stderr

    @property
    def trial(self):
        return read_trial(self.layout.trial)

    @property
    def why(self):
        result = read_result(self.layout.home / "result")
        return "" if result is None else f"{result.outcome}: {result.why}"


@pytest.fixture(params=sorted(SHELLS))
def host(request, tmp_path):
    if shutil.which(SHELLS[request.param][0]) is None:
        pytest.skip(f"there is no {request.param} here")
    return Host(tmp_path, SHELLS[request.param])


def test_without_a_trial_nothing_is_changed(host):
    host.layout.trial.unlink()
    before = sorted(host.layout.home.rglob("*"))
    assert host.select() == ""
    assert host.running == NEW
    assert sorted(host.layout.home.rglob("*")) == before


def test_starts_are_counted_and_nothing_else_is_lost(host):
    host.select()
    assert host.trial == Trial("ab12", NEW, OLD, 600, 0, host.progress, 1, 0)
    assert host.running == NEW


def test_the_gateway_may_read_the_trial_whatever_the_mask(host):
    done = subprocess.run(
        [*host.shell, "-c", f"umask 077; exec {' '.join(host.shell)} {host.layout.select}"],
        check=False,
    )
    assert done.returncode == 0
    assert host.layout.trial.stat().st_mode & 0o777 == 0o644


def test_three_starts_that_fail_put_the_old_one_back(host):
    for start in range(1, FAILURES_MAX + 1):
        host.select()
        assert (host.running, host.trial.starts, host.trial.failures) == (NEW, start, start - 1)
        host.say(start=start)
    said = host.select()
    assert host.running == OLD
    assert host.trial is None
    assert host.why == "put-back: 3 of 3 starts failed: no answer of the hub"
    assert f"{OLD} is put back" in said


def test_a_clean_stop_gives_the_start_back(host):
    for start in range(1, 8):
        host.select()
        assert (host.trial.starts, host.trial.failures) == (start, 0)
        host.say(start=start, is_stopped=True)


def test_the_clean_stop_of_an_earlier_start_counts_once(host):
    """A program that dies before it says anything must not live on what the one before has said."""
    host.select()
    host.say(start=1, is_stopped=True)
    for _ in range(FAILURES_MAX):
        host.select()
    assert host.trial.failures == FAILURES_MAX - 1
    host.select()
    assert host.running == OLD


def test_a_program_that_only_ever_stops_does_not_stay(host):
    for start in range(1, 51):
        host.write(starts=start)
        host.say(start=start, is_stopped=True)
    host.select()
    assert host.running == OLD
    assert "50 starts without a proof" in host.why


def test_the_time_counts_over_all_starts(host):
    host.write(starts=2)
    host.say(start=2, seconds=599, is_stopped=True)
    host.select()
    assert host.running == NEW
    host.say(start=3, seconds=600, is_stopped=True)
    host.select()
    assert host.running == OLD
    assert host.why == "put-back: not proved within 600 s: no answer of the hub"


def test_a_proof_ends_the_trial(host):
    host.write(starts=1)
    host.say(is_proved=True, receipt="receipt")
    host.select()
    assert host.running == NEW
    assert host.trial is None
    assert host.why == "kept: proved by: receipt"


def test_a_proof_of_another_trial_is_none(host):
    host.write(starts=1, failures=2)
    host.say(id="cd34", is_proved=True, is_stopped=True)
    host.select()
    assert host.running == OLD


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "half", "garbage", "large"])
def test_what_the_gateway_left_in_place_of_its_progress_is_not_believed(host, kind):
    host.write(starts=1, failures=2)
    path = host.progress
    if kind == "link":
        host.say(is_proved=True)
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "half":
        host.say(is_proved=True)
        path.write_bytes(path.read_bytes()[:-5])
    elif kind == "garbage":
        path.write_bytes(os.urandom(3000) + b"\nend\n")
    else:
        path.write_text("tidegate-progress 1\n" + "x" * 5_000_000 + "\nid ab12\nproved yes\nend\n")
    host.select()
    assert host.running == OLD


def test_a_trial_that_was_not_switched_to_has_no_effect(host):
    host.lead(OLD)
    host.write(starts=9, failures=9)
    assert host.select() == ""
    assert host.running == OLD


@pytest.mark.parametrize("length", [0, 1, 20, 60, 100, -5, -1])
def test_half_a_trial_puts_the_old_one_back(host, length):
    whole = host.layout.trial.read_bytes()
    host.layout.trial.write_bytes(whole[:length])
    host.select()
    assert host.running == OLD
    assert not host.layout.trial.exists()
    assert host.why == "put-back: the file trial is damaged"


@pytest.mark.parametrize("left", ["nothing", "a dangling link", "an empty program", "a folder"])
def test_current_leads_to_a_program_again(host, left):
    current = host.layout.current
    current.unlink()
    host.layout.trial.unlink()
    if left == "a dangling link":
        current.symlink_to("versions/gone")
    elif left == "an empty program":
        host.add(NEW, b"")
        current.symlink_to(f"versions/{NEW}")
    elif left == "a folder":
        (host.layout.versions / "folder").mkdir()
        current.symlink_to("versions/folder")
    host.select()
    assert host.running == OLD


def test_without_a_previous_any_whole_program_will_do(host):
    host.layout.current.unlink()
    host.layout.previous.unlink()
    (host.layout.versions / f".{OLD}.unfinished").write_bytes(b"half")
    host.select()
    assert host.running in (OLD, NEW)


def test_with_no_program_to_go_back_to_the_new_one_stays(host):
    host.layout.previous.unlink()
    host.layout.version(OLD).unlink()
    host.write(starts=3, failures=3)
    assert "no program to go back to" in host.select()
    assert host.running == NEW


def test_what_the_gateway_says_steers_no_terminal(host):
    host.write(starts=3, failures=2)
    host.say(start=2, missing="\x1b[2Jgone\x07")
    assert "\x1b" not in host.select()
    assert host.why.endswith(": [2Jgone")


def test_shellcheck_finds_nothing():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    script = ROOT / "packaging" / "launch" / "select"
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
