"""`tidegate identity`: who a node is, and how a copy of it becomes a node of its own.

A copied card or folder goes on under its original's names.  Hub and gateway find that out and lose
nothing by it, but whoever knows beforehand that it is a copy renews it before its first start.
"""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import click

from tidegate.errors import StorageError
from tidegate.gateway import lane_names
from tidegate.store.journal import Admitted, Forgotten
from tidegate_linux.config import load_gateway
from tidegate_linux.journal.folder import lock_holder
from tidegate_linux.journal.identity_rows import (
    Identity,
    StreamIdentity,
    read_identity,
    renew_identity,
)
from tidegate_linux.journal.upkeep import (
    has_journal,
    open_to_change,
    refuse_if_running,
    unreadable,
)

if TYPE_CHECKING:
    from tidegate_linux.journal.lane_rows import StoredLane
    from tidegate_linux.journal.store import SqliteJournal

# For a folder without a file: to renew it makes nothing larger, and the gateway has its own limit.
_LIMIT_BYTES = 1 << 40
_FORGET_RECORDS = 2_000  # In one commit: small records take half a megabyte of log.


class _Home(NamedTuple):
    """A node's folder, and what its file says: neither name nor lanes without one."""

    folder: Path
    name: str | None
    lanes: list[str] | None
    limit_bytes: int


def show_node(config: Path | None, folder: Path | None, as_json: bool) -> None:
    """Print who the node is; a gateway may run on it."""
    home = _home(config, folder)
    fields = _fields(home, _read(home.folder))
    click.echo(json.dumps(fields, indent=1) if as_json else "\n".join(_lines(fields)))


def renew_node(
    config: Path | None, folder: Path | None, is_held_discarded: bool, is_sure: bool
) -> None:
    """Make the node another one, in one transaction, and say what becomes of what it holds."""
    home = _home(config, folder)
    if not has_journal(home.folder):
        click.echo(f"there is no node in {home.folder} yet: the first start makes one of its own")
        return
    refuse_if_running(home.folder)
    if is_held_discarded and not is_sure:
        held = _held(_read(home.folder))
        what = f"Discard {held:,} records that are held, because the original delivers them?"
        click.confirm(what, abort=True)
    lanes = home.lanes
    if lanes is None:
        # A salvage, where opening means one, finds what it can of the lanes that it is told.
        lanes = [stream.stream.lane for stream in _read(home.folder).streams]
    with closing(open_to_change(home.folder, lanes, home.limit_bytes)) as journal:
        former = _read(home.folder)  # Now, for to open it may mean to salvage it.
        try:
            renew_journal(journal, is_held_discarded)
        except StorageError as error:
            raise unreadable(home.folder, error) from error
    _say_what_was_done(former, _read(home.folder), is_held_discarded)


def renew_journal(journal: "SqliteJournal", is_held_discarded: bool) -> None:
    """Make `journal` another node's; wherever this is killed, it is the old one's or the new one's.

    What was delivered goes first, commit by commit: in one transaction with the names the log would
    grow as large as all that is kept, which the medium may have no room for.
    """
    for lane in journal.recover().lanes:
        for through in range(lane.forgotten, lane.through, _FORGET_RECORDS):
            upto = min(through + _FORGET_RECORDS, lane.through)
            journal.append([Forgotten(lane.lane, upto)])
            journal.sync()

    def work(connection: apsw.Connection, lanes: "dict[str, StoredLane]") -> list[Admitted]:
        renew_identity(connection, lanes, is_held_discarded)
        return []

    journal.transact(work)


def _say_what_was_done(former: Identity, new: Identity, is_held_discarded: bool) -> None:
    click.echo(f"node {former.node} is {new.node} from now on")
    for stream in new.streams:
        click.echo(f"  {stream.stream}")
    held = _held(former)
    if held and is_held_discarded:
        click.echo(f"discarded {held:,} records that were held: the original has to deliver them")
    elif held:
        click.echo(
            f"{held:,} records are held and will be sent under the new name\n"
            "if the original holds them, too, they arrive twice, once from each;"
            " renew again with --discard-held leaves them to it"
        )
    if new.quarantined:
        click.echo(f"{new.quarantined:,} records stay in quarantine, as in the original's")


def _held(identity: Identity) -> int:
    return sum(stream.held_records for stream in identity.streams)


def _home(config: Path | None, folder: Path | None) -> _Home:
    if folder is not None:
        return _Home(folder, None, None, _LIMIT_BYTES)
    assert config is not None
    settings = load_gateway(config, secrets=False)[0]
    limit_bytes = settings.journal.limit_bytes
    return _Home(Path(settings.node.data), settings.node.name, lane_names(settings), limit_bytes)


def _read(folder: Path) -> Identity:
    try:
        return read_identity(folder)
    except StorageError as error:
        raise unreadable(folder, error) from error


def _fields(home: _Home, identity: Identity) -> dict[str, Any]:
    process = lock_holder(home.folder)
    return {
        "node": identity.node,
        "name": home.name,
        "folder": str(home.folder),
        "running": process != 0,
        "process": process or None,
        "boots": identity.boots,
        "renewals": identity.renewals,
        "former_node": identity.former_node or None,
        "forks": sum(stream.forks for stream in identity.streams),
        "streams": [_stream_fields(stream) for stream in identity.streams],
    }


def _stream_fields(stream: StreamIdentity) -> dict[str, Any]:
    return {
        "stream": str(stream.stream),
        "lane": stream.stream.lane,
        "epoch": stream.stream.epoch,
        "admitted": stream.admitted,
        "through": stream.through,
        "hash": f"{stream.last_hash:08x}" if stream.admitted else None,
        "held": stream.held_records,
        "quarantined": stream.quarantined,
        "forks": stream.forks,
    }


def _lines(fields: dict[str, Any]) -> list[str]:
    named = "" if fields["name"] is None else f" ({fields['name']})"
    process = f"runs as process {fields['process']}" if fields["running"] else "does not run"
    found = f"found out {fields['forks']:,} times" if fields["forks"] else "none was found out"
    shown = [
        ("node", f"{fields['node']}{named}"),
        ("folder", fields["folder"]),
        ("gateway", process),
        ("boots", f"{fields['boots']:,}"),
        ("copies", found),
    ]
    if fields["renewals"]:
        before = f", from {fields['former_node']}" if fields["former_node"] else ""
        shown.append(("renewed", f"{fields['renewals']:,} times{before}"))
    lines = [f"{name + ':':<9}{value}" for name, value in shown]
    return [*lines, *[_stream_line(stream) for stream in fields["streams"]]]


def _stream_line(fields: dict[str, Any]) -> str:
    forks = f"; a copy was found out {fields['forks']:,} times" if fields["forks"] else ""
    return (
        f"{fields['stream']}: admitted {fields['admitted']:,}, through {fields['through']:,},"
        f" hash {fields['hash'] or 'none'}, {fields['held']:,} held{forks}"
    )
