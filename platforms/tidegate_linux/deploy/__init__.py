"""`tidegate deploy`: a MicroPython node onto a board, over its serial port."""
