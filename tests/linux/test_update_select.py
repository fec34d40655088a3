"""`select`, the shell script before every start: whatever a power cut or a bad program has left."""

import os
import shutil
import subprocess

import pytest

from fixtures.releases import ROOT, Installation
from tidegate_linux.durable import Owner
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

    def change_script(self, old, new):
        script = self.layout.select.read_text()
        assert script.count(old) == 1
        self.layout.select.write_text(script.replace(old, new))

    def select(self):
        done = subprocess.run(
            [*self.shell, self.layout.select],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
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
    host.write(hold_s=7)
    host.select()
    assert host.trial == Trial("ab12", NEW, OLD, 600, 0, host.progress, 1, 0, 7)
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


def test_without_a_previous_what_ran_before_the_trial_is_taken(host):
    host.layout.current.unlink()
    host.layout.previous.unlink()
    host.add("tidegate-0.9.0-linux-glibc236-amd64", b"#!/bin/sh\necho refused\n")
    (host.layout.versions / f".{OLD}.unfinished").write_bytes(b"half")
    host.select()
    assert host.running == OLD


def test_a_program_that_was_put_back_never_comes_again_by_itself(host):
    host.write(starts=3, failures=3)
    host.say(start=3)
    host.select()
    assert host.why.startswith("put-back")
    for link in (host.layout.current, host.layout.previous):
        link.unlink()
    host.add(OLD, b"")
    assert "cannot be led to one that ran before" in host.select()
    assert not host.layout.current.is_symlink()
    host.add(OLD, b"#!/bin/sh\necho old\n")
    host.select()
    assert host.running == OLD


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


@pytest.mark.parametrize("text", ["08", "-1", "0x10", "1 2", "", "10000000000", "!"])
@pytest.mark.parametrize("name", ["starts", "failures", "limit_s"])
def test_a_number_that_is_none_is_damage_and_ends_no_script(host, name, text):
    lines = host.layout.trial.read_text().splitlines()
    lines = [f"{name} {text}" if line.startswith(f"{name} ") else line for line in lines]
    host.layout.trial.write_text("\n".join([*lines, ""]))
    host.select()
    assert host.running == OLD
    assert host.why == "put-back: the file trial is damaged"


def test_folders_in_the_way_do_not_keep_it_from_going_back(host):
    host.write(starts=3, failures=3)
    home = host.layout.home
    for name in (".current.unfinished", "result.unfinished", "trial.unfinished", "result"):
        (home / name / "full").mkdir(parents=True)
    host.select()
    assert host.running == OLD
    assert host.why.startswith("put-back")
    assert not host.layout.trial.exists()


def test_folders_in_the_way_do_not_keep_it_from_counting(host):
    (host.layout.home / "trial.unfinished" / "full").mkdir(parents=True)
    host.select()
    assert (host.running, host.trial.starts) == (NEW, 1)


def test_what_could_not_be_put_back_is_not_said_to_be(host):
    """As on a disk that has become read-only: there every mv fails."""
    host.write(starts=3, failures=3)
    host.change_script("umask 022 ", "mv() { return 1; }\numask 022 ")
    said = host.select()
    assert f"{OLD} cannot be put back" in said
    assert "is put back" not in said
    assert host.running == NEW


def test_lines_of_a_trial_that_it_does_not_know_stay(host):
    text = host.layout.trial.read_text()
    host.layout.trial.write_text(text.replace("\nend\n", "\nlater 7 of \\n 9\nend\n"))
    host.select()
    host.select()
    assert "\nlater 7 of \\n 9\n" in host.layout.trial.read_text()
    assert host.trial.starts == 2


def test_a_pipe_in_place_of_the_progress_after_the_look_costs_no_start(host):
    host.say()
    look = '[ -f "$1" ] && [ ! -L "$1" ] || return 0\n'
    swap = 'case $1 in */progress) rm -f "$1" && mkfifo "$1" ;; esac\n'
    host.change_script(look, look + swap)
    host.change_script("read_s=5 ", "read_s=1 ")
    host.select()
    assert host.progress.is_fifo()
    assert host.trial.starts == 1


def test_what_the_gateway_says_is_one_line_of_the_log(host):
    """dash's echo makes a line's end of what looks like one."""
    host.write(starts=3, failures=2)
    host.say(start=2, missing=r"x\ntidegate: select: forged\c\0101")
    said = host.select()
    assert said.count("\n") == 1
    assert r"x\ntidegate: select: forged\c\0101" in said


def test_shellcheck_finds_nothing():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    script = ROOT / "packaging" / "launch" / "select"
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
