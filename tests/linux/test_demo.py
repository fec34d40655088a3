"""The demo: it shows what it says, it can fail, and it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import apsw
import pytest

from fixtures.broker import free_port as any_free_port
from fixtures.gateway import PATHS
from tidegate_linux.demo.children import Child, DemoError, free_port
from tidegate_linux.demo.line import Line
from tidegate_linux.demo.sheet import Row, draw_up, inversions, read_rows

COMMAND = [sys.executable, "-m", "tidegate_linux", "demo", "--seconds", "12", "--devices", "4"]


def start(tmp_path):
    return subprocess.Popen(
        COMMAND,
        env={**os.environ, "PYTHONPATH": PATHS, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_in(folder):
    listing = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if str(folder) in line]


@pytest.mark.slow
def test_the_demo_balances_over_a_cut_line_and_a_kill(tmp_path):
    process = start(tmp_path)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    for words in ("the line is cut", "the gateway is killed", "the line is back", "it balances"):
        assert words in output
    for promise in ("P1", "P2", "P3", "P4"):
        assert f"holds  {promise}" in output
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_demo_that_is_ended_leaves_nothing_behind(tmp_path, number):
    process = start(tmp_path)
    while len(processes_in(tmp_path)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    # Twice, as who sends it to all processes of the one file: its loader passes its own one on.
    process.send_signal(number)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number, output
    assert "Traceback" not in output
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_port_that_is_wanted_is_taken_where_it_is_free():
    wanted = any_free_port()
    assert free_port(wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted)):
        assert free_port(wanted) != wanted


def test_what_others_have_published_is_counted_apart(tmp_path):
    connection = apsw.Connection(str(tmp_path / "hub.db"))
    connection.execute("CREATE TABLE records (stream, seq, payload)")
    payloads = [b'{"device": "a", "n": 1}', b"hello", b"[1]", b'{"device": "a"}', b'{"n": null}']
    rows = [("s", seq, payload) for seq, payload in enumerate(payloads, 1)]
    connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
    connection.close()
    found = read_rows(tmp_path / "hub.db")
    assert [(row.device, row.number) for row in found] == [("a", 1)] + [("", 0)] * 4
    assert inversions(found) == 0


def test_a_child_that_does_not_start_is_said_with_its_last_words(tmp_path):
    child = Child("broker", ["sh", "-c", "echo first; echo no room >&2; exit 3"], tmp_path)
    child.start()
    with pytest.raises(DemoError) as caught:
        child.wait_for("ready")
    child.kill()
    assert caught.value.what == "the broker did not start: no room"


def sheet_of(rows, published=3, held_at_kill=1, **changes):
    device = SimpleNamespace(name="a", published=published, acknowledged=set(range(1, 4)))
    stream = {"admitted": 3, "delivered": 3, "held": 0, "quarantined": 0, "dropped": {}}
    return draw_up([device], {"streams": [{**stream, **changes}]}, rows, held_at_kill)


GOOD = [Row("s", 1, "a", 1), Row("s", 2, "a", 2), Row("s", 3, "a", 3)]


def test_a_balance_that_holds():
    assert sheet_of(GOOD).balances


# What went wrong -> the promise that is broken by it.
WRONG = {
    "a message is lost": (sheet_of(GOOD[:2], delivered=2, held=1), "P1"),
    "one was never acknowledged": (sheet_of(GOOD, published=4), "P1"),
    "nothing was held at the kill": (sheet_of(GOOD, held_at_kill=0), "P1"),
    "a message is there twice": (sheet_of([*GOOD, Row("s", 4, "a", 3)]), "P2"),
    "a number is there twice": (sheet_of([*GOOD[:2], Row("s", 2, "a", 3)]), "P2"),
    "two are in the wrong order": (
        sheet_of([Row("s", 1, "a", 2), Row("s", 2, "a", 1), Row("s", 3, "a", 3)]),
        "P3",
    ),
    "the gateway's account is wrong": (sheet_of(GOOD, admitted=4), "P4"),
    "one was dropped": (sheet_of(GOOD, admitted=4, dropped={"overflow": 1}), "P4"),
    "the hub has fewer than were delivered": (sheet_of(GOOD[:2]), "P4"),
}


@pytest.mark.parametrize(("sheet", "promise"), WRONG.values(), ids=WRONG.keys())
def test_a_balance_that_does_not_hold_names_the_promise(sheet, promise):
    broken = [verdict.promise[:2] for verdict in sheet.verdicts if not verdict.holds]
    assert promise in broken
    assert not sheet.balances


def test_a_balance_holds_with_what_others_have_published():
    rows = [GOOD[0], Row("s", 2, "", 0), Row("s", 3, "a", 2), Row("s", 4, "a", 3)]
    sheet = sheet_of(rows, admitted=4, delivered=4)
    assert sheet.balances
    assert ("published by others", 1) in sheet.lines


def test_inversions_are_counted_by_device():
    rows = [Row("s", 1, "a", 1), Row("s", 2, "b", 5), Row("s", 3, "a", 2), Row("s", 4, "b", 4)]
    assert inversions(rows) == 1


def test_the_line_passes_swallows_and_refuses():
    with socket.create_server(("127.0.0.1", 0)) as hub:
        line = Line(hub.getsockname()[1])
        near = socket.create_connection(("127.0.0.1", line.port))
        far, _ = hub.accept()
        near.sendall(b"one")
        assert far.recv(10) == b"one"
        line.fall_silent()
        far.sendall(b"lost")
        near.settimeout(0.2)
        with pytest.raises(TimeoutError):
            near.recv(10)
        line.cut()
        assert near.recv(10) == b""
        refused = socket.create_connection(("127.0.0.1", line.port))
        assert refused.recv(10) == b""
        line.mend()
        again = socket.create_connection(("127.0.0.1", line.port))
        again.sendall(b"two")
        other, _ = hub.accept()
        assert other.recv(10) == b"two"
        line.close()
        for sock in (near, far, refused, again, other):
            sock.close()
