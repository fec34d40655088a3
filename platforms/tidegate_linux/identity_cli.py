"""The commands of `tidegate identity`; `cli` adds the group to its own."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)
_CONFIG = click.option(
    "-c", "--config", type=_FILE, envvar="TIDEGATE_CONFIG", help="The gateway's file."
)
_FOLDER = click.option(
    "--folder",
    type=_FILE,
    help="The node's data folder itself, such as one in a mounted image, instead of a file.",
)


@click.group(short_help="Show who a node is, or make a copy of one a node of its own.")
def identity() -> None:
    """Show who a node is, or make a copy of one a node of its own.

    A node that was never started has no identity yet: its first start makes one.
    """


@identity.command(short_help="Show the node, its streams, and copies that were found out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@_CONFIG
@_FOLDER
def show(config: Path | None, folder: Path | None, as_json: bool) -> None:
    """Show the node, its streams, and whether a copy was found out; the gateway may run."""
    from tidegate_linux.identity import show_node

    _check_choice(config, folder)
    show_node(config, folder, as_json)


@identity.command(short_help="Make a copied card or folder a node of its own.")
@click.option(
    "--discard-held",
    "is_held_discarded",
    is_flag=True,
    help="Leave what is held to the original, which has it, too. Else it is sent from here, too.",
)
@click.option("--yes", is_flag=True, help="Do not ask before held records are discarded.")
@_CONFIG
@_FOLDER
def renew(config: Path | None, folder: Path | None, is_held_discarded: bool, yes: bool) -> None:
    """Make a copied card or folder a node of its own, before its first start.

    It gets a new name and begins new streams. What was delivered is not sent again; what is held
    is sent under the new name. The gateway must be stopped.
    """
    from tidegate_linux.identity import renew_node

    _check_choice(config, folder)
    renew_node(config, folder, is_held_discarded, yes)


def _check_choice(config: Path | None, folder: Path | None) -> None:
    if config is None and folder is None:
        raise click.UsageError("Name the gateway's file with -c, or give --folder.")
