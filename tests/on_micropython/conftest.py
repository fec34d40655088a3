"""What lies in `on_board` runs on MicroPython, through `test_on_board.py`, and not under pytest."""

collect_ignore = ["on_board"]
