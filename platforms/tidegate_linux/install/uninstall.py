"""`tidegate uninstall`: take the program away; configuration and data only when that is asked for.

What the gateway has acknowledged and not delivered is in its data folder and nowhere else.  So the
folder stays, and who wants it gone is told how much goes with it.
"""

from pathlib import Path

import click

from tidegate.errors import StorageError
from tidegate_linux.durable import beside
from tidegate_linux.install.install import check_place
from tidegate_linux.install.layout import USER, Layout
from tidegate_linux.install.services import service_of
from tidegate_linux.install.steps import Step, check_inside, empty_folder_step, removal_step, take
from tidegate_linux.install.texts import DOCUMENTS, shared_texts
from tidegate_linux.journal.errors import JournalError
from tidegate_linux.journal.sqlite import read_state


def run_uninstall(
    commands: click.Group, root: Path, is_dry: bool, is_purge: bool, is_sure: bool
) -> None:
    """Remove the program and, with `is_purge`, all there is; raise `InstallError`."""
    layout = Layout(root)
    check_place(layout, is_dry)
    purged = [layout.config_folder, layout.data, layout.home] if is_purge else []
    steps = [*_steps(commands, layout), *map(_purge_step, purged)]
    check_inside(steps, layout.root)
    if is_purge and not is_dry and not is_sure:
        what = f"Remove {layout.config_folder} and {layout.data}, {_held(layout)}?"
        click.confirm(what, abort=True)
    count = take(steps, is_dry)
    if not count:
        click.echo("nothing of tidegate is installed here")
    for path in (layout.config_folder, layout.data, layout.home):
        if path.exists() and not is_dry:
            click.echo(f"{path} stays")
    if layout.has_foreign_command and not is_dry:
        click.echo(f"{layout.command} stays, it is not ours")
    if count and not is_dry:
        click.echo(f"the user {USER} stays; its number must not become somebody else's")


def _steps(commands: click.Group, layout: Layout) -> list[Step]:
    """Return the steps in an order in which no part of them leaves a service without program."""
    paths = [layout.shared / name for name in shared_texts(commands, "")]
    paths += [layout.shared / DOCUMENTS]
    paths += [] if layout.has_foreign_command else [layout.command]
    paths += [layout.current, layout.previous, layout.trial, layout.result]
    # What select, which is no Python, names where it is not finished.
    paths += [path.with_name(f"{path.name}.unfinished") for path in (layout.trial, layout.result)]
    paths += [layout.lock, layout.select, layout.versions, beside(layout.config)]
    # The keys that updates are checked with are the owner's: they stay, and so their folder.
    empty = map(empty_folder_step, (layout.keys, layout.home))
    return [*service_of(layout).removal_steps(), *map(removal_step, paths), *empty]


def _purge_step(path: Path) -> Step:
    """Return the step that takes away what is counted before: it must be that of the image."""
    return removal_step(path)._replace(places=(path,))


def _held(layout: Layout) -> str:
    """Say how much would be lost with the data folder."""
    if not layout.data.exists():
        return "which is not there"
    try:
        held = sum(lane.held_records for lane in read_state(layout.data).lanes)
    except (JournalError, StorageError) as error:
        return f"where nobody can say how much is held ({error})"
    return f"in which {held:,} records are held that were acknowledged and not delivered"
