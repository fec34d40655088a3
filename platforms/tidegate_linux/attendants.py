"""What attends a gateway's process: a supervisor that must hear of progress, a board with its LEDs.

An attendant is called by the engine's thread, which owns the journal: with every snapshot, so at
least once a second, and not at all while a commit or anything else in the engine is stuck.  That
is what makes it fit to feed a watchdog.
"""

import os
from typing import Protocol

from tidegate.config.settings import GatewaySettings
from tidegate_linux.status.survey import Snapshot
from tidegate_linux.supervisor import supervisor
from tidegate_linux.update.proof import prover


class Attendant(Protocol):
    """Looks after the process from outside of the core; it never waits."""

    def attend(self, snapshot: Snapshot) -> None:
        """Take note of how the gateway is, between two of the engine's steps.

        What it raises ends the gateway, as a failure of the engine does: only who has to raises.
        """

    def stopping(self) -> None:
        """Take note that nothing more is taken in: the last commit follows."""

    def close(self) -> None:
        """Give back what is held; the journal is closed, or the engine has failed."""


def attendants(settings: GatewaySettings, board: Attendant | None) -> list[Attendant]:
    """Return whom this process, on this machine and with these settings, is attended by.

    The board is the last: its `close` may take as long as a power failure does.
    """
    attending: list[Attendant | None] = [supervisor(os.environ, settings), prover(), board]
    return [attendant for attendant in attending if attendant is not None]
