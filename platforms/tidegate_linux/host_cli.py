"""The commands for the owner of a host: how Tidegate gets there, and what the shell knows of it.

`cli` adds those in `HOST_COMMANDS` to its own.
"""

from pathlib import Path

import click

from tidegate_linux.install.layout import Layout

_FILE = click.Path(path_type=Path)
_SHELLS = click.Choice(["bash", "zsh", "fish"])


@click.command(short_help="Print what lets a shell complete these commands.")
@click.argument("shell", type=_SHELLS)
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a shell complete these commands and their options.

    For one session of bash: eval "$(tidegate completion bash)". The Debian package and tidegate
    install put it where the shells look for it.
    """
    from tidegate_linux.install.completions import completion_script

    click.echo(completion_script(context.find_root().command, shell))


_ROOT = click.option(
    "--root", type=_FILE, default="/", help="The root of an image, instead of this host's."
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")


@click.command(short_help="Put this program on a host without packages, as a service.")
@click.argument("file", type=_FILE, required=False)
@_ROOT
@click.option("--no-start", is_flag=True, help="Do not start the service now.")
@_DRY_RUN
@click.pass_context
def install(
    context: click.Context, file: Path | None, root: Path, no_start: bool, dry_run: bool
) -> None:
    """Put this program, or the one binary FILE, on a host without packages, as a service.

    It gets a user, a folder for its data, a configuration with which it starts, and systemd, OpenRC
    or BusyBox to start it. Configuration and data that are there stay as they are; an installation
    that was cut off is finished by the same command. tidegate update is for a newer version.
    """
    from tidegate_linux.install.install import run_install

    run_install(_all_commands(context), file, root, dry_run, not no_start)


@click.command(short_help="Undo tidegate install; configuration and data stay.")
@_ROOT
@click.option("--purge", is_flag=True, help="Remove configuration and data too, after a question.")
@click.option("--yes", is_flag=True, help="With --purge: do not ask.")
@_DRY_RUN
@click.pass_context
def uninstall(context: click.Context, root: Path, purge: bool, yes: bool, dry_run: bool) -> None:
    """Undo tidegate install. Configuration, data and the user of the service stay.

    What was acknowledged and not delivered is in the data folder and nowhere else: --purge says how
    many records that are before it asks.
    """
    from tidegate_linux.install.uninstall import run_uninstall

    run_uninstall(_all_commands(context), root, dry_run, purge, yes)


@click.command(short_help="Update this program; the old one comes back if the new one fails.")
@click.argument("source", metavar="FILE|URL", required=False)
@click.option(
    "-c",
    "--config",
    type=_FILE,
    default=str(Layout().config),
    show_default=True,
    envvar="TIDEGATE_CONFIG",
    help="The gateway's file.",
)
@click.option("--status", is_flag=True, help="Show what is installed and on trial; change nothing.")
@click.option("--back", is_flag=True, help="Put the program back that ran before.")
@click.option("--force-downgrade", is_flag=True, help="Take an older version too.")
@click.option("--again", is_flag=True, help="Take the very program that was put back last.")
@click.option(
    "--time-limit",
    type=click.IntRange(10, 86_400),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="How long the new program may run without having proved itself.",
)
@click.option(
    "--offline-proof",
    type=click.IntRange(0, 86_400),
    metavar="SECONDS",
    help="Take it for proof if it is well for so long without a line; 0: an answer of the hub it"
    " must be.  [default: 300 if the line is down now, else 0]",
)
def update(
    source: str | None,
    config: Path,
    status: bool,
    back: bool,
    force_downgrade: bool,
    again: bool,
    time_limit: int,
    offline_proof: int | None,
) -> None:
    """Update to the signed release file FILE, or to that at URL, and wait until it proves itself.

    It must be ready, commit, and have an answer of the hub within the time limit, else the program
    that runs now is put back. The power may go at any moment: the old or the new one starts.
    """
    from tidegate_linux.update.update import Wishes, go_back, run_update, show_status

    if [source is not None, status, back].count(True) != 1:
        raise click.UsageError("Name a release file, or give one of --status and --back.")
    if source is not None:
        run_update(source, config, Wishes(time_limit, offline_proof, force_downgrade, again))
    elif status:
        show_status()
    else:
        go_back()


HOST_COMMANDS: list[click.Command] = [completion, install, uninstall, update]


def _all_commands(context: click.Context) -> click.Group:
    group = context.find_root().command
    assert isinstance(group, click.Group)
    return group
