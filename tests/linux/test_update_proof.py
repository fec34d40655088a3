"""What a gateway on trial writes down, and when it ends itself."""

import os

import pytest

from fixtures.releases import Installation
from tidegate_linux.durable import Owner
from tidegate_linux.status.survey import Snapshot
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.proof import ProofAttendant, progress_file, trial_of
from tidegate_linux.update.trial import (
    HOLD_S,
    Progress,
    Trial,
    read_progress,
    read_trial,
    write_progress,
    write_trial,
)

NEW, OLD = "tidegate-1.1.0-linux-glibc236-amd64", "tidegate-1.0.0-linux-glibc236-amd64"
START_MS = 5_000_000
ME = Owner(os.geteuid(), os.getegid())


def snapshot(at_s, link="up", commits=1, problems=(), delivered=0, state="open"):
    fields = {
        "journal": {"state": state, "commits": commits},
        "link": {"state": link, "last_error": "timed out" if link == "down" else ""},
        "streams": [{"delivered": delivered}, {"delivered": 0}],
    }
    return Snapshot(START_MS + int(at_s * 1000), tuple(problems), (), fields)


class Gateway:
    """Starts of a gateway on trial, seen by what they leave."""

    def __init__(self, folder, **changes):
        folder.mkdir(exist_ok=True)
        self.path = progress_file(folder)
        trial = Trial("ab12", NEW, OLD, 600, 0, self.path, starts=1, hold_s=0)
        self.trial = trial._replace(**changes)

    def start(self, starts=1):
        return ProofAttendant(self.trial._replace(starts=starts), START_MS)

    @property
    def found(self):
        return read_progress(self.path)


@pytest.fixture
def gateway(tmp_path):
    return Gateway(tmp_path / "data")


def test_a_start_is_written_down_at_once(gateway):
    gateway.start(starts=4)
    assert gateway.found == Progress(
        "ab12", 4, 0, False, False, "no", "the journal is not open yet"
    )


def test_ready_a_commit_and_an_answer_prove_it(gateway):
    attendant = gateway.start()
    attendant.attend(snapshot(1, link="connecting", commits=0))
    assert gateway.found.missing == "nothing was committed to the journal"
    attendant.attend(snapshot(2, link="connecting"))
    assert gateway.found.missing == "no answer of the hub: the line is connecting"
    attendant.attend(snapshot(3, link="down"))
    assert gateway.found.missing == "no answer of the hub: the line is down, timed out"
    attendant.attend(snapshot(4))
    assert gateway.found == Progress("ab12", 1, 4, True, False, "receipt", "nothing")


def test_an_unhealthy_gateway_proves_nothing(gateway):
    gateway.start().attend(snapshot(1, problems=["the journal is full"]))
    assert gateway.found.missing == "it is not healthy: the journal is full"
    assert not gateway.found.is_proved


def test_a_closed_journal_is_no_commit(gateway):
    gateway.start().attend(snapshot(1, state="failed"))
    assert not gateway.found.is_proved


def test_what_was_delivered_before_is_no_receipt_but_what_is_now_is_one(gateway):
    attendant = gateway.start()
    attendant.attend(snapshot(1, link="waiting", delivered=70))
    assert not gateway.found.is_proved
    attendant.attend(snapshot(2, link="waiting", delivered=71))
    assert gateway.found.is_proved


def test_without_a_hub_no_answer_is_needed(gateway):
    gateway.start().attend(snapshot(1, link="none"))
    assert gateway.found.receipt == "no-hub"


def test_being_well_for_long_is_proof_only_where_that_was_agreed(tmp_path):
    gateway = Gateway(tmp_path / "data", offline_s=100)
    attendant = gateway.start()
    attendant.attend(snapshot(1, link="down"))
    attendant.attend(snapshot(60, link="down", problems=["ill"]))
    attendant.attend(snapshot(61, link="down"))
    attendant.attend(snapshot(160, link="down"))
    assert not gateway.found.is_proved
    attendant.attend(snapshot(161, link="down"))
    assert (gateway.found.is_proved, gateway.found.receipt) == (True, "offline")


def test_what_is_proved_must_hold_for_a_minute_of_one_start(tmp_path):
    gateway = Gateway(tmp_path / "data", hold_s=HOLD_S)
    attendant = gateway.start()
    attendant.attend(snapshot(1))
    assert gateway.found.missing == "all is there, but not for 60 s yet"
    attendant.attend(snapshot(60.9))
    assert not gateway.found.is_proved
    # That start crashes; what it had is nothing to the next one.
    attendant = gateway.start(starts=2)
    attendant.attend(snapshot(2))
    attendant.attend(snapshot(61.9))
    assert not gateway.found.is_proved
    attendant.attend(snapshot(62))
    assert (gateway.found.is_proved, gateway.found.receipt) == (True, "receipt")


def test_what_is_not_well_in_between_has_not_held(tmp_path):
    gateway = Gateway(tmp_path / "data", hold_s=HOLD_S)
    attendant = gateway.start()
    attendant.attend(snapshot(1))
    attendant.attend(snapshot(59, problems=["ill"]))
    attendant.attend(snapshot(61))
    attendant.attend(snapshot(120))
    assert not gateway.found.is_proved
    attendant.attend(snapshot(121))
    assert gateway.found.is_proved


def test_a_line_that_goes_again_takes_back_no_answer(tmp_path):
    gateway = Gateway(tmp_path / "data", hold_s=HOLD_S)
    attendant = gateway.start()
    attendant.attend(snapshot(1))
    attendant.attend(snapshot(20, link="down"))
    attendant.attend(snapshot(61, link="down"))
    assert (gateway.found.is_proved, gateway.found.receipt) == (True, "receipt")


def test_being_well_without_a_line_holds_from_its_beginning(tmp_path):
    gateway = Gateway(tmp_path / "data", hold_s=HOLD_S, offline_s=300)
    attendant = gateway.start()
    attendant.attend(snapshot(1, link="down"))
    attendant.attend(snapshot(301, link="down"))
    assert (gateway.found.is_proved, gateway.found.receipt) == (True, "offline")


@pytest.mark.parametrize("line", [b"", b"hold_s \n"])
def test_a_trial_that_says_nothing_of_holding_has_the_minute(tmp_path, line):
    path = tmp_path / "trial"
    write_trial(path, Trial("ab12", NEW, OLD, 600, 0, tmp_path, hold_s=5), ME)
    assert read_trial(path).hold_s == 5
    path.write_bytes(path.read_bytes().replace(b"hold_s 5\n", line))
    assert read_trial(path).hold_s == HOLD_S


def test_seconds_add_up_over_starts(gateway):
    attendant = gateway.start()
    attendant.attend(snapshot(100, link="down"))
    attendant.stopping()
    attendant.close()
    assert (gateway.found.seconds, gateway.found.is_stopped) == (100, True)
    gateway.start(starts=2)
    assert gateway.found == Progress("ab12", 2, 100, False, False, "no", gateway.found.missing)


def test_another_trial_begins_at_nothing(gateway):
    gateway.path.parent.mkdir(parents=True)
    write_progress(gateway.path, Progress("cd34", 1, 500, True, True, "receipt", ""), ME)
    gateway.start()
    assert (gateway.found.id, gateway.found.seconds, gateway.found.is_proved) == ("ab12", 0, False)


def test_an_end_that_nobody_asked_for_is_no_clean_stop(gateway):
    gateway.start().close()
    assert not gateway.found.is_stopped


def test_it_ends_itself_when_its_time_is_over(gateway):
    attendant = gateway.start()
    attendant.attend(snapshot(599, link="down"))
    with pytest.raises(UpdateError, match="has not proved itself in 600 s: no answer of the hub"):
        attendant.attend(snapshot(600, link="down"))
    assert gateway.found.seconds == 600
    assert not gateway.found.is_stopped


def test_used_up_time_leaves_a_start_a_minute(gateway):
    gateway.path.parent.mkdir(parents=True)
    write_progress(gateway.path, Progress("ab12", 1, 600, False, False, "no", ""), ME)
    attendant = gateway.start(starts=2)
    attendant.attend(snapshot(59, link="down"))
    with pytest.raises(UpdateError):
        attendant.attend(snapshot(60, link="down"))


def test_where_no_select_counts_it_does_not_end_itself(gateway):
    attendant = gateway.start(starts=0)
    attendant.attend(snapshot(10_000, link="down"))
    assert gateway.found.seconds == 10_000


def test_a_proof_that_cannot_be_written_is_none(gateway, tmp_path):
    folder = tmp_path / "data" / "update"
    folder.write_text("a file in its way")
    attendant = gateway.start()
    attendant.attend(snapshot(1))
    assert gateway.found is None
    with pytest.raises(UpdateError, match="its progress cannot be written"):
        attendant.attend(snapshot(700))
    folder.unlink()
    attendant = gateway.start(starts=2)
    attendant.attend(snapshot(1))
    assert gateway.found.is_proved


def test_the_disk_is_not_worn_by_a_long_trial(gateway):
    attendant = gateway.start()
    written = set()
    for at_s in range(1, 101):
        attendant.attend(snapshot(at_s, link="down"))
        written.add(gateway.path.stat().st_ino)
    assert len(written) <= 12


def test_only_the_program_on_trial_finds_its_trial(tmp_path):
    site = Installation(tmp_path, OLD, b"old")
    program = site.add(NEW, b"new")
    assert trial_of(program) is None
    trial = Trial("ab12", NEW, OLD, 600, 0, tmp_path / "progress")
    write_trial(site.layout.trial, trial, ME)
    assert trial_of(program) == trial
    assert trial_of(site.layout.version(OLD)) is None
    assert trial_of(tmp_path / NEW) is None
    whole = site.layout.trial.read_bytes()
    for length in range(len(whole)):
        site.layout.trial.write_bytes(whole[:length])
        assert trial_of(program) is None
