"""The supervisor: what a service manager that speaks sd_notify(3) is told of this process.

Promises READY only once messages are taken, whatever the line does; a sign of life only while the
engine gets on, so that a stuck commit ends in a restart; and that nothing here holds the gateway up
or ends it.  Leaves restarts and time limits to the unit (packaging/systemd).

It never says MAINPID.  In the onefile program the unpacker is the main process and we are its
child; a main process that is not systemd's own child is killed at once on a stop (DELIVERY.md, A1).
"""

import contextlib
import faulthandler
import logging
import os
import socket
from collections.abc import Callable, MutableMapping
from pathlib import Path

from tidegate.config.settings import GatewaySettings
from tidegate.delivery.line import UP
from tidegate.gateway import LISTEN, NODES
from tidegate_linux.log import escaped
from tidegate_linux.status.survey import Snapshot

STATUS_MS = 10_000  # How often a status is told in which only figures have changed.
STATUS_CHARACTERS_MAX = 400  # One line for a person.
LIFE_SHARE = 4  # A sign of life comes this many times before the manager loses patience.
# What a start may take, where that is more than the unit's limit: a damaged journal is read and
# written anew.
START_S = 60
SALVAGE_BYTES_PER_S = 500_000  # A slow card and a slow processor.

_LOG = logging.getLogger("tidegate.gateway")


class Notifier:
    """The way to the service manager; the variables that name it are ours alone from now on."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the variables away, so that no child process speaks for us."""
        self._address = _address(environment.pop("NOTIFY_SOCKET", ""))
        usec, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        # The parent's, where that is the unpacker of the onefile program.
        is_ours = pid in ("", str(os.getpid()), str(os.getppid()))
        self.patience_ms = int(usec) // 1000 if usec.isdecimal() and is_ours else 0
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def tell(self, *assignments: str) -> bool:
        """Send assignments such as READY=1; return whether they were taken or nobody listens."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            # Full, or the manager is being replaced: what matters is told again.
            _LOG.debug("the service manager did not hear: %s", error)
            return False
        return True

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Supervisor:
    """Tells a service manager of a gateway; an `Attendant`."""

    def __init__(self, notifier: Notifier, data: Path) -> None:
        """`data` is the folder of the journal that is about to be opened."""
        self._notifier = notifier
        self._is_ready = False
        self._life_due_ms = 0
        self._status_due_ms = 0
        self._told = ""
        if notifier.patience_ms:
            # The manager's SIGABRT then shows in its log where each thread was stuck.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                faulthandler.enable()
        start_s = START_S + journal_bytes(data) // SALVAGE_BYTES_PER_S
        notifier.tell(f"EXTEND_TIMEOUT_USEC={start_s * 1_000_000}", "STATUS=opening the journal")

    def attend(self, snapshot: Snapshot) -> None:
        """Tell that we are ready, live, and how we are, each when it is due."""
        now_ms = snapshot.taken_ms
        waits_for = missing(snapshot)
        if not self._is_ready and not waits_for:
            self._is_ready = self._notifier.tell("READY=1")
        is_due = self._notifier.patience_ms > 0 and now_ms >= self._life_due_ms
        if is_due and self._notifier.tell("WATCHDOG=1"):
            self._life_due_ms = now_ms + self._notifier.patience_ms // LIFE_SHARE
        state = standing(snapshot, waits_for)
        is_due = state != self._told or now_ms >= self._status_due_ms
        if is_due and self._notifier.tell(f"STATUS={status_line(snapshot, state)}"):
            self._told = state
            self._status_due_ms = now_ms + STATUS_MS

    def stopping(self) -> None:
        """Tell that the last commit follows."""
        self._notifier.tell("STOPPING=1", "STATUS=committing what was taken in")

    def close(self) -> None:
        """Let go of the socket."""
        self._notifier.close()


def supervisor(
    environment: MutableMapping[str, str], settings: GatewaySettings
) -> Supervisor | None:
    """Return who tells the service manager; None where none asked to be told."""
    if not environment.get("NOTIFY_SOCKET"):
        return None
    return Supervisor(Notifier(environment), Path(settings.node.data))


def hub_announcer(environment: MutableMapping[str, str]) -> Callable[[str], None]:
    """Return what tells the service manager, where there is one, that a hub listens at a URL."""
    notifier = Notifier(environment)

    def announce(url: str) -> None:
        notifier.tell("READY=1", f"STATUS=listening on {url}")

    return announce


def missing(snapshot: Snapshot) -> str:
    """Return what keeps us from being ready, "" for nothing.

    The journal has to be open, and our own places to be listened at; brokers and hubs of others
    may be away.  A journal that is full holds clients up, which is no reason either.
    """
    fields = snapshot.fields
    if fields["journal"]["state"] != "open":
        return "the journal is not open"
    for source in fields["sources"]:
        if source["name"] in (LISTEN, NODES) and source["state"] == "connecting":
            return f"{source['name']} is not open"
    return ""


def standing(snapshot: Snapshot, waits_for: str) -> str:
    """Return how a gateway is, without figures that change all the time."""
    parts = [f"waits: {waits_for}"] if waits_for else []
    parts += [f"problem: {problem}" for problem in snapshot.problems]
    if snapshot.is_degraded:
        parts.append("degraded: something was lost here, see tidegate status")
    link = snapshot.fields["link"]
    line = f"line {link['state']}"
    # Of a line that is up, the last error is over.
    is_over = link["state"] == UP or not link["last_error"]
    parts.append(line if is_over else f"{line}: {link['last_error']}")
    return "; ".join(parts)


def status_line(snapshot: Snapshot, state: str) -> str:
    """Return a line for systemctl status; what others wrote in it cannot become an assignment."""
    held = snapshot.fields["backlog"]["records"]
    return escaped(f"{held} records held; {state}")[:STATUS_CHARACTERS_MAX]


def journal_bytes(data: Path) -> int:
    """Return the size of the journal, and of what was set aside; 0 where nothing can be seen."""
    size = 0
    with contextlib.suppress(OSError):
        for path in data.rglob("journal.db*"):
            size += path.stat().st_size
    return size


def _address(name: str) -> str:
    """Return the address of a socket as Python takes it, "" for one that we cannot reach."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""
