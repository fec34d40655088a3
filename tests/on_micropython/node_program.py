"""A whole node on MicroPython: `micropython node_program.py CONFIG COUNT`.

CONFIG is a file: the unix port dies of an argument of 256 bytes.

Puts COUNT records, prints 'stored', and uploads until nothing is held; prints 'delivered' then.
"""

import sys
import time

import tidegate_micropython

UPLOAD_MS = 40_000


def main(config, count):
    node = tidegate_micropython.start(config)
    for number in range(count):
        node.put("site/7", number)
    print("stored")
    end_ms = time.ticks_add(time.ticks_ms(), UPLOAD_MS)
    while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
        if node.upload(5000):
            print("delivered")
            break
    node.close()


main(sys.argv[1], int(sys.argv[2]))
