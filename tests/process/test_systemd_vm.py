"""The units under a real systemd: ready, alive, restarted, stopped, closed, with both programs.

One guest for all of them, in the order in which they stand here; the journal grows from test to
test and nothing in it may be lost.
"""

import json
import time

import pytest

from fixtures.binary import built
from fixtures.gateway import ROOT
from fixtures.hub import TOKEN
from fixtures.systemd_vm import need_systemd_vm, systemd_vm

pytestmark = [pytest.mark.slow, pytest.mark.delivery]

UNITS = ROOT / "packaging/systemd"
GATEWAY, ONE_FILE = "tidegate.service", "tidegate-onefile.service"
PATIENCE_S = 20  # For the watchdog, in place of the unit's minute.
WAIT_S = 300.0  # The guest's processor is emulated, and starts a Python in ten seconds at best.
CONFIG = b"""[node]
name = "site-7"
data = "/var/lib/tidegate"
[[source]]
type = "listen"
url = "mqtt://127.0.0.1:1883"
[journal]
limit_bytes = 50_000_000
reserve_bytes = 1_000_000
[uplink]
type = "http"
url = "http://127.0.0.1:8080"
token_file = "$CREDENTIALS_DIRECTORY/tidegate.token"
retry_max_s = 1
"""
HUB_CONFIG = b"""[hub]
url = "http://127.0.0.1:8080"
[[hub.node]]
name = "site-7"
token_file = "$CREDENTIALS_DIRECTORY/site-7.token"
"""
# A test must not wait for the patience that a slow card needs, but for a slow processor.
FASTER = f"[Service]\nWatchdogSec={PATIENCE_S}\nRestartSec=1\nTimeoutStartSec=300\n".encode()
HUB_TOKEN = b"[Service]\nLoadCredential=site-7.token:/etc/tidegate/site-7.token\n"
# Tells the kernel, as a time service does, that the clock is right (adjtimex, 208 bytes of timex).
SYNCHRONISED = b"""#!/usr/bin/perl
my $timex = pack("L x4 q q q l", 0x14, 0, 0, 0, 0) . "\\0" x 168;
syscall(159, $timex) >= 0 or die "adjtimex: $!";
"""


class Host:
    """The guest, and what the tests ask it."""

    def __init__(self, vm):
        self._vm = vm
        self.published = 0

    def run(self, command):
        return self._vm.run(command, WAIT_S)

    def attempt(self, command):
        return self._vm.attempt(command, WAIT_S)

    def wait(self, command):
        """Run a command again and again until it succeeds."""
        end_s = time.monotonic() + WAIT_S
        while self.attempt(command)[0] != 0:
            if time.monotonic() > end_s:
                log = self.run("journalctl --no-pager -o cat -n 60")
                raise AssertionError(f"{command} does not succeed:\n{log}")
            time.sleep(0.3)

    def show(self, unit, name):
        return self.run(f"systemctl show -P {name} {unit}").strip()

    def publish(self, port=1883):
        """Have a message acknowledged."""
        self.run(f"mosquitto_pub -h 127.0.0.1 -p {port} -q 1 -t site/a -m {self.published + 1}")
        self.published += 1

    def status(self):
        text = self.run("tidegate status --json -c /etc/tidegate/gateway.toml")
        return json.loads(text[text.index("{") :])

    def held(self):
        """Return how many records are held, after a look whether all are there."""
        (stream,) = self.status()["streams"]
        assert stream["balanced"]
        assert stream["admitted"] == self.published
        assert stream["dropped"] == {}
        return stream["held"]

    def wait_restarted(self, unit, restarts):
        """Wait until it was started again, so many times since it was told to start."""
        self.wait(f'[ "$(systemctl show -P NRestarts {unit})" -ge {restarts} ]')
        self.wait(f"systemctl is-active -q {unit}")

    def stop(self, unit, verb="run"):
        """Stop a unit, which must end in order, and leave no process of its program."""
        self.run(f"systemctl stop {unit}")
        assert self.show(unit, "Result") == "success"
        assert self.show(unit, "ExecMainStatus") == "0"
        assert self.attempt(f"pgrep -u tidegate -f ' {verb} -c '")[0] == 1


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    need_systemd_vm()
    program = built()
    units = [GATEWAY, ONE_FILE, "tidegate-hub.service", "tidegate-low-ports.conf"]
    files = {
        "/usr/lib/tidegate": program.folder,
        "/usr/local/lib/tidegate/versions/this": program.one_file,
        "/usr/local/lib/tidegate/select": ROOT / "packaging/launch/select",
        "/etc/tidegate/gateway.toml": CONFIG,
        "/etc/tidegate/hub.toml": HUB_CONFIG,
        "/etc/tidegate/site-7.token": TOKEN.encode(),
        "/etc/credstore/tidegate.token": TOKEN.encode(),
        "/usr/bin/say-synchronised": SYNCHRONISED,
        "/etc/systemd/system/tidegate-hub.service.d/token.conf": HUB_TOKEN,
        **{f"/etc/systemd/system/{unit}.d/faster.conf": FASTER for unit in (GATEWAY, ONE_FILE)},
        **{f"/etc/systemd/system/{name}": UNITS / name for name in units},
    }
    with systemd_vm(tmp_path_factory.mktemp("guest"), files) as vm:
        vm.run("useradd --system --user-group tidegate")
        vm.run("ln -s ../lib/tidegate/tidegate /usr/bin/tidegate")
        vm.run("ln -s versions/this /usr/local/lib/tidegate/current")
        vm.run("chmod 600 /etc/credstore/* /etc/tidegate/*.token")
        yield Host(vm)


def test_it_is_ready_without_a_hub_and_acknowledges(host):
    host.run("say-synchronised")
    host.run("systemctl start tidegate")
    assert host.show(GATEWAY, "ActiveState") == "active"
    assert host.show(GATEWAY, "StatusText").startswith("0 records held; line ")
    for _ in range(3):
        host.publish()
    assert host.held() == 3
    # It may ask how good the clock is, though it may not set it.
    assert host.status()["clock"]["quality"] == "synchronised"
    host.run("systemd-analyze security --no-pager --threshold=15 tidegate.service >/dev/null")


def test_a_process_that_stands_still_is_restarted_and_nothing_is_lost(host):
    host.run(f"kill -STOP {host.show(GATEWAY, 'MainPID')}")
    host.wait_restarted(GATEWAY, 1)
    log = host.run("journalctl --no-pager -o cat -u tidegate")
    assert "Watchdog timeout" in log
    assert "Fatal Python error: Aborted" in log  # And where each thread was.
    assert host.held() == 3


def test_a_killed_process_is_restarted_and_nothing_is_lost(host):
    host.publish()
    host.run(f"kill -KILL {host.show(GATEWAY, 'MainPID')}")
    host.wait_restarted(GATEWAY, 2)
    assert host.held() == 4


def test_a_hub_takes_what_was_held_by_the_token_among_the_credentials(host):
    host.run("systemctl start tidegate-hub")
    assert host.show("tidegate-hub", "StatusText") == "listening on http://127.0.0.1:8080"
    host.run("systemctl reload tidegate")
    host.wait("systemctl show -P StatusText tidegate | grep -q '^0 records held; line up'")
    assert host.held() == 0
    host.stop("tidegate-hub", "hub")


def test_a_stop_commits_what_was_acknowledged_and_is_clean(host):
    host.publish()
    host.stop(GATEWAY)
    assert host.held() == 1


def test_ports_below_1024_take_a_drop_in(host):
    host.run("cp /etc/tidegate/gateway.toml /etc/tidegate/before.toml")
    host.run("sed -i s/:1883/:883/ /etc/tidegate/gateway.toml")
    host.run(
        "mv /etc/systemd/system/tidegate-low-ports.conf /etc/systemd/system/tidegate.service.d"
    )
    host.run("systemctl daemon-reload")
    host.run("systemctl start tidegate")
    host.publish(port=883)
    host.stop(GATEWAY)
    host.run("mv /etc/tidegate/before.toml /etc/tidegate/gateway.toml")


def test_the_one_file_speaks_for_its_unpacker(host):
    host.run(f"systemctl start {ONE_FILE}")
    assert host.show(ONE_FILE, "ActiveState") == "active"
    host.publish()
    held = host.held()
    main = host.show(ONE_FILE, "MainPID")
    host.run(f"kill -STOP $(pgrep -P {main})")
    host.wait_restarted(ONE_FILE, 1)
    assert "Watchdog timeout" in host.run(f"journalctl --no-pager -o cat -u {ONE_FILE}")
    assert host.held() == held


def test_the_one_file_is_whole_again_after_its_unpacker_was_killed(host):
    held = host.held()
    host.run(f"kill -KILL {host.show(ONE_FILE, 'MainPID')}")
    host.wait_restarted(ONE_FILE, 2)
    # No orphan holds the journal or the port.
    assert host.run("pgrep -u tidegate | wc -l").strip() == "2"
    host.publish()
    assert host.held() == held + 1
    host.run(f"systemd-analyze security --no-pager --threshold=15 {ONE_FILE} >/dev/null")


def test_the_one_file_stops_and_leaves_nothing_unpacked(host):
    host.publish()
    held = host.held()
    host.stop(ONE_FILE)
    assert host.held() == held
    assert host.run("find /tmp /var/tmp -name '_MEI*'").strip() == ""
