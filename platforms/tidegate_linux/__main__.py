"""`tidegate`, and `python -m tidegate_linux`: the command line from its very beginning."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command in `sys.argv` and exit."""
    # Who presses Ctrl-C while the command line is imported gets no traceback of an import.
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tidegate_linux.cli import main as run_command

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()


if __name__ == "__main__":
    main()
