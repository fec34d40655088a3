"""What one file breaks by being two processes and a folder: each line of docs/decisions/0080.

The program is `tidegate hub`: it serves until it is told to end, and says so.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fixtures.binary import built_binary, built_folder
from fixtures.sources import wait_until

pytestmark = pytest.mark.slow
HUB = (
    '[hub]\nurl = "http://127.0.0.1:0"\n[[hub.node]]\nname = "site-7"\ntoken = "4a1f0c9b93be7d21"\n'
)
END_S = 30.0
SMALL = "size=8m"  # Less than what is unpacked.


@pytest.fixture
def place(tmp_path):
    """A folder with the program's temporary folder in it."""
    (tmp_path / "tmp").mkdir()
    return tmp_path


class Running:
    """The program as one file: a loader, and its child."""

    def __init__(self, place, *prefix):
        self.folder = place / "tmp"
        hub = Path(tempfile.mkdtemp(prefix="hub-", dir=place))
        self._log = hub / "hub.log"
        (hub / "hub.toml").write_text(HUB)
        (hub / "hub.toml").chmod(0o600)
        command = [*prefix, str(built_binary()), "hub", "-c", str(hub / "hub.toml")]
        with self._log.open("wb") as log:
            self.loader = subprocess.Popen(
                command,
                env={**os.environ, "TMPDIR": str(self.folder)},
                stdout=log,
                stderr=log,
                cwd=hub,
                start_new_session=True,
            )
        wait_until(lambda: "listening on" in self.log(), self.log)
        self.child = children_of(self.loader.pid)[-1]

    def log(self):
        return self._log.read_text(errors="replace")

    def unpacked(self):
        return sorted(self.folder.glob("_MEI*"))

    def ended_in_order(self):
        """Wait until both are gone; tell whether the child said goodbye and nothing is left."""
        wait_until(lambda: not is_alive(self.child), self.log)
        return "the hub has stopped" in self.log() and not self.unpacked()

    def close(self):
        for process in (self.child, self.loader.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.loader.wait(END_S)


@pytest.fixture
def start(place):
    """Start the program; whatever a test does, both its processes are gone at its end."""
    with contextlib.ExitStack() as stack:

        def starting(*prefix):
            running = Running(place, *prefix)
            stack.callback(running.close)
            return running

        yield starting


def program_in_folder():
    return built_folder() / "tidegate"


def children_of(process):
    """Return a process's descendants, the eldest first."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    direct = [int(word) for word in text.split()]
    return [each for child in direct for each in [child, *children_of(child)]]


def is_alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def version(place, **environment):
    """Run a short command with the program's own temporary folder."""
    variables = {**os.environ, "TMPDIR": str(place), **environment}
    command = [str(built_binary()), "version"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=END_S)


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a small file system; skip where this machine does not let us."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tidegate-test", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("whom", "number"),
    [
        ("loader", signal.SIGTERM),
        ("program", signal.SIGTERM),
        ("group", signal.SIGTERM),
        ("group twice", signal.SIGTERM),
        ("group twice", signal.SIGINT),
    ],
)
def test_a_signal_ends_it_in_order_whomever_it_is_sent_to(start, number, whom):
    running = start()
    if whom == "loader":
        running.loader.send_signal(number)
    elif whom == "program":
        os.kill(running.child, number)
    else:
        for _ in range(whom.count("twice") + 1):
            os.killpg(running.loader.pid, number)
    assert running.loader.wait(END_S) == 0, running.log()
    assert running.ended_in_order()


def test_sighup_reaches_the_program(start):
    running = start()
    running.loader.send_signal(signal.SIGHUP)
    # A hub has no use for it: it ends by it, and so does its loader.
    assert running.loader.wait(END_S) == -signal.SIGHUP
    assert not running.unpacked()


def test_a_killed_loader_takes_the_program_along_and_leaves_no_folder(start):
    running = start()
    running.loader.kill()
    assert running.ended_in_order(), running.log()


def test_a_killed_program_ends_its_loader_with_a_code_that_says_so(start):
    running = start()
    os.kill(running.child, signal.SIGKILL)
    assert running.loader.wait(END_S) == -signal.SIGKILL
    assert not running.unpacked()


def test_what_a_killed_pair_left_behind_is_removed_by_a_later_start(start, place):
    killed, alive = start(), start()
    os.killpg(killed.loader.pid, signal.SIGKILL)
    killed.loader.wait(END_S)
    wait_until(lambda: not is_alive(killed.child))
    foreign = place / "tmp" / "_MEI0000000001ab"
    foreign.mkdir()
    for folder in (*killed.unpacked(), foreign):
        make_old(folder)
    assert len(killed.unpacked()) == 3
    assert version(place / "tmp").returncode == 0
    left = {folder.name for folder in killed.unpacked()}
    assert left == {foreign.name, folder_of(alive).name}
    assert is_alive(alive.child)


def make_old(folder):
    long_ago_s = time.time() - 3600
    os.utime(folder, (long_ago_s, long_ago_s))


def folder_of(running):
    """Return the folder that a program runs from: its Python's."""
    maps = Path(f"/proc/{running.child}/maps").read_text().splitlines()
    return next(Path(line.split()[-1]).parent for line in maps if "libpython" in line)


def test_what_was_just_left_behind_is_not_taken_for_a_program_that_starts(start, place):
    running = start()
    os.killpg(running.loader.pid, signal.SIGKILL)
    running.loader.wait(END_S)
    assert version(place / "tmp").returncode == 0
    assert len(running.unpacked()) == 1


def test_it_runs_as_the_first_process_of_a_container(start):
    running = start("unshare", "--pid", "--fork", "--kill-child")
    loader, child = children_of(running.loader.pid)
    assert Path(f"/proc/{loader}/status").read_text().split("NSpid:")[1].split()[1] == "1"
    os.kill(loader, signal.SIGTERM)
    assert running.loader.wait(END_S) == 0, running.log()
    wait_until(lambda: not is_alive(child))
    assert running.ended_in_order()


def test_a_temporary_folder_where_nothing_may_run_is_named(tmp_path):
    with mounted(tmp_path / "noexec", "noexec") as folder:
        result = version(folder)
        assert result.returncode == 255
        assert "failed to map segment from shared object" in result.stderr
        assert str(folder) in result.stderr
        assert not list(folder.iterdir())
    # What the documentation tells people to do then: another folder, nobody else's.
    assert tmp_path.stat().st_uid == os.geteuid()
    assert not tmp_path.stat().st_mode & 0o022
    assert version(tmp_path).returncode == 0
    assert not list(tmp_path.glob("_MEI*"))


def test_a_full_temporary_folder_is_told_and_what_is_left_is_removed_later(tmp_path):
    with mounted(tmp_path / "full", SMALL) as folder:
        result = version(folder)
        assert result.returncode == 255
        assert "Failed to extract" in result.stderr
        (half,) = folder.glob("_MEI*")
        make_old(half)
        subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
        assert version(folder).returncode == 0
        assert not list(folder.iterdir())


def test_a_later_start_takes_another_folder_where_the_first_cannot_be_written(tmp_path):
    with mounted(tmp_path / "readonly", "ro") as folder:
        result = version(folder)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("before", [{}, {"LD_LIBRARY_PATH": "/opt/site/lib"}], ids=["none", "one"])
@pytest.mark.parametrize("program", [built_binary, program_in_folder])
def test_other_programs_get_the_environment_it_was_started_with(tmp_path, before, program):
    # click asks the bash that it finds for its version when a completion is asked for.
    bash = tmp_path / "bash"
    bash.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\necho 5.2.15\n")
    bash.chmod(0o755)
    given = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    given |= {**before, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = {**given, "_TIDEGATE_COMPLETE": "bash_source", "TMPDIR": str(tmp_path)}
    subprocess.run([str(program())], env=command, check=True, capture_output=True)
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    loader_has = {name for name in seen if name.startswith(("LD_", "_PYI_", "_MEI"))}
    assert {name: seen[name] for name in loader_has} == before
