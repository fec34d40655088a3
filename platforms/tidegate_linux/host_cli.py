"""The commands for the owner of a host: how Tidegate gets there, and what the shell knows of it.

`cli` adds those in `HOST_COMMANDS` to its own.
"""

from pathlib import Path

import click

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
    or BusyBox to start it. What is there already stays as it is; an installation that was cut off
    is finished by the same command. tidegate update is for a newer version.
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


HOST_COMMANDS: list[click.Command] = [completion, install, uninstall]


def _all_commands(context: click.Context) -> click.Group:
    group = context.find_root().command
    assert isinstance(group, click.Group)
    return group
