"""What a service manager is told of a gateway and of a hub, over a real datagram socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from fixtures.broker import free_port
from fixtures.gateway import PATHS, GatewayProcess, toml
from fixtures.hub import TOKEN
from fixtures.publisher import Publisher
from tidegate_linux.config import load_gateway
from tidegate_linux.shell import Shell
from tidegate_linux.status.survey import Snapshot
from tidegate_linux.supervisor import (
    SALVAGE_BYTES_PER_S,
    START_S,
    STATUS_CHARACTERS_MAX,
    Notifier,
    Supervisor,
    missing,
    supervisor,
)

WAIT_S = 30.0


class Manager:
    """The service manager's end: a socket, and what was said to it so far."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.name = address.replace("\0", "@")
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.name, **more}

    def take(self):
        """Return what was said since the last look, a list of assignments."""
        said = []
        self.socket.setblocking(False)
        while True:
            try:
                said += self.socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                self.heard += said
                return said

    def wait(self, assignment):
        """Wait for an assignment."""
        end_s = time.monotonic() + WAIT_S
        while assignment not in self.heard:
            assert time.monotonic() < end_s, f"{assignment} was not said: {self.heard}"
            time.sleep(0.05)
            self.take()

    def signs_of_life(self, during_s):
        """Return how many came while we waited."""
        self.take()
        time.sleep(during_s)
        return self.take().count("WATCHDOG=1")


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify")
    if request.param == "an abstract name":
        address = f"\0tidegate-test-{os.getpid()}-{id(request)}"
    with Manager(address) as manager:
        yield manager


def snapshot(taken_ms=0, journal="open", sources=(), line="up", error="", **more):
    fields = {
        "journal": {"state": journal},
        "sources": [{"name": name, "state": state} for name, state in sources],
        "link": {"state": line, "last_error": error},
        "backlog": {"records": more.pop("held", 0)},
    }
    return Snapshot(taken_ms, more.pop("problems", ()), (), fields, **more)


def attending(manager, tmp_path, **variables):
    environment = manager.environment(**variables)
    told = Supervisor(Notifier(environment), tmp_path / "data")
    manager.take()
    return told


def test_the_variables_are_gone_before_a_child_could_speak_for_us(manager, tmp_path):
    environment = manager.environment(WATCHDOG_USEC="4000000", WATCHDOG_PID="1", PATH="/bin")
    Notifier(environment).close()
    assert environment == {"PATH": "/bin"}


def test_nobody_is_told_where_nobody_asked(tmp_path):
    assert supervisor({}, None) is None
    assert Notifier({}).tell("READY=1")
    assert Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}).tell("READY=1")


def test_ready_is_said_once(manager, tmp_path):
    told = attending(manager, tmp_path)
    for taken_ms in (0, 500, 1000):
        told.attend(snapshot(taken_ms))
    assert manager.take().count("READY=1") == 1


NOT_READY = {
    "the journal": snapshot(journal="failed"),
    "our own listeners": snapshot(sources=[("listen", "connecting")]),
    "the place of nodes": snapshot(sources=[("nodes", "connecting")]),
}
READY = {
    "the line is down": snapshot(line="down"),
    "the hub refuses us": snapshot(line="held"),
    "somebody else's broker is away": snapshot(sources=[("source-1", "connecting")]),
    "a full journal holds clients up": snapshot(sources=[("listen", "paused")]),
}


@pytest.mark.parametrize("name", NOT_READY)
def test_ready_waits_for(name, manager, tmp_path):
    told = attending(manager, tmp_path)
    told.attend(NOT_READY[name])
    said = manager.take()
    assert "READY=1" not in said
    assert any(line.startswith("STATUS=") and "waits: " in line for line in said)
    told.attend(snapshot(1000))
    assert "READY=1" in manager.take()


@pytest.mark.parametrize("name", READY)
def test_ready_does_not_wait_while(name):
    assert missing(READY[name]) == ""


def test_a_sign_of_life_comes_four_times_before_patience_ends(manager, tmp_path):
    told = attending(manager, tmp_path, WATCHDOG_USEC="8000000", WATCHDOG_PID=str(os.getpid()))
    for taken_ms in range(0, 8000, 500):
        told.attend(snapshot(taken_ms))
    assert manager.take().count("WATCHDOG=1") == 4


@pytest.mark.parametrize(
    ("pid", "is_ours"),
    [(os.getpid(), True), (os.getppid(), True), (1 << 22, False)],
    ids=["ours", "the parent's, as in the onefile program", "somebody else's"],
)
def test_the_watchdog_is_ours(pid, is_ours, manager, tmp_path):
    told = attending(manager, tmp_path, WATCHDOG_USEC="8000000", WATCHDOG_PID=str(pid))
    told.attend(snapshot())
    assert ("WATCHDOG=1" in manager.take()) == is_ours


def test_without_a_watchdog_there_are_no_signs_of_life(manager, tmp_path):
    told = attending(manager, tmp_path, WATCHDOG_USEC="many")
    told.attend(snapshot())
    assert "WATCHDOG=1" not in manager.take()


def test_the_status_says_what_is_held_how_the_line_is_and_what_is_wrong(manager, tmp_path):
    told = attending(manager, tmp_path)
    told.attend(snapshot(held=7, line="down", error="no answer", problems=("the disk is full",)))
    assert "STATUS=7 records held; problem: the disk is full; line down: no answer" in (
        manager.take()
    )


def test_the_last_error_of_a_line_that_is_up_again_is_over(manager, tmp_path):
    told = attending(manager, tmp_path)
    told.attend(snapshot(line="up", error="no answer"))
    assert "STATUS=0 records held; line up" in manager.take()


def test_figures_alone_do_not_wake_the_manager_often(manager, tmp_path):
    told = attending(manager, tmp_path)
    for second in range(21):
        told.attend(snapshot(second * 1000, held=second))
    assert len([line for line in manager.take() if line.startswith("STATUS=")]) == 3
    told.attend(snapshot(21_000, line="down"))
    assert "STATUS=0 records held; line down" in manager.take()


def test_what_a_hub_says_becomes_no_assignment(manager, tmp_path):
    told = attending(manager, tmp_path)
    told.attend(snapshot(line="held", error="no\nMAINPID=1\u2028\x1b[2J" + "x" * 1000))
    said = manager.take()
    assert not any(line.startswith("MAINPID") for line in said)
    status = next(line for line in said if line.startswith("STATUS="))
    assert status.removeprefix("STATUS=").isprintable()
    assert len(status) == len("STATUS=") + STATUS_CHARACTERS_MAX


def test_a_manager_that_does_not_hear_holds_nobody_up_and_is_told_again(manager, tmp_path):
    told = attending(manager, tmp_path)
    deaf = Notifier(manager.environment())
    while deaf.tell("X=1"):
        pass
    told.attend(snapshot())
    assert "READY=1" not in manager.take()
    told.attend(snapshot(500))
    assert "READY=1" in manager.take()
    manager.socket.close()
    told.attend(snapshot(60_000))
    told.stopping()
    told.close()
    told.stopping()


def test_a_start_takes_the_longer_the_larger_the_journal_is(manager, tmp_path):
    (tmp_path / "damaged-1").mkdir()
    with (tmp_path / "damaged-1" / "journal.db").open("wb") as file:
        file.truncate(100 * SALVAGE_BYTES_PER_S)
    Supervisor(Notifier(manager.environment()), tmp_path)
    assert f"EXTEND_TIMEOUT_USEC={(START_S + 100) * 1_000_000}" in manager.take()


class StuckJournal:
    """A journal whose commits take as long as `may_go_on` is not set."""

    def __init__(self, journal, may_go_on):
        self.recover, self.append, self.read = journal.recover, journal.append, journal.read
        self.hash_at, self.notes, self.usage = journal.hash_at, journal.notes, journal.usage
        self.close = journal.close
        self._sync = journal.sync
        self._may_go_on = may_go_on

    def sync(self):
        self._may_go_on.wait()
        self._sync()


class StuckShell(Shell):
    """A gateway on a disk that can get stuck."""

    def __init__(self, settings, may_go_on):
        self._may_go_on = may_go_on
        super().__init__(settings, [])

    def _open_journal(self):
        return StuckJournal(super()._open_journal(), self._may_go_on)


def test_a_stuck_commit_gives_no_sign_of_life(tmp_path, monkeypatch):
    port = free_port()
    path = tmp_path / "gateway.toml"
    tree = {
        "node": {"name": "site-7", "data": str(tmp_path / "data")},
        "journal": {"reserve_bytes": 1_000_000},
        "source": [{"type": "listen", "url": f"mqtt://127.0.0.1:{port}"}],
        "status": {"url": ""},
    }
    path.write_text(toml(tree))
    may_go_on = threading.Event()
    may_go_on.set()
    with Manager(str(tmp_path / "notify")) as manager:
        for name, value in manager.environment(WATCHDOG_USEC="1000000").items():
            monkeypatch.setenv(name, value)
        shell = StuckShell(load_gateway(path)[0], may_go_on)
        shell.start()
        try:
            manager.wait("READY=1")
            assert manager.signs_of_life(during_s=2.2) >= 2
            may_go_on.clear()
            with Publisher(port, "p1", messages=1) as publisher:
                manager.signs_of_life(during_s=1.5)
                assert manager.signs_of_life(during_s=2.2) == 0
                assert publisher.acknowledged == 0
                may_go_on.set()
                assert manager.signs_of_life(during_s=2.2) >= 2
        finally:
            may_go_on.set()
            shell.stop()
        manager.take()
        assert manager.heard.count("STOPPING=1") == 1
        assert "NOTIFY_SOCKET" not in os.environ


def test_a_gateway_is_ready_without_broker_and_hub(tmp_path, monkeypatch):
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    with Manager(str(tmp_path / "notify")) as manager:
        for name, value in manager.environment().items():
            monkeypatch.setenv(name, value)
        gateway = GatewayProcess(tmp_path, nobody, f"http://127.0.0.1:{free_port()}")
        gateway.spawn()
        manager.wait("READY=1")
        assert gateway.stop() == 0
        manager.wait("STOPPING=1")
    assert not any(line.startswith("MAINPID") for line in manager.heard)


def test_a_hub_is_ready_when_it_listens(tmp_path):
    path = tmp_path / "hub.toml"
    url = f"http://127.0.0.1:{free_port()}"
    path.write_text(
        f'[hub]\nurl = "{url}"\ndatabase = "sqlite:///{tmp_path}/hub.db"\n'
        f'[[hub.node]]\nname = "a"\ntoken = "{TOKEN}"\n'
    )
    with Manager(str(tmp_path / "notify")) as manager:
        hub = subprocess.Popen(
            [sys.executable, "-m", "tidegate_linux", "hub", "-c", str(path)],
            env={**os.environ, "PYTHONPATH": PATHS, **manager.environment()},
            stderr=subprocess.DEVNULL,
        )
        try:
            manager.wait("READY=1")
            assert f"STATUS=listening on {url}" in manager.heard
        finally:
            hub.send_signal(signal.SIGTERM)
        assert hub.wait(WAIT_S) == 0
