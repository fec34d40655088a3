"""Without systemd: BusyBox's script and `keep`, run by BusyBox's own shell and tools."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fixtures.broker import free_port
from fixtures.gateway import PATHS, ROOT, toml
from fixtures.publisher import Publisher

PACKAGING = ROOT / "packaging"
BUSYBOX = shutil.which("busybox")
WAIT_S = 60.0
pytestmark = [
    pytest.mark.skipif(BUSYBOX is None, reason="there is no busybox: its script was not run"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a service as another user"),
]
# What stands in for the gateway where only its start and end count.  It notes what happens to it.
STAND_IN = """#!/bin/sh
trap 'echo hup >> {log}' HUP
trap '{on_term}' TERM
echo "started by $(id -u) with $*" >> {log}
while :; do sleep 0.1; done
"""


class Host:
    """A folder in the place of a host's root: the scripts in it know no other."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.log = folder / "log"
        self.config = folder / "gateway.toml"
        self._tools = folder / "bin"
        for path in (self.home, self._tools):
            path.mkdir()
        folder.chmod(0o755)
        subprocess.run([BUSYBOX, "--install", "-s", self._tools], check=True)
        (self._tools / "logger").unlink()
        self.put(self._tools / "logger", f"#!/bin/sh\nexec cat >> {folder}/system.log\n")
        self.put(self.home / "select", f"#!/bin/sh\necho select >> {self.log}\n")
        self.script = folder / "S50tidegate"
        self.log.touch()
        self.log.chmod(0o666)

    def install(self, user, **seconds):
        """Put the scripts with the places and times of this test in them."""
        for source, target in (
            (PACKAGING / "launch/keep", self.home / "keep"),
            (PACKAGING / "busybox/S50tidegate", self.script),
        ):
            text = source.read_text()
            text = text.replace("/usr/local/lib/tidegate", str(self.home))
            text = text.replace("/etc/tidegate/gateway.toml", str(self.config))
            text = text.replace("/var/run/", f"{self.folder}/").replace("/run/", f"{self.folder}/")
            text = text.replace("user=tidegate", f"user={user}")
            for name, value in seconds.items():
                text = text.replace(f"\n{name}=", f"\n{name}={value}  # In place of ")
            self.put(target, text)

    def put(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def call(self, verb):
        """Call BusyBox's script as init does."""
        done = subprocess.run(
            [self._tools / "sh", self.script, verb],
            env={"PATH": str(self._tools)},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        return done.returncode, done.stdout.strip()

    def wait(self, is_so):
        end_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < end_s, f"{self.noted()} {self.said()}"
            time.sleep(0.05)

    def noted(self):
        return self.log.read_text().splitlines()

    def said(self):
        path = self.folder / "system.log"
        return path.read_text() if path.exists() else ""

    def children(self):
        """Return the processes that `keep` has started."""
        keeper = int((self.folder / "tidegate.pid").read_text())
        done = subprocess.run(
            ["pgrep", "-P", str(keeper), "-f", "run -c"], capture_output=True, text=True
        )
        return [int(line) for line in done.stdout.split()]


@pytest.fixture
def host():
    # pytest's own folders are closed to the other user.
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        host = Host(Path(folder))
        yield host
        host.call("stop")


def test_a_gateway_is_started_kept_and_stopped(host):
    port = free_port()
    host.config.write_text(
        toml(
            {
                "node": {"name": "site-7", "data": str(host.folder / "data")},
                "journal": {"reserve_bytes": 1_000_000},
                "source": [{"type": "listen", "url": f"mqtt://127.0.0.1:{port}"}],
                "status": {"url": ""},
            }
        )
    )
    start = f"PYTHONPATH={PATHS} exec {sys.executable} -m tidegate_linux"
    host.put(host.home / "current", f'#!/bin/sh\n{start} "$@"\n')
    host.install("root", pause_s=1)
    assert host.call("status") == (3, "tidegate does not run")
    assert host.call("start")[0] == 0
    with Publisher(port, "p1", messages=5) as publisher:
        host.wait(lambda: publisher.acknowledged == 5)
    assert host.call("status")[0] == 0
    assert host.call("start") == (0, "tidegate runs already")
    assert host.call("reload")[0] == 0
    host.wait(lambda: "SIGHUP" in host.said())
    (gateway,) = host.children()
    os.kill(gateway, 9)
    host.wait(lambda: len(host.children()) == 1 and host.children() != [gateway])
    assert host.noted() == ["select", "select"]
    with Publisher(port, "p2", messages=5) as publisher:
        host.wait(lambda: publisher.acknowledged == 5)
    assert host.call("stop")[0] == 0
    assert host.call("status") == (3, "tidegate does not run")
    assert "ended with code 137; it is started again in 1 s" in host.said()
    assert host.said().endswith("the gateway has stopped\n")
    status = [sys.executable, "-m", "tidegate_linux", "status", "--json", "-c", str(host.config)]
    done = subprocess.run(
        status, env={**os.environ, "PYTHONPATH": PATHS}, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["backlog"]["records"] == 10


def test_the_gateway_runs_as_its_user(host):
    log = host.log
    host.put(host.home / "current", STAND_IN.format(log=log, on_term=f"echo term >> {log}; exit"))
    host.install("nobody")
    host.call("start")
    host.wait(lambda: len(host.noted()) == 2)
    assert host.call("restart")[0] == 0
    host.wait(lambda: len(host.noted()) == 5)
    began = f"started by 65534 with run -c {host.config}"
    assert host.noted() == ["select", began, "term", "select", began]


def test_a_gateway_that_does_not_end_is_killed(host):
    host.put(host.home / "current", STAND_IN.format(log=host.log, on_term=":"))
    host.install("nobody", stop_s=2)
    host.call("start")
    host.wait(lambda: len(host.noted()) == 2)
    (gateway,) = host.children()
    subprocess.run(["kill", (host.folder / "tidegate.pid").read_text().strip()], check=True)
    host.wait(lambda: host.call("status")[0] == 3)
    with pytest.raises(ProcessLookupError):
        os.kill(gateway, 0)


def test_a_stop_between_two_starts_is_at_once(host):
    host.put(host.home / "current", "#!/bin/sh\nexit 1\n")
    host.install("nobody", pause_s=1000)
    host.call("start")
    host.wait(lambda: "started again in 1000 s" in host.said())
    began_s = time.monotonic()
    assert host.call("stop")[0] == 0
    assert time.monotonic() - began_s < 10
    assert host.call("status")[0] == 3
