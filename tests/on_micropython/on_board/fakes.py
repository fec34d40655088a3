"""A board's modules and a line to a hub, in memory: what the unix port has none of."""

import os

import vfs

from scripted_hub import ScriptedHub
from tidegate.events import Answered, Unanswered

START_MS = 1_795_000_000_000  # In November 2026.


class FakeTime:
    """The module `time`: ticks that wrap after 2^30 ms, and a wall clock."""

    PERIOD = 1 << 30

    def __init__(self, ticks=0, wall_ms=START_MS):
        self.ticks = ticks
        self.wall_ms = wall_ms

    def ticks_ms(self):
        return self.ticks % self.PERIOD

    def ticks_diff(self, one, other):
        half = self.PERIOD // 2
        return (one - other + half) % self.PERIOD - half

    def time_ns(self):
        return self.wall_ms * 1_000_000

    def pass_ms(self, count):
        self.ticks += count
        self.wall_ms += count


class FakeMachine:
    """The module `machine` of a port that has everything."""

    PWRON_RESET, WDT_RESET, DEEPSLEEP_RESET = 1, 3, 4
    WATCHDOG_MS_MAX = 8388

    def __init__(self, cause=PWRON_RESET, kept=b"", keeps=True):
        """`keeps`: whether something is kept over deep sleep."""
        self.cause = cause
        self.kept = kept
        self.fed = 0
        self.watchdog_ms = 0
        self.led = []
        self.slept_ms = None
        machine = self

        class WDT:
            def __init__(self, timeout):
                if timeout > machine.WATCHDOG_MS_MAX:
                    raise ValueError("timeout exceeds 8388")
                machine.watchdog_ms = timeout

            def feed(self):
                machine.fed += 1

        class RTC:
            def memory(self, data=None):
                if data is not None:
                    machine.kept = data
                return machine.kept

        class Pin:
            OUT = 1

            def __init__(self, name, mode):
                machine.pin = name

            def value(self, value):
                machine.led.append(value)

        self.WDT, self.Pin = WDT, Pin
        self.RTC = RTC if keeps else object

    def reset_cause(self):
        return self.cause

    def deepsleep(self, sleep_ms):
        self.slept_ms = sleep_ms

    def woken(self):
        """Return the machine as it is after its deep sleep."""
        return FakeMachine(self.DEEPSLEEP_RESET, self.kept)


class FakeStation:
    def __init__(self):
        self.connected = False
        self.attempts = []
        self.error = None

    def active(self, on):
        if self.error is not None:
            raise self.error

    def connect(self, *arguments):
        self.attempts.append(arguments)

    def disconnect(self):
        self.connected = False

    def isconnected(self):
        return self.connected

    def ifconfig(self):
        return ("192.0.2.9", "", "", "")


class FakeNetwork:
    """The module `network`."""

    STA_IF = 0

    def __init__(self):
        self.station = FakeStation()
        self.names = []

    def WLAN(self, interface):  # noqa: N802 - its name in the module.
        return self.station

    def country(self, code):
        self.names.append(code)

    def hostname(self, name):
        self.names.append(name)


class FakeObserver:
    def __init__(self):
        self.events = []

    def report(self, level, event, fields):
        self.events.append(event)


class FakeLink:
    """A link to a `ScriptedHub` that answers at the next poll, unless the line is down."""

    def __init__(self, hub=None, is_down=False):
        self.hub = hub if hub is not None else ScriptedHub()
        self.is_down = is_down
        self.poll_error = None
        self.send_error = None
        self.nodes = []
        self._deliver = None
        self._answers = []

    def make(self, settings, node, chance, moved, position):
        """Stand in for `make_link`."""
        self.nodes.append(node)
        return self

    def start(self, deliver):
        self._deliver = deliver

    def query(self, token, stream, at):
        self._ask(token, lambda: self.hub.query(stream, at))

    def send(self, token, batch):
        if self.send_error is not None:
            error, self.send_error = self.send_error, None
            raise error
        self._ask(token, lambda: self.hub.receive(batch))

    def _ask(self, token, ask):
        if self.is_down:
            self._answers.append(Unanswered(token, "down", 0))
        else:
            status, fields = ask()
            self._answers.append(Answered(token, status, fields, None, 100))

    def poll(self, now_ms):
        if self.poll_error is not None:
            error, self.poll_error = self.poll_error, None
            raise error
        answers, self._answers = self._answers, []
        for answer in answers:
            self._deliver(answer)

    def deadline_ms(self, now_ms):
        return now_ms if self._answers else None

    def interests(self):
        return []

    def close(self):
        self._answers = []


def empty_folder(name):
    """Return the path of a folder for a log, which is not there."""
    path = f"{os.getenv('TIDEGATE_TEST_FOLDER')}/{name}"
    try:
        for file in os.listdir(path):
            os.remove(f"{path}/{file}")
        os.rmdir(path)
    except OSError:
        return path  # It was not there.
    return path


class RamDisk:
    """A block device; `failing` makes each write fail."""

    BLOCK = 512

    def __init__(self, blocks):
        self.data = bytearray(blocks * self.BLOCK)
        self.failing = False
        self.writes = 0

    def readblocks(self, block, buffer, offset=0):
        at = block * self.BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.failing:
            raise OSError(5)
        self.writes += 1
        at = block * self.BLOCK + offset
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // self.BLOCK
        return self.BLOCK if operation == 5 else 0


def mounted(kind, place, blocks=200):
    """Mount a new file system of a kind, and return its device."""
    disk = RamDisk(blocks)
    kind.mkfs(disk)
    vfs.mount(kind(disk), place)
    return disk


def fill(path, chunk_bytes):
    """Write a file until nothing more fits on its medium."""
    try:
        with open(path, "wb") as file:
            while file.write(bytes(chunk_bytes)) == chunk_bytes:
                file.flush()
    except OSError:
        return
