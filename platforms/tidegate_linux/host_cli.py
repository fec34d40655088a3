"""The commands for the owner of a host: how Tidegate gets there, and what the shell knows of it.

`cli` adds those in `HOST_COMMANDS` to its own.
"""

import click

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


HOST_COMMANDS: list[click.Command] = [completion]
