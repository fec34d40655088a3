"""`python -m tidegate_linux` is `tidegate`."""

from tidegate_linux.cli import main

main()
