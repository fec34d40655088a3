"""`tidegate quarantine list`, `show` and `export`: they change nothing, and disturb no gateway.

However many records there are, a page of them without payloads is in memory, and one payload.
"""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from tidegate.errors import StorageError
from tidegate_linux.durable import sync_folder
from tidegate_linux.journal.aside import salvages
from tidegate_linux.journal.quarantine_rows import StoredQuarantine, Wanted
from tidegate_linux.journal.upkeep import unreadable
from tidegate_linux.quarantine.access import (
    EVERYTHING,
    HINT_LIST,
    QuarantineError,
    open_to_look,
    settings_of,
    wanted_of,
)
from tidegate_linux.quarantine.folders import (
    find_folder,
    folder_fields,
    folder_lines,
    is_folder_name,
)
from tidegate_linux.quarantine.texts import head_fields, head_line, record_fields, record_lines

_MODE = 0o600  # As the journal's: what devices sent is nobody else's business.


def list_all(config: Path, as_json: bool) -> None:
    """Print a line for each record and folder, with `as_json` one object a line."""
    home = Path(settings_of(config).node.data)
    count, total_bytes, stream = 0, 0, None
    with closing(open_to_look(home)) as stored:
        try:
            for head in stored.heads(EVERYTHING):
                count += 1
                total_bytes += head.bytes
                if as_json:
                    click.echo(json.dumps(head_fields(head)))
                    continue
                if head.stream != stream:
                    stream = head.stream
                    click.echo(str(stream))
                click.echo(head_line(head))
            crowded_out = stored.crowded_out()
        except StorageError as error:
            raise unreadable(home, error) from error
    folders = salvages(home)
    for salvage in folders:
        lines = [json.dumps(folder_fields(salvage))] if as_json else folder_lines(salvage)
        click.echo("\n".join(lines))
    if as_json:
        return
    click.echo(f"{count:,} records of {total_bytes:,} bytes, {len(folders)} folders")
    if crowded_out:
        click.echo(f"{crowded_out:,} older records had to make room and are gone")


def show_one(config: Path, name: str, seq: int | None, as_json: bool) -> None:
    """Print one record whole, or what is in one folder."""
    home = Path(settings_of(config).node.data)
    if is_folder_name(name):
        salvage = find_folder(home, name)
        shown = [json.dumps(folder_fields(salvage), indent=1)] if as_json else folder_lines(salvage)
        click.echo("\n".join(shown))
        return
    if seq is None:
        raise QuarantineError(f"which record of {name} is not said", "give its number, too")
    found = False
    with closing(open_to_look(home)) as stored:
        for fields in _records(home, stored, wanted_of(name, seq)):
            found = True
            click.echo(json.dumps(fields, indent=1) if as_json else "\n".join(record_lines(fields)))
    if not found:
        raise QuarantineError(f"record {seq} of {name} is not in quarantine", HINT_LIST)


def export(config: Path, file: Path, name: str | None, seq: int | None) -> None:
    """Write records to a new file, one JSON object a line: the whole file, durably, or none."""
    home = Path(settings_of(config).node.data)
    wanted = wanted_of(name, seq)
    if file.exists():
        raise QuarantineError(f"{file} is there already", "name a file that is not")
    unfinished = file.with_name(f".{file.name}.unfinished")
    with closing(open_to_look(home)) as stored:
        try:
            count = _write(unfinished, _records(home, stored, wanted))
            if count:
                unfinished.rename(file)
                sync_folder(file.parent)
        except OSError as error:
            what = f"{file} cannot be written: {(error.strerror or str(error)).lower()}"
            raise QuarantineError(what, "name a file on a medium with room") from error
        finally:
            unfinished.unlink(missing_ok=True)
    if not count:
        raise QuarantineError("there is no such record in quarantine", HINT_LIST)
    click.echo(f"wrote {count:,} records to {file}; they stay in quarantine")


def _write(path: Path, records: Iterator[dict[str, Any]]) -> int:
    """Write and sync `path`; return of how many records."""
    count = 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    with os.fdopen(fd, "w", encoding="utf-8") as out:
        for fields in records:
            out.write(json.dumps(fields) + "\n")
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count


def _records(home: Path, stored: StoredQuarantine, wanted: Wanted) -> Iterator[dict[str, Any]]:
    try:
        for head in stored.heads(wanted):
            body = stored.body(head)
            if body is not None:
                yield record_fields(head, *body)
    except StorageError as error:
        raise unreadable(home, error) from error
