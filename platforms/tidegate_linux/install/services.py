"""Who starts Tidegate on a host without packages: systemd, OpenRC, BusyBox, or nobody.

Being started at boot is a link (or a name, with BusyBox), which is all that their own commands make
of it too, so that an image is made like a host.  Only a running host is told to start and to stop.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tidegate_linux.install.errors import InstallError
from tidegate_linux.install.layout import PROGRAM_MODE, TEXT_MODE, Layout
from tidegate_linux.install.parts import BUSYBOX, KEEP, OPENRC, UNIT, part
from tidegate_linux.install.steps import Step, file_step, link_step, removal_step

# A gateway is ready when its journal is open: seconds, and minutes after a salvage.
_START_S = 300.0


class Service(NamedTuple):
    """One way of being started.  Commands are empty where nothing is to be told, or nobody is."""

    name: str
    texts: dict[Path, str]  # Which of the parts are installed where; the last one starts it.
    mode: int
    enabled: tuple[Path, str] | None  # The link that starts it at boot, and where it leads to.
    reload: list[str]
    start: list[str]
    stop: list[str]
    active: list[str]

    @property
    def path(self) -> Path:
        """Return the file by which it is started."""
        return list(self.texts)[-1]

    def steps(self) -> list[Step]:
        """Return the steps that let it be started at boot."""
        links = [] if self.enabled is None else [link_step(*self.enabled)]
        *others, last = [
            file_step(path, part(name), self.mode) for path, name in self.texts.items()
        ]
        return [*others, self._told(last), *links]

    def start_steps(self) -> list[Step]:
        """Return the step that starts it now, where somebody is there to do so."""
        if not self.start:
            return []
        return [Step("start the service", self.is_active, self._start)]

    def removal_steps(self) -> list[Step]:
        """Return the steps that stop it and undo `steps`."""
        stop = Step("stop the service", lambda: not self.is_active(), self._stop)
        links = [] if self.enabled is None else [removal_step(self.enabled[0])]
        *others, last = map(removal_step, self.texts)
        return [stop, *links, self._told(last), *others]

    def is_active(self) -> bool:
        """Tell whether the service runs; a host where nobody starts services has none."""
        if not self.active:
            return False
        return _run(self.active).returncode == 0

    def tells(self) -> str:
        """Say what becomes of it, for the last line of an installation."""
        if self.is_active():
            return f"{self.name} runs it"
        return f"{self.name} starts it at the next boot"

    def _start(self) -> None:
        for command in filter(None, (self.reload, self.start)):
            done = _run(command)
            if done.returncode:
                reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
                hint = (
                    "see tidegate check -c /etc/tidegate/gateway.toml, and the log of the service"
                )
                raise InstallError(f"{' '.join(command)}: {reason}", hint)

    def _told(self, step: Step) -> Step:
        """Return a step after which whoever starts services is told to look again."""

        def carry_out() -> None:
            step.carry_out()
            if self.reload:
                _run(self.reload)

        return step._replace(carry_out=carry_out)

    def _stop(self) -> None:
        done = _run(self.stop)
        if done.returncode or self.is_active():
            reason = " ".join(done.stderr.split()) or "it still runs"
            raise InstallError(f"{' '.join(self.stop)}: {reason}", "stop it, and try again")


class Nobody:
    """A host where nobody starts services that we know of."""

    name = "nobody"

    def steps(self) -> list[Step]:
        """Return nothing to do."""
        return []

    start_steps = removal_steps = steps

    def tells(self) -> str:
        """Say what is left to the owner of the host."""
        return (
            "no systemd, OpenRC or BusyBox was found to start it: run"
            " /usr/local/bin/tidegate run -c /etc/tidegate/gateway.toml as the user tidegate"
        )


def service_of(layout: Layout) -> Service | Nobody:
    """Return who starts services on this host, or in this image."""
    is_here = layout.is_host
    if layout.follow("usr/lib/systemd/systemd").exists():
        return _systemd(layout, is_here and Path("/run/systemd/system").is_dir())
    if layout.follow("sbin/openrc-run").exists():
        return _openrc(layout, is_here and Path("/run/openrc").is_dir())
    if layout.follow("sbin/init").name == "busybox":
        return _busybox(layout, is_here and Path("/proc/1/exe").resolve().name == "busybox")
    return Nobody()


def _systemd(layout: Layout, runs: bool) -> Service:
    link = layout.root / "etc/systemd/system/multi-user.target.wants/tidegate.service"
    return Service(
        "systemd",
        {layout.unit: UNIT},
        TEXT_MODE,
        (link, "/etc/systemd/system/tidegate.service"),
        ["systemctl", "daemon-reload"] if runs else [],
        ["systemctl", "start", "tidegate"] if runs else [],
        ["systemctl", "stop", "tidegate"],
        ["systemctl", "is-active", "--quiet", "tidegate"] if runs else [],
    )


def _openrc(layout: Layout, runs: bool) -> Service:
    return Service(
        "OpenRC",
        {layout.keep: KEEP, layout.root / "etc/init.d/tidegate": OPENRC},
        PROGRAM_MODE,
        (layout.root / "etc/runlevels/default/tidegate", "/etc/init.d/tidegate"),
        [],
        ["rc-service", "tidegate", "start"] if runs else [],
        ["rc-service", "tidegate", "stop"],
        ["rc-service", "--quiet", "tidegate", "status"] if runs else [],
    )


def _busybox(layout: Layout, runs: bool) -> Service:
    path = layout.root / "etc/init.d/S50tidegate"
    return Service(
        "BusyBox",
        {layout.keep: KEEP, path: BUSYBOX},
        PROGRAM_MODE,
        None,
        [],
        [str(path), "start"] if runs else [],
        [str(path), "stop"],
        [str(path), "status"] if runs else [],
    )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_START_S)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", error.strerror or str(error))
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"not done after {_START_S:.0f} s")
