"""Which part of the quarantine a person means, and how it is opened for reading.

To change it the gateway must be stopped: `journal.upkeep` says how.
"""

from pathlib import Path

from tidegate.config.settings import GatewaySettings
from tidegate.errors import ProtocolError, StorageError
from tidegate.limits import SEQ_MAX
from tidegate.records.stream import parse_stream
from tidegate_linux.config import load_gateway
from tidegate_linux.errors import OperatorError
from tidegate_linux.journal.quarantine_rows import StoredQuarantine, Wanted
from tidegate_linux.journal.upkeep import unreadable

EVERYTHING = Wanted(None, None)
HINT_LIST = "see what there is: tidegate quarantine list"


class QuarantineError(OperatorError):
    """Report what cannot be done with the quarantine, and what to do about it."""


def wanted_of(stream: str | None, seq: int | None) -> Wanted:
    """Return what a person means by a stream's name and a number, or without the one or both."""
    if stream is None:
        return EVERYTHING
    try:
        wanted = Wanted(parse_stream(stream), seq)
    except ProtocolError as error:
        raise QuarantineError(f"{stream} is no stream: {error.detail}", HINT_LIST) from error
    if seq is not None and not 0 < seq <= SEQ_MAX:
        raise QuarantineError(f"no record has the number {seq}", HINT_LIST)
    return wanted


def settings_of(config: Path) -> GatewaySettings:
    """Return the settings of the gateway whose file is `config`."""
    return load_gateway(config, secrets=False)[0]


def open_to_look(folder: Path) -> StoredQuarantine:
    """Open the quarantine of the journal in `folder` for reading."""
    try:
        return StoredQuarantine(folder)
    except StorageError as error:
        raise unreadable(folder, error) from error
