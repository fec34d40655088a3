"""systemd's units: that systemd understands them, how closed they are, and that they agree."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging/systemd"
GATEWAY, ONE_FILE, HUB = "tidegate.service", "tidegate-onefile.service", "tidegate-hub.service"
ALL = [GATEWAY, ONE_FILE, HUB]
PROGRAMS = [
    "usr/bin/tidegate",
    "usr/local/lib/tidegate/current",
    "usr/local/lib/tidegate/select",
    "bin/kill",
]
EXPOSURE_MAX = 15  # Of 100, which systemd-analyze shows as 1.5 of 10.
# What a unit is closed by is the same everywhere, but for these and for what they are closed to.
OWN_TO_ONE_FILE = {"NotifyAccess", "ExecStartPre", "ExecStart", "RestartPreventExitStatus"}
OWN_TO_HUB = {
    *("Description", "After", "ExecStart", "ExecReload", "StateDirectory", "WorkingDirectory"),
    *("LoadCredential", "WatchdogSec", "TimeoutAbortSec", "TimeoutStartSec", "MemoryMax"),
    *("ProtectClock", "SystemCallFilter"),
}

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is missing: systemd was not asked what it makes of the units",
)


def analyze(*arguments):
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def host(tmp_path):
    """The root of a host with the units, and something to start in the place of the program."""
    for program in PROGRAMS:
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    for unit in ALL:
        shutil.copy(UNITS / unit, folder)
    return tmp_path


def drop_in(host, name):
    """Put a drop-in where its first lines say it goes."""
    folder = host / "etc/systemd/system/tidegate.service.d"
    folder.mkdir(exist_ok=True)
    shutil.copy(UNITS / name, folder)


def verify(host, unit):
    done = analyze("verify", f"--root={host}", "--recursive-errors=no", "--man=no", unit)
    return done.returncode, done.stderr


def exposure(host, unit, limit):
    done = analyze(
        "security", f"--root={host}", "--offline=true", f"--threshold={limit}", "--no-pager", unit
    )
    assert "Overall exposure level" in done.stdout, done.stderr
    return done.returncode, done.stdout.splitlines()[-1]


def settings(name):
    """Return the settings of a unit as a list of pairs, without comments."""
    lines = (UNITS / name).read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and line[0] != "#"]


@needs_analyze
@pytest.mark.parametrize("unit", ALL)
def test_systemd_understands_every_line(host, unit):
    assert verify(host, unit) == (0, "")


@needs_analyze
@pytest.mark.parametrize("name", sorted(path.name for path in UNITS.glob("*.conf")))
def test_systemd_understands_every_line_of_what_can_be_added(host, name):
    drop_in(host, name)
    assert verify(host, GATEWAY) == (0, "")


@needs_analyze
def test_a_line_that_systemd_does_not_know_is_seen(host):
    path = host / "etc/systemd/system" / GATEWAY
    path.write_text(path.read_text().replace("RestartSec=", "RestartSeconds="))
    code, said = verify(host, GATEWAY)
    assert code != 0
    assert "RestartSeconds" in said


@needs_analyze
@pytest.mark.parametrize("unit", ALL)
def test_a_service_is_closed(host, unit):
    code, verdict = exposure(host, unit, EXPOSURE_MAX)
    assert code == 0, verdict


@needs_analyze
def test_what_is_opened_shows(host):
    path = host / "etc/systemd/system" / GATEWAY
    path.write_text(path.read_text().replace("User=tidegate\n", ""))
    code, verdict = exposure(host, GATEWAY, EXPOSURE_MAX)
    assert code != 0, verdict


@pytest.mark.parametrize(("unit", "own"), [(ONE_FILE, OWN_TO_ONE_FILE), (HUB, OWN_TO_HUB)])
def test_the_units_agree(unit, own):
    shared = [pair for pair in settings(GATEWAY) if pair[0] not in own]
    assert [pair for pair in settings(unit) if pair[0] not in own] == shared


def test_every_own_setting_is_one():
    for unit, own in ((ONE_FILE, OWN_TO_ONE_FILE), (HUB, OWN_TO_HUB)):
        differing = set(settings(unit)) ^ set(settings(GATEWAY))
        assert {name for name, _ in differing} == own
