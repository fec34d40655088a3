"""A first run without a board: the node as a program on this machine, its flash a folder.

    tidegate demo --stay                  # in one terminal: a gateway on port 1883, and a hub
    make micropython                      # in another
    cd packaging/micropython/examples/unix_first_run
    TOP=../../../..; L=$TOP/dist/micropython/lib:$TOP/.venv/micropython
    MICROPYPATH=$L:.frozen $TOP/.venv/bin/micropython main.py

End the demo, run it again: the readings are stored and held.  Start the demo, run it once more: all
of them arrive, once and in order.
"""

import time

import tidegate_micropython

READINGS = 5
PATIENCE_MS = 10_000

node = tidegate_micropython.start("config.json")
for count in range(READINGS):
    node.put("first/run", {"reading": count, "ticks_ms": time.ticks_ms()})
print("stored", READINGS, "readings in", node.settings.journal.folder)
is_empty = node.upload(PATIENCE_MS)
held = node.status()["backlog"]["records"]
print("all of it is at the gateway" if is_empty else f"no way out: {held} records are held")
node.close()
