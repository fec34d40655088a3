"""The program for arm64, as it is handed out, run: emulated, and on real kernels in QEMU.

One of the kernels boots as a Raspberry Pi 3, with the journal on an SD card and the line on USB.
No board was here: what only hardware shows, as wear and a card that lies, is not shown.
"""

import json
import time

import pytest

from fixtures.arm64 import frozen
from fixtures.fleet import Fleet
from fixtures.gateway import toml
from fixtures.hub import TOKEN, HubProcess
from fixtures.vm_arm64 import Guest, make_disk, need_guests
from process.site import Site
from process.verdict import judge
from tidegate.version import VERSION

pytestmark = [pytest.mark.delivery, pytest.mark.slow]

START_S = 60.0  # An emulated start takes some 4 s of a free core.
BYTES_MAX = 25_000_000
SETTLE_S = 120.0
DEVICES = 4
PER_S = 5.0
FOLDER = "/usr/lib/tidegate"
TIDEGATE = f"{FOLDER}/tidegate"
CONFIG = "/etc/tidegate.toml"
STATUS = "http://127.0.0.1:8081"
LOG = "/tmp/gateway.log"
MODELS = {"virt": "linux,dummy-virt", "raspi3b": "Raspberry Pi 3 Model B"}


@pytest.fixture(scope="module")
def arm64():
    return frozen()


def test_emulated_one_file_says_what_it_is(arm64):
    said = json.loads(arm64.run("version", "--json", timeout_s=START_S))
    assert (said["version"], said["form"]) == (VERSION, "onefile")
    assert said["platform"] == "Linux aarch64"
    floor = said["glibc_floor"].replace(".", "")
    assert arm64.one_file.name == f"tidegate-{VERSION}-linux-glibc{floor}-arm64"
    assert arm64.one_file.stat().st_size <= BYTES_MAX


def test_emulated_demo_keeps_its_promises(arm64):
    """A hub, a gateway that is killed, devices and a line that is cut: all of it emulated."""
    print(arm64.run("demo", "--seconds", "20", "--devices", "4", timeout_s=240))


def test_emulated_gateway_is_killed_and_loses_nothing(arm64, tmp_path):
    with Site(tmp_path, program=arm64.in_folder) as site:
        with site.load(devices=4, per_s=10):
            for _ in range(2):
                site.pause(3)
                site.kill()
                site.wait_listening()
            site.pause(2)
        verdict = site.settle()
    assert verdict.is_perfect, verdict
    assert verdict.records > 100


@pytest.mark.parametrize("machine", MODELS)
def test_real_kernel_loses_nothing_to_a_kill_and_a_pulled_plug(arm64, tmp_path, machine):
    """Held while the line is down, killed, the machine's plug pulled: all of it reaches the hub."""
    need_guests()
    (tmp_path / "hub").mkdir()
    disk = make_disk(tmp_path / "disk")
    with HubProcess(tmp_path / "hub") as hub:
        files = {FOLDER: arm64.folder, CONFIG: configuration(hub.url)}
        with Guest(machine, tmp_path, files, disk=disk) as guest:
            examine(guest, machine)
            hub.kill()
            fleet = ingest_with_a_kill(guest)
            print(f"{machine}: booted in {guest.booted_in_s:.1f} s, {fleet.sent} acknowledged")
        with Guest(machine, tmp_path, files, disk=disk) as guest:
            start(guest)
            hub.start()
            wait_settled(hub, fleet.sent)
            status = drained(guest)
        rows = hub.query("SELECT stream, seq, topic, payload FROM records ORDER BY stream, seq")
    verdict = judge(rows, fleet.sent)
    print(verdict)
    assert verdict.is_perfect, verdict
    assert verdict.records > DEVICES * PER_S
    if machine == "raspi3b":
        assert status["board"]["model"] == MODELS[machine]


def configuration(hub_url):
    """Return a gateway's file; this machine is 10.0.2.2 to a guest."""
    tree = {
        "node": {"name": "site-7", "data": "/data/gateway"},
        "source": [{"type": "listen", "url": "mqtt://0.0.0.0:1883", "anonymous": True}],
        "journal": {"limit_bytes": 20_000_000, "reserve_bytes": 1_000_000},
        "uplink": {
            "type": "http",
            "url": hub_url.replace("127.0.0.1", "10.0.2.2"),
            "token": TOKEN,
            "retry_max_s": 1,
        },
        "status": {"url": STATUS},
    }
    return toml(tree).encode()


def examine(guest, machine):
    """Have the program say what it is, and look at the machine it is on."""
    assert MODELS[machine] in guest.run("cat /proc/device-tree/model")
    assert guest.run(f"{TIDEGATE} version").startswith(f"tidegate {VERSION}, CPython 3.")
    print(guest.run(f"chmod 600 {CONFIG}; {TIDEGATE} check -c {CONFIG}"))


def ingest_with_a_kill(guest):
    """Have devices publish to a gateway that is killed and started again meanwhile."""
    start(guest)
    # A reset that QEMU's USB loses comes never again.
    fleet = Fleet(guest.port, DEVICES, PER_S, patience_s=10)
    with fleet:
        wait_acknowledged(fleet, DEVICES)
        guest.run("kill -9 $(pidof tidegate)")
        before = sum(fleet.sent.values())
        start(guest)
        wait_acknowledged(fleet, before + 4 * DEVICES)
    return fleet


def start(guest):
    """Start the gateway in a guest and wait until it listens."""
    guest.run(
        f"rm -f {LOG}; ({TIDEGATE} run -c {CONFIG} >{LOG} 2>&1 &) ; sleep 1;"
        f" until grep -q 'listening: url=mqtt://' {LOG}; do"
        f" pidof tidegate >/dev/null || {{ cat {LOG}; exit 1; }}; sleep 0.2; done"
    )


def wait_acknowledged(fleet, count):
    """Wait until devices have so many acknowledgements together."""
    deadline = time.monotonic() + SETTLE_S
    while sum(fleet.sent.values()) < count:
        assert time.monotonic() < deadline, f"{fleet.sent} of {count} acknowledged"
        time.sleep(0.1)


def drained(guest):
    """Return the gateway's status once it holds nothing: the last receipt has come."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        status = json.loads(guest.run(f"wget -q -O - {STATUS}/status.json"))
        if status["backlog"]["records"] == 0:
            return status
        assert time.monotonic() < deadline, status


def wait_settled(hub, sent):
    """Wait until the hub has as many messages of each device as were acknowledged."""
    deadline = time.monotonic() + SETTLE_S
    wanted = {f"site/{name}": count for name, count in sent.items()}
    question = "SELECT topic, count(DISTINCT payload) FROM records GROUP BY topic"
    while dict(hub.query(question)) != wanted:
        assert time.monotonic() < deadline, f"{hub.query(question)} of {wanted}"
        time.sleep(0.2)
