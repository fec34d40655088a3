"""What a Pi adds, on real arm64 kernels in QEMU: no fake below the gateway, and no board either.

"raspi3b" boots as a Raspberry Pi 3 Model B.  QEMU has no firmware behind it: there is no serial
number, nobody throttles, and the LED behind the firmware's GPIOs cannot be had; so the device tree
is given a serial number, and the LED at GPIO 16, where the first Pi has it.

QEMU drives no input of that board.  Its "virt" has one, for a button; there the power fails.
"""

import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from fixtures.arm64 import frozen
from fixtures.gateway import toml
from fixtures.vm_arm64 import Guest, make_disk, need_guests

pytestmark = [pytest.mark.delivery, pytest.mark.slow]

FOLDER = "/usr/lib/tidegate"
TIDEGATE = f"{FOLDER}/tidegate"
CONFIG = "/etc/tidegate.toml"
LOG = "/tmp/gateway.log"
LED = "/sys/class/leds/ACT"
SERIAL = "00000000c0ffee42"
WATCHDOG_S = 10
WAIT_S = 60.0  # Emulated, on a machine that others use too.
START = (
    f"chmod 600 {CONFIG}; rm -f {LOG};"
    f" ({TIDEGATE} run -c {CONFIG} >{LOG} 2>&1; echo code $? >>{LOG}) &"
    f" until grep -q 'listening: url=mqtt://' {LOG}; do"
    f" ! grep '^code' {LOG} || {{ cat {LOG}; exit 1; }}; sleep 0.2; done"
)
ENDED = f"until grep -q '^code' {LOG}; do sleep 0.2; done; cat {LOG}"


@pytest.fixture(scope="module")
def arm64():
    need_guests()
    for package, program in (
        ("device-tree-compiler", "fdtput"),
        ("mosquitto-clients", "mosquitto_pub"),
    ):
        if shutil.which(program) is None:
            pytest.skip(f"these guests need {program}: apt-get install {package}")
    return frozen()


class PiGuest(Guest):
    """A Raspberry Pi 3 whose device tree has a serial number, and an LED that QEMU can light."""

    def _qemu(self):
        command = Guest._qemu(self)
        at = command.index("-dtb") + 1
        tree = self._archive.with_suffix(".dtb")
        tree.write_bytes(self._kernel.device_tree("bcm2837-rpi-3-b").read_bytes())
        pins = output("fdtget", "-t", "x", tree, "/soc/gpio@7e200000", "phandle")
        output("fdtput", "-t", "x", tree, "/leds/led-act", "gpios", pins, "10", "0")
        output("fdtput", "-t", "s", tree, "/", "serial-number", SERIAL)
        command[at] = str(tree)
        return command


class ButtonGuest(Guest):
    """QEMU's own board, whose power button can be pressed."""

    def _qemu(self):
        self._button = self._archive.with_suffix(".qmp")
        return [*Guest._qemu(self), "-qmp", f"unix:{self._button},server,nowait"]

    @contextmanager
    def pressed(self):
        """Hold the button: each order to switch off presses it for a tenth of a second."""
        released = threading.Event()
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._button))
            control.sendall(b'{"execute": "qmp_capabilities"}\n')

            def hold():
                while not released.wait(0.03):
                    control.sendall(b'{"execute": "system_powerdown"}\n')
                    control.recv(65536)

            holding = threading.Thread(target=hold)
            holding.start()
            try:
                yield
            finally:
                released.set()
                holding.join()


def output(*command):
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def files(arm64, board, pi):
    """Return what lies in a guest: the program, and a gateway's file."""
    tree = {
        "node": {"name": "raspberrypi", "data": "/data/gateway", "board": board},
        "source": [{"type": "listen", "url": "mqtt://0.0.0.0:1883", "anonymous": True}],
        "journal": {"limit_bytes": 20_000_000, "reserve_bytes": 1_000_000},
        "pi": pi,
    }
    return {FOLDER: arm64.folder, CONFIG: toml(tree).encode()}


def status_with(guest, name):
    """Return a gateway's status once its board says something by this name."""
    deadline = time.monotonic() + WAIT_S
    while True:
        code, text = guest.attempt("wget -q -O - http://127.0.0.1:9180/status.json")
        status = json.loads(text) if code == 0 else {}
        if status.get("board", {}).get(name):
            return status
        assert time.monotonic() < deadline, text
        time.sleep(0.5)


def test_a_raspberry_pi_is_found_and_its_led_shows_the_gateway_at_work(arm64, tmp_path):
    # An input that is pulled down says that the power is good.
    content = files(arm64, "auto", {"power_fail_gpio": 17, "power_fail_level": "high"})
    modules = ["leds-gpio", "ledtrig-oneshot", "ledtrig-timer", "bcm2835_thermal"]
    disk = make_disk(tmp_path / "disk")
    with PiGuest("raspi3b", tmp_path, content, modules, disk) as guest:
        before = guest.run(f"cat {LED}/trigger")
        guest.run(START)
        board = status_with(guest, "led")["board"]
        assert (board["model"], board["serial"]) == ("Raspberry Pi 3 Model B", SERIAL)
        assert (board["led"], board["power"], board["throttled"]) == ("holding", "good", None)
        assert 0 < board["temperature_c"] < 100
        assert "[oneshot]" in guest.run(f"cat {LED}/trigger")
        # Lit by progress, and by nothing else.
        guest.run(f"until grep -q 1 {LED}/brightness; do :; done", WAIT_S)
        guest.run("kill -STOP $(pidof tidegate); sleep 1")
        assert "1" not in guest.run(f"for i in $(seq 30); do cat {LED}/brightness; sleep 0.1; done")
        guest.run("kill -CONT $(pidof tidegate); sleep 1; kill $(pidof tidegate)")
        log = guest.run(ENDED)
        assert log.endswith("code 0\n"), log
        assert guest.run(f"cat {LED}/trigger") == before
        found = guest.run(f"{TIDEGATE} check -c {CONFIG}")
        assert f"board: Raspberry Pi 3 Model B, serial number {SERIAL}" in found
        assert 'node.name = "pi-c0ffee42"' in found


def test_a_power_failure_and_a_stuck_gateway_end_as_they_should(arm64, tmp_path):
    pi = {
        "watchdog_s": WATCHDOG_S,
        "power_fail_gpio": 3,
        "power_fail_chip": "9030000.pl061",
        "power_fail_level": "high",
        "power_fail_medium": "read-only",
    }
    content = files(arm64, "pi", pi)
    disk = make_disk(tmp_path / "disk")
    with ButtonGuest("virt", tmp_path, content, ["softdog"], disk) as guest:
        guest.run(START)
        publish = ["mosquitto_pub", "-p", str(guest.port), "-q", "1", "-t", "site/a", "-l"]
        subprocess.run(publish, input=b"1\n2\n3\n", check=True, timeout=60)
        board = status_with(guest, "power")["board"]
        assert (board["power"], board["watchdog_s"]) == ("good", WATCHDOG_S)
        with guest.pressed():
            guest.run(f"until grep -q 'waiting for the power' {LOG}; do sleep 0.2; done", WAIT_S)
            assert "Read-only" in guest.run("touch /data/file 2>&1 || true")
        log = guest.run(ENDED)
        said = (
            "the power fails: ",
            "/data is read-only",
            "warning the power is back",
            "error: the power ",
        )
        places = [log.find(text) for text in said]
        assert places == sorted(places) and places[0] > 0, log
        assert log.endswith("code 1\n"), log
        # It is back: writable again.  And the watchdog was put to rest.
        guest.run(f"touch /data/file; sleep {WATCHDOG_S + 2}")
        guest.run(START)
        assert status_with(guest, "power")["backlog"]["records"] == 3
        with pytest.raises(AssertionError, match="the guest has ended"):
            guest.run(f"kill -STOP $(pidof tidegate); sleep {2 * WATCHDOG_S}")
