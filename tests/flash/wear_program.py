"""What a node's records cost the flash: `micropython wear_program.py OPTIONS`.

OPTIONS is JSON: the flash (`block_bytes`, `block_count`, `program_bytes`), the node's `journal` and
`uplink` settings, `records`, `period_ms` between them, `puts` (each one durable at once, not
queued), `wakes` (and a deep sleep behind it), `online` (delivered at once, not held).  Prints what
was programmed and erased as JSON.
"""

import json
import sys

from simulated import SimulatedNode

TOPIC = "site/greenhouse/temp"  # 20 bytes,
PAYLOAD = '{"temp":21.53,"unit":"C","battery":3.97}'  # and 40.
# As a frame in the log: its head, lane, number and running hash, the record's head, and those.
FRAME_BYTES = 11 + 5 + 12 + 21 + len(TOPIC) + len(PAYLOAD)


def main(options):
    node = SimulatedNode(options)
    node.receiver.online = options["online"]
    count = options["records"]
    for _ in range(count):
        if options["puts"]:
            node.node.put(TOPIC, PAYLOAD)
            if options["wakes"]:
                node.restart()
        else:
            assert node.node.put_nowait(TOPIC, PAYLOAD)
        node.advance(options["period_ms"])
    node.node.sync()
    node.turn_all()
    flash = node.flash
    erases, programmed_bytes = node.erases, flash.programmed_bytes
    if options["online"]:
        node.advance(60_000)
        assert node.receiver.records == count, node.receiver.records
    print(
        json.dumps(
            {
                "records": count,
                "frame_bytes": FRAME_BYTES,
                "batches": node.receiver.batches,
                "programmed_bytes": programmed_bytes,
                "erases": erases,
                "worn_most": max(flash.erased),
                "amplification": programmed_bytes / (count * FRAME_BYTES),
                "erases_a_record": erases / count,
                "bytes_a_record": programmed_bytes / count,
            }
        )
    )
    node.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
