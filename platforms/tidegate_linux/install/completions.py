"""What lets a shell complete the commands: click's own scripts, which ask the program at each TAB.

Nothing is started to make them: click looks up the version of bash first, and a host where we
install may have none.
"""

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM = "tidegate"
_VARIABLE = "_TIDEGATE_COMPLETE"
# Where each shell looks, below the folder of installed data (/usr/share or /usr/local/share).
PLACES = {
    "bash": "bash-completion/completions/tidegate",
    "zsh": "zsh/site-functions/_tidegate",
    "fish": "fish/vendor_completions.d/tidegate.fish",
}


def completion_script(commands: click.Command, shell: str) -> str:
    """Return the script for one of the shells in `PLACES`."""
    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(f"no shell that click knows: {shell}")
    # The base class's way of making it: bash's own starts bash to ask for its version.
    return ShellComplete.source(kind(commands, {}, PROGRAM, _VARIABLE)).strip()
