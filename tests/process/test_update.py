"""Updates of a real gateway: a good one is kept, a bad one goes back, whatever is interrupted."""

import signal
import subprocess

import pytest

from fixtures.hub import HubProcess
from fixtures.update_site import UpdateSite, program_of
from tidegate_linux.update import trial

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path):
    with UpdateSite(tmp_path) as site:
        yield site


def test_a_good_update_is_kept_when_the_hub_has_answered(tmp_path):
    with HubProcess(tmp_path) as hub, UpdateSite(tmp_path, hub.url) as site:
        update = site.update(site.release("1.1.0"))
        assert update.end() == 0, update.said
        assert "kept, proved by: receipt" in update.said
        assert site.running.startswith("tidegate-1.1.0-")
        assert site.version() == "1.1.0"
        assert site.trial() is None
        assert site.result().outcome == "kept"
        again = site.update(site.release("1.1.0"))
        assert again.end() == 1
        assert "version 1.1.0 runs already" in again.said
        # What is kept has a way back by hand.
        assert site.tell("update", "--back").returncode == 0
        site.keeper.restart()
        site.wait_version("1.0.0")
        shown = site.tell("update", "--status").stdout
        assert f"current: {site.old}\n" in shown
        assert "was put-back: by hand" in shown


def test_a_program_that_crashes_goes_back_after_three_starts(site):
    update = site.update(site.release("1.1.0", "crashes"))
    assert update.end() == 1
    assert "was put back for" in update.said
    assert "3 of 3 starts failed" in update.said, site.keeper.log()
    assert site.running == site.old
    site.wait_version("1.0.0")


def test_a_program_that_crashes_when_all_is_there_goes_back(site):
    """It is ready, commits and has no hub to ask; and dies in that very moment, each time."""
    site.hold_s = trial.HOLD_S
    update = site.update(site.release("1.1.0", "crashes when all is there"))
    assert update.end() == 1, update.said
    assert "3 of 3 starts failed: all is there, but not for 60 s yet" in update.said
    assert site.running == site.old
    site.wait_version("1.0.0")


def test_a_program_that_hangs_goes_back_when_its_time_is_over(site):
    update = site.update(site.release("1.1.0", "hangs"), "--time-limit", "10")
    assert update.end() == 1
    assert "it never said anything" in update.said
    site.wait_version("1.0.0")


@pytest.mark.parametrize(
    ("fault", "hub", "why"),
    [
        ("commits nothing", "", "nothing was committed to the journal"),
        ("", "http://127.0.0.1:9", "no answer of the hub: the line is"),
    ],
)
def test_a_gateway_that_proves_too_little_goes_back_by_itself(tmp_path, fault, hub, why):
    """The command is killed at once, as by a power cut: nobody waits for the proof."""
    with UpdateSite(tmp_path, hub) as site:
        limits = ["--time-limit", "10", "--offline-proof", "0"]
        update = site.update(site.release("1.1.0", fault), *limits)
        update.until_restart()
        update.kill()
        site.wait(lambda: site.trial() is None, "the trial does not end")
        assert site.running == site.old
        assert site.result().outcome == "put-back"
        assert f"not proved within 10 s: {why}" in site.result().why
        site.wait_version("1.0.0")


def test_a_site_without_a_line_proves_itself_by_being_well(tmp_path):
    with UpdateSite(tmp_path, "http://127.0.0.1:9") as site:
        update = site.update(site.release("1.1.0"), "--offline-proof", "3")
        assert update.end() == 0, update.said
        assert "proved by: offline" in update.said
        assert site.version() == "1.1.0"


def test_clean_stops_before_the_proof_are_no_failures(tmp_path):
    """As often as a site is switched off in the trial: the next start goes on with it."""
    with UpdateSite(tmp_path, "http://127.0.0.1:9") as site:
        limits = ["--time-limit", "600", "--offline-proof", "500"]
        update = site.update(site.release("1.1.0"), *limits)
        update.until_restart()
        update.kill()
        for start in range(1, 4):
            site.wait(lambda: site.trial().starts == start, f"no start {start}")  # noqa: B023
            site.wait_version("1.1.0")
            site.keeper.restart()
        site.wait(lambda: site.trial().starts == 4, "no start 4")
        assert site.trial().failures == 0
        # Killed ones are.
        for failures in (1, 2):
            site.wait_version("1.1.0")
            site.keeper.signal(signal.SIGKILL)
            site.wait(lambda: site.trial().failures == failures, "not counted")  # noqa: B023
        site.wait_version("1.1.0")
        site.keeper.signal(signal.SIGKILL)
        site.wait(lambda: site.running == site.old, "not put back")
        site.wait_version("1.0.0")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("says another version", "does not say that it is 1.1.0"),
        ("does not start at all", "does not say that it is 1.1.0"),
        ("cannot update", "could not be updated in its turn"),
        ("finds fault", "finds fault with"),
    ],
)
def test_what_does_not_answer_is_not_even_tried(tmp_path, fault, why):
    site = UpdateSite(tmp_path)
    update = site.update(site.release("1.1.0", fault))
    assert update.end() == 1
    assert why in update.said
    assert site.running == site.old
    assert site.trial() is None


def test_a_release_that_does_not_fit_changes_nothing(tmp_path):
    site = UpdateSite(tmp_path)
    before = sorted(path.name for path in site.layout.home.rglob("*"))
    refusals = {
        site.release("0.9.0"): "here runs 1.0.0 already",
        site.release("1.2.0", journal_reads=(2, 3), journal_writes=3): "had to come back",
        site.release("1.3.0", glibc="9.99"): "needs glibc 9.99",
        site.release("1.4.0", kind="efi"): "of the kind efi",
        tmp_path / "none.update": "there is no file",
    }
    for release, why in refusals.items():
        update = site.update(release)
        assert update.end() == 1
        assert why in update.said
    site.layout.lock.unlink()
    assert sorted(path.name for path in site.layout.home.rglob("*")) == before


def test_a_downgrade_is_possible_if_it_is_forced(site):
    update = site.update(site.release("0.9.0"), "--force-downgrade")
    assert update.end() == 0, update.said
    assert site.version() == "0.9.0"


def test_from_a_checkout_there_is_nothing_to_update(tmp_path):
    script = tmp_path / "tidegate"
    script.write_bytes(program_of("1.0.0"))
    script.chmod(0o755)
    done = subprocess.run([script, "update", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not installed in /usr/local/lib/tidegate/versions" in done.stderr
