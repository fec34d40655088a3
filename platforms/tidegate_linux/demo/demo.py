"""`tidegate demo`: the whole chain on one machine, with the faults that it is made for.

    devices ─> gateway ─> line ─> hub

Devices publish; the line falls silent and is cut; the gateway is killed while it holds what came
meanwhile, and started again; the line comes back; everything drains.  Then the hub's table is
compared with what the devices were told is safe.  Everything lies in a temporary folder and listens
on 127.0.0.1; nothing of it is left afterwards, unless it does not balance.  The gateway's endpoint
takes MQTT's own port where that is free, so that anybody's client finds it.
"""

import contextlib
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from tidegate_linux.demo.children import (
    Child,
    DemoError,
    free_port,
    own_command,
)
from tidegate_linux.demo.devices import Device
from tidegate_linux.demo.line import Line
from tidegate_linux.demo.sheet import Sheet, count_rows, draw_up, read_rows
from tidegate_linux.demo.view import Numbers, View, show_sheet
from tidegate_linux.status.status import StatusError, ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE_S = 2.0  # How long the line swallows everything before it is cut.
DRAIN_S = 25.0
TICK_S = 0.2
MQTT_PORT = 1883
LOOK = "SELECT seq, topic, payload FROM records ORDER BY seq"
# When what happens, as parts of the time in which devices publish.
CUT_AT, KILL_AT, MEND_AT = 0.2, 0.5, 0.75
_LEAVING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run_demo(seconds: int, devices: int, stays: bool = False) -> int:
    """Show it; return 0 if the promises P1 to P4 held.  Raises `DemoError`.

    stays: go on after the balance sheet until Ctrl-C, for somebody who wants to try it by hand.
    """
    console = Console(highlight=False)
    # So that `finally` has its say when somebody else ends us, and has it to its end.
    for number in _LEAVING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    folder = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    stage = Stage(folder, devices)
    sheet = None
    try:
        with View(console) as view:
            sheet = stage.play(view, seconds)
        show_sheet(console, sheet)
        if stays:
            stage.stay(console)
    finally:
        stage.close()
        if sheet is None or sheet.balances:
            _remove(folder)
        else:
            console.print(f"what the parts said is in {folder}", soft_wrap=True)
    return 0 if sheet.balances else 1


def _leave(number: int, _frame: FrameType | None) -> None:
    # Who signals a whole process group of one file reaches us twice: the loader passes it on.
    for again in _LEAVING:
        signal.signal(again, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()


class Stage:
    """The parts of the demo, and what happens to them."""

    def __init__(self, folder: Path, devices: int) -> None:
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._database = folder / "hub.db"
        self._mqtt_port = free_port(MQTT_PORT)
        self._status_url = f"http://127.0.0.1:{free_port()}"
        self._device_count = devices
        self._devices: list[Device] = []
        self._line: Line | None = None
        self._began_s = time.monotonic()
        self._status: dict[str, Any] = {}
        self._held_at_kill = 0
        hub_file = self._write("hub.toml", hub_lines(self._database, self._token))
        self._hub = Child("hub", own_command("hub", "-c", str(hub_file)), folder)
        self._gateway = Child(
            "gateway", own_command("run", "-c", str(folder / "gateway.toml")), folder
        )

    def play(self, view: View, seconds: int) -> Sheet:
        """Let it all happen; return the balance."""
        self._open(view)
        line = self._line
        assert line is not None
        for device in self._devices:
            device.start()
        start_s = time.monotonic()
        acts: list[tuple[float, str, Callable[[], None]]] = [
            (0, f"{len(self._devices)} devices publish", lambda: None),
            (CUT_AT * seconds, "the line falls silent: answers vanish", line.fall_silent),
            (CUT_AT * seconds + SILENCE_S, "the line is cut", line.cut),
            (KILL_AT * seconds, "the gateway is killed (SIGKILL)", self._kill),
            (KILL_AT * seconds, "the gateway is started again", self._gateway.start),
            (MEND_AT * seconds, "the line is back", line.mend),
            (float(seconds), "the devices stop", self._stop_devices),
        ]
        for at_s, what, act in acts:
            self._watch(view, start_s + at_s)
            act()
            told = f"{what}, {self._held_at_kill:,} held" if act == self._kill else what
            view.tell(self._at_s(), told)
        for device in self._devices:
            device.join()
        view.tell(self._at_s(), "what is held drains")
        published = sum(device.published for device in self._devices)
        self._watch(view, time.monotonic() + DRAIN_S, published)
        view.tell(self._at_s(), "the gateway is ended (SIGTERM)")
        status = self._ask()
        code = self._gateway.stop()
        if code:
            raise DemoError(f"the gateway ended with exit code {code}", "this is a bug: report it")
        return draw_up(self._devices, status, read_rows(self._database), self._held_at_kill)

    def stay(self, console: Console) -> None:
        """Run the gateway again until Ctrl-C, for somebody to publish to it by hand."""
        self._gateway.start()
        look = " ".join(["sqlite3", str(self._database), f"'{LOOK}'"])
        console.print(f"\npublish:  {self._trial}", soft_wrap=True)
        console.print(f"look:     {look}", soft_wrap=True)
        console.print("end:      Ctrl-C", soft_wrap=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()

    @property
    def _trial(self) -> str:
        port = "" if self._mqtt_port == MQTT_PORT else f" -p {self._mqtt_port}"
        return f"mosquitto_pub{port} -q 1 -t site/me -m hello"

    def close(self) -> None:
        """End whatever still runs."""
        for device in self._devices:
            device.stop()
        for child in (self._gateway, self._hub):
            child.kill()
        if self._line is not None:
            self._line.close()

    def _open(self, view: View) -> None:
        view.tell(self._at_s(), f"in {self._folder}: a hub and a gateway start")
        self._hub.start()
        found = self._hub.wait_for(r"listening on http://127\.0\.0\.1:(\d+)")
        self._line = Line(int(found[1]))
        lines = gateway_lines(
            self._folder, self._mqtt_port, self._line.port, self._token, self._status_url
        )
        self._write("gateway.toml", lines)
        self._gateway.start()
        self._gateway.wait_for("listening: url=mqtt://")
        view.tell(self._at_s(), f"try it: {self._trial}")
        numbers = range(1, self._device_count + 1)
        self._devices = [Device(number, self._mqtt_port) for number in numbers]

    def _write(self, name: str, lines: list[str]) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def _kill(self) -> None:
        self._held_at_kill = int(self._ask().get("backlog", {}).get("records", 0))
        self._gateway.kill()

    def _stop_devices(self) -> None:
        for device in self._devices:
            device.stop()

    def _ask(self) -> dict[str, Any]:
        """Return the gateway's status, the last known one while it says nothing."""
        try:
            self._status = ask(self._status_url) or self._status
        except StatusError:
            return self._status
        return self._status

    def _watch(self, view: View, until_s: float, published: int = 0) -> None:
        """Show numbers until then, or until so many messages have been delivered."""
        while time.monotonic() < until_s and not (published and self._is_drained(published)):
            view.show(self._numbers())
            time.sleep(min(TICK_S, max(0.0, until_s - time.monotonic())))

    def _is_drained(self, published: int) -> bool:
        status = self._ask()
        admitted = sum(stream["admitted"] for stream in status.get("streams", []))
        return bool(admitted >= published and status["backlog"]["records"] == 0)

    def _numbers(self) -> Numbers:
        status = self._ask()
        assert self._line is not None
        return Numbers(
            self._at_s(),
            sum(len(device.acknowledged) for device in self._devices),
            sum(stream["admitted"] for stream in status.get("streams", [])),
            status.get("backlog", {}).get("records", 0),
            count_rows(self._database),
            self._line.state,
            "running" if self._gateway.is_alive else "dead",
        )

    def _at_s(self) -> float:
        return time.monotonic() - self._began_s


def hub_lines(database: Path, token: str) -> list[str]:
    """Return the hub's configuration."""
    return [
        "[hub]",
        'url = "http://127.0.0.1:0"',
        f'database = "sqlite:///{database}"',
        "[[hub.node]]",
        'name = "demo"',
        f'token = "{token}"',
    ]


def gateway_lines(
    folder: Path, mqtt_port: int, line_port: int, token: str, status_url: str
) -> list[str]:
    """Return the gateway's configuration."""
    return [
        "[node]",
        'name = "demo"',
        f'data = "{folder}/gateway"',
        "[[source]]",
        'type = "listen"',
        f'url = "mqtt://127.0.0.1:{mqtt_port}"',
        "[journal]",
        "limit_bytes = 200_000_000",
        "reserve_bytes = 10_000_000",
        "[uplink]",
        'type = "http"',
        f'url = "http://127.0.0.1:{line_port}"',
        f'token = "{token}"',
        "timeout_s = 3",
        "retry_max_s = 1",
        "[status]",
        f'url = "{status_url}"',
    ]
