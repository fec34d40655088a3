"""Prints what a log holds, a payload a line: `micropython read_back.py FOLDER`."""

import sys

from tidegate_micropython import start

node = start({"journal": {"folder": sys.argv[1], "segment_bytes": 2048}})
first = 1
while True:
    span = node.shell.engine._journal.read("main", first, 100, 10_000)
    if not span.records:
        break
    for record in span.records:
        print(record.payload.decode())
    first = span.last + 1
