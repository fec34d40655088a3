"""A node whose log overflows for hours: `micropython overflow_program.py OPTIONS`.

It is offline until the end.  OPTIONS is JSON: the flash, `journal`, `uplink` and `lane` settings,
`records`, `period_ms`.  Prints the most that lay on the flash, the most gaps, memory at intervals,
and what was delivered in the end, as JSON.
"""

import gc
import json
import os
import sys

from simulated import FOLDER, SimulatedNode

PAYLOAD = '{"temp":21.53,"unit":"C","battery":3.97}'
LOOKS = 12  # How often memory is looked at, evenly spread.


def stored_bytes():
    return sum([entry[3] for entry in os.ilistdir(FOLDER) if entry[0][-4:] == ".tgs"])


def main(options):
    node = SimulatedNode(options)
    node.receiver.online = False
    count, period_ms = options["records"], options["period_ms"]
    gateway = node.node.shell.gateway
    stored_most = gaps_most = 0
    memory = []
    for number in range(count):
        topic = "alarm/door" if number % 50 == 0 else "site/greenhouse/temp"
        assert node.node.put_nowait(topic, PAYLOAD)
        node.advance(period_ms)
        if number % 32 == 0:
            stored_most = max(stored_most, stored_bytes())
            gaps_most = max([gaps_most] + [len(lane.gaps) for lane in gateway.lanes])
        if number % (count // LOOKS) == count // LOOKS - 1:
            gc.collect()
            memory.append(gc.mem_alloc())
    node.node.sync()
    node.receiver.online = True
    node.advance(600_000)
    dropped = {}
    for lane in gateway.lanes:
        assert lane.balance.holds, lane.balance
        dropped[lane.name] = sum(lane.balance.dropped.values())
    receiver = node.receiver
    print(
        json.dumps(
            {
                "stored_most": stored_most,
                "gaps_most": gaps_most,
                "memory": memory,
                "dropped": dropped,
                "held": node.node.shell.held_records(),
                "delivered": receiver.records,
                "in_gaps": receiver.gaps,
                "reasons": sorted(set(receiver.reasons)),
                "numbers": sum([cursor.through for cursor in receiver.cursors.values()]),
            }
        )
    )
    node.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
