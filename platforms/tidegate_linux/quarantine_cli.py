"""The commands of `tidegate quarantine`; `cli` adds the group to its own."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)
_CONFIG = click.option(
    "-c",
    "--config",
    type=_FILE,
    required=True,
    envvar="TIDEGATE_CONFIG",
    help="The gateway's file.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_ALL = click.option("--all", "is_all", is_flag=True, help="All records of all streams.")
_STREAM = click.argument("stream", required=False)
_SEQ = click.argument("seq", type=int, required=False)


@click.group(short_help="See to records that were refused or damaged, and what salvages left.")
def quarantine() -> None:
    """See to records that the hub has refused or that were damaged, and to what salvages have left.

    A record is named by its stream and number, as list prints them; a folder by its own name.
    """


@quarantine.command(name="list")
@_JSON
@_CONFIG
def list_command(as_json: bool, config: Path) -> None:
    """List records and folders; the gateway may run."""
    from tidegate_linux.quarantine.looking import list_all

    list_all(config, as_json)


@quarantine.command()
@click.argument("name", metavar="STREAM|FOLDER")
@_SEQ
@_JSON
@_CONFIG
def show(name: str, seq: int | None, as_json: bool, config: Path) -> None:
    """Show record SEQ of STREAM whole, or what is in FOLDER; the gateway may run."""
    from tidegate_linux.quarantine.looking import show_one

    show_one(config, name, seq, as_json)


@quarantine.command()
@click.argument("file", type=_FILE)
@_STREAM
@_SEQ
@_CONFIG
def export(file: Path, stream: str | None, seq: int | None, config: Path) -> None:
    """Write records to FILE, one JSON object a line; the gateway may run.

    All of them, those of STREAM, or number SEQ of it.
    """
    from tidegate_linux.quarantine import looking

    looking.export(config, file, stream, seq)


@quarantine.command()
@_STREAM
@_SEQ
@_ALL
@click.option("--force", is_flag=True, help="Also what was found damaged.")
@_CONFIG
def retry(stream: str | None, seq: int | None, is_all: bool, force: bool, config: Path) -> None:
    """Send records again, under new numbers; the gateway must be stopped.

    Those of STREAM, number SEQ of it, or --all. What the hub refuses again comes back here.
    """
    from tidegate_linux.quarantine import settling

    _check_choice(stream, is_all)
    settling.retry(config, stream, seq, force)


@quarantine.command()
@click.argument("name", metavar="[STREAM|FOLDER]", required=False)
@_SEQ
@_ALL
@click.option("--yes", is_flag=True, help="Do not ask.")
@_CONFIG
def discard(name: str | None, seq: int | None, is_all: bool, yes: bool, config: Path) -> None:
    """Discard records for good, or a FOLDER, after a question.

    For records the gateway must be stopped: those of STREAM, number SEQ of it, or --all.
    """
    from tidegate_linux.quarantine import settling

    _check_choice(name, is_all)
    settling.discard(config, name, seq, yes)


def _check_choice(name: str | None, is_all: bool) -> None:
    if (name is None) != is_all:
        raise click.UsageError("Name what is meant, or give --all.")
