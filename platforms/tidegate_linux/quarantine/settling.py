"""`tidegate quarantine retry` and `discard`: they end a record's stay; the gateway must be stopped.

Each commit settles some records as a whole: what it admits and what it takes out of the quarantine
are one transaction.  Whoever kills the command, or cuts the power, has each record exactly once.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import click

from tidegate.config.settings import GatewaySettings
from tidegate.errors import StorageError
from tidegate.gateway import lane_names
from tidegate.store.journal import DAMAGED
from tidegate.store.lane import QUARANTINED
from tidegate_linux.journal.quarantine_rows import (
    DISCARDED,
    RETRIED,
    Head,
    Settling,
    StoredQuarantine,
    Wanted,
)
from tidegate_linux.journal.upkeep import open_to_change, refuse_if_running, unreadable
from tidegate_linux.quarantine.access import (
    HINT_LIST,
    QuarantineError,
    open_to_look,
    settings_of,
    wanted_of,
)
from tidegate_linux.quarantine.folders import discard_folder, find_folder, is_folder_name

NOTHING = "there is no such record in quarantine"
COMMIT_RECORDS_MAX = 500  # In one commit,
COMMIT_BYTES_MAX = 4 * 1024 * 1024  # and bytes of payloads, unless a single one has more.


class _Stays:
    """How many records were wanted and are not settled."""

    def __init__(self) -> None:
        self.damaged = 0
        self.unfit = 0


def retry(config: Path, name: str | None, seq: int | None, is_forced: bool) -> None:
    """Admit records anew, behind the last one of their lane."""
    settings, wanted = settings_of(config), wanted_of(name, seq)
    stays = _Stays()

    def choose(stored: StoredQuarantine) -> Iterator[Head]:
        for head in stored.heads(wanted):
            if head.reason == QUARANTINED + DAMAGED and not is_forced:
                stays.damaged += 1
            elif not stored.is_fit(head):
                stays.unfit += 1
            else:
                yield head

    count = _settle(settings, choose, RETRIED)
    if not count:
        raise _nothing_retried(stays)
    click.echo(f"admitted {count:,} records again; the gateway sends them when it runs")
    if stays.damaged:
        click.echo(f"{stays.damaged:,} stay that were found damaged; --force sends them, too")
    if stays.unfit:
        click.echo(f"{stays.unfit:,} stay that are damaged beyond sending")


def _nothing_retried(stays: _Stays) -> QuarantineError:
    if stays.damaged:
        what = f"{stays.damaged:,} records were found damaged, and nobody can prove what they say"
        return QuarantineError(what, "look at them with show; --force sends them all the same")
    if stays.unfit:
        what = f"{stays.unfit:,} records are damaged so that none can be made of them"
        return QuarantineError(what, "export keeps what is left of them")
    return QuarantineError(NOTHING, HINT_LIST)


def discard(config: Path, name: str | None, seq: int | None, is_sure: bool) -> None:
    """Take records, or a folder that a salvage set aside, away for good, after a question."""
    settings = settings_of(config)
    home = Path(settings.node.data)
    if name is not None and is_folder_name(name):
        folder = find_folder(home, name).folder
        if not is_sure:
            click.confirm(f"Discard {folder} with all that is in it?", abort=True)
        discard_folder(home, name)
        click.echo(f"discarded {folder}")
        return
    wanted = wanted_of(name, seq)
    refuse_if_running(home)
    if not is_sure:
        count, total_bytes = _sum(home, wanted)
        what = f"Discard {count:,} records of {total_bytes:,} bytes, which are nowhere else?"
        click.confirm(what, abort=True)
    count = _settle(settings, lambda stored: stored.heads(wanted), DISCARDED)
    if not count:
        raise QuarantineError(NOTHING, HINT_LIST)
    click.echo(f"discarded {count:,} records")


def _sum(home: Path, wanted: Wanted) -> tuple[int, int]:
    count, total_bytes = 0, 0
    with closing(open_to_look(home)) as stored:
        try:
            for head in stored.heads(wanted):
                count += 1
                total_bytes += head.bytes
        except StorageError as error:
            raise unreadable(home, error) from error
    if not count:
        raise QuarantineError(NOTHING, HINT_LIST)
    return count, total_bytes


def _settle(
    settings: GatewaySettings,
    choose: Callable[[StoredQuarantine], Iterator[Head]],
    reason: str,
) -> int:
    """Settle what `choose` gives, commit by commit; return how many records."""
    settling = Settling(reason)
    count = 0
    home = Path(settings.node.data)
    lanes, limit_bytes = lane_names(settings), settings.journal.limit_bytes
    # The journal first: to open it may mean to salvage it, and then the rows lie elsewhere.
    with (
        closing(open_to_change(home, lanes, limit_bytes)) as journal,
        closing(open_to_look(home)) as stored,
    ):
        try:
            for ids in _portions(choose(stored)):
                journal.transact(partial(settling.settle, ids=ids))
                count += len(ids)
        except StorageError as error:
            done = f"; {count:,} records were {reason} before that" if count else ""
            raise QuarantineError(
                f"the journal in {home}: {error}{done}",
                "do it again when that is mended: no record is settled twice",
            ) from error
    return count


def _portions(heads: Iterator[Head]) -> Iterator[list[int]]:
    """Give the rows of one commit after the other."""
    ids: list[int] = []
    size = 0
    for head in heads:
        if ids and (len(ids) == COMMIT_RECORDS_MAX or size + head.bytes > COMMIT_BYTES_MAX):
            yield ids
            ids, size = [], 0
        ids.append(head.id)
        size += head.bytes
    if ids:
        yield ids
