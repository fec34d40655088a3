"""Where the frozen program begins: what only a frozen program needs, then the command line."""

from tidegate_linux.frozen import settle_in

settle_in()

from tidegate_linux.__main__ import main  # noqa: E402 - the environment must be in order first.

main()
