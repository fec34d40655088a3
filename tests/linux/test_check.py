"""`tidegate check`: it finds what could lose data, and says what to do about it."""

import json
import os
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from builders import uplink_settings
from fixtures.broker import Broker
from fixtures.gateway import PATHS, GatewayProcess
from fixtures.hub import HubProcess
from fixtures.raw_server import RawServer, reply
from tidegate.config.settings import JournalSettings
from tidegate.config.url import parse_url
from tidegate.events import ClockRead
from tidegate.records.clock import SET, SYNCHRONISED
from tidegate_linux.check.check import check_status_port
from tidegate_linux.check.hub import check_hub
from tidegate_linux.check.machine import check_clock, check_folder, check_journal, medium_of
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING

NOWHERE = Path("/nowhere")


def check(path):
    done = subprocess.run(
        [sys.executable, "-m", "tidegate_linux", "check", "-c", str(path)],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_whole_check_beside_a_running_gateway_and_without_anything(tmp_path):
    (tmp_path / "hub").mkdir()
    with Broker(tmp_path / "broker") as broker, HubProcess(tmp_path / "hub") as hub:
        with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
            broker.publish("site/a", b"1")
            gateway.wait_drained(1)
            done = check(gateway.config_path)
            assert gateway.status()["sources"][0]["connections"] == 1, "the check disturbed it"
        assert done.returncode == 0, done.stdout
        assert "it knows the token and this stream up to 1" in done.stdout
        assert "a gateway runs and serves its status" in done.stdout
    done = check(gateway.config_path)
    assert done.returncode == 1
    assert "error    source[0]: nothing listens at 127.0.0.1" in done.stdout
    assert "error    hub: nothing listens at 127.0.0.1" in done.stdout
    assert "every row counted" in done.stdout
    assert done.stdout.count("hint: ") >= 2
    assert str(gateway.config["uplink"]["token"]) not in done.stdout + done.stderr


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    done = check(tmp_path / "none.toml")
    assert done.returncode == 1
    assert done.stderr.startswith(f"tidegate: error: {tmp_path}/none.toml: no such file\n")


def ask(data, **changes):
    with RawServer(lambda peer: peer.say(data)) as server:
        return check_hub(uplink_settings(url=server.url, timeout_s=2, **changes), NOWHERE)


def error_fields(detail):
    return json.dumps({"error": "x", "detail": detail}).encode()


# What answers -> level and words of the first finding.
ANSWERS = {
    "a portal": (reply(b"<html>"), ERROR, "what answers is no hub"),
    "a redirect": (reply(b"", "302 Found", "Location: http://login/"), ERROR, "http://login/"),
    "a stranger": (reply(error_fields("the token is not known"), "401 No"), ERROR, "is not known"),
    "a foreign node": (reply(error_fields("belongs to a"), "403 No"), ERROR, "belongs to a"),
    "no such path": (reply(b"nothing here", "404 No"), ERROR, "status 404"),
    "busy": (reply(b"{}", "503 Busy"), WARNING, "cannot answer now"),
    "a teapot": (reply(b"{}", "418 Teapot"), ERROR, "status 418"),
    "another stream's hub": (
        reply(b'{"stream": "a", "through": 0, "generation": "0000000000000001"}'),
        ERROR,
        "does not name this stream",
    ),
}


@pytest.mark.parametrize(("data", "level", "words"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_answers_in_place_of_a_hub_is_named(data, level, words):
    finding = ask(data)[0]
    assert finding.level == level
    assert words in finding.what
    assert finding.hint


def test_a_clock_that_differs_from_the_hubs_is_found():
    for shift_s, words in ((3600, "3600 s behind"), (-3600, "3600 s ahead of"), (5, None)):
        date = formatdate(time.time() + shift_s, usegmt=True)
        findings = ask(reply(b"{}", "503 Busy", f"Date: {date}"))
        found = [finding.what for finding in findings if "clock" in finding.what]
        assert bool(found) == (words is not None)
        # The header has whole seconds.
        assert not found or words.split()[2] in found[0]


def test_the_clocks_quality_is_told():
    for reading, level in (
        (ClockRead(0, SET), WARNING),
        (ClockRead(1_800_000_000_000, SET), WARNING),
        (ClockRead(1_800_000_000_000, SYNCHRONISED), INFO),
    ):
        assert check_clock(reading)[0].level == level


def journal_settings(limit_bytes=1_000_000, reserve_bytes=0, overflow="drop-oldest"):
    return JournalSettings(limit_bytes, reserve_bytes, overflow, 0)


def test_a_folder_without_room_is_found(tmp_path):
    folder = tmp_path / "not" / "made" / "yet"
    levels = [finding.level for finding in check_folder(folder, journal_settings())]
    assert ERROR not in levels
    finding = check_folder(folder, journal_settings(limit_bytes=1 << 49))[-1]
    assert finding.level == WARNING
    for overflow, words in (
        ("block", "nothing can be admitted"),
        ("drop-oldest", "costs the oldest"),
        ("drop-newest", "new messages are dropped"),
    ):
        settings = journal_settings(reserve_bytes=1 << 49, overflow=overflow)
        finding = check_folder(folder, settings)[-1]
        assert (finding.level, words in finding.what) == (ERROR, True)
    assert not folder.exists(), "a check makes nothing"


def test_a_file_where_the_folder_should_be_is_found(tmp_path):
    (tmp_path / "file").touch()
    finding = check_folder(tmp_path / "file" / "data", journal_settings())[0]
    assert finding.level == ERROR


def test_the_kind_of_medium_is_known(tmp_path):
    device = tmp_path.stat().st_dev
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /x rw shared:1 - tmpfs tmpfs rw\n"
    mounts = tmp_path / "mounts"
    mounts.write_text("garbage\n" + line)
    assert medium_of(tmp_path, mounts) == "tmpfs"
    assert medium_of(tmp_path, tmp_path / "none") == ""


def test_a_journal_that_is_none_is_found(tmp_path):
    assert check_journal(tmp_path)[0].level == INFO
    (tmp_path / "journal.db").write_bytes(b"garbage" * 1000)
    finding = check_journal(tmp_path)[0]
    assert finding.level == ERROR
    assert finding.hint


def test_a_status_port_that_another_program_has_is_found():
    with RawServer(lambda peer: peer.say(reply(b"hello"))) as server:
        assert check_status_port(parse_url(server.url, ("http",)))[0].level == WARNING
    free = check_status_port(parse_url(server.url, ("http",)))[0]
    assert free.level == INFO
