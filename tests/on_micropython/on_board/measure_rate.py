"""A node that measures itself: `micropython measure_rate.py TASK`, a file in JSON.

TASK: `folder`, `payload_bytes`, `puts`, `queued`, `uplink` of the node or null, and perhaps
`romfs`, an image to import from.  Prints one line of JSON with what was measured; with an uplink
what is held is sent, without one it is filled.
"""

import gc
import json
import os
import sys
import time

GROUP = 32
UPLOAD_MS = 300_000
TOPIC = "greenhouse/1/temperature"


def bytes_in(folder):
    return sum([os.stat(folder + "/" + name)[6] for name in os.listdir(folder)])


def per_s(count, begun_ms):
    return 1000 * count / max(1, time.ticks_diff(time.ticks_ms(), begun_ms))


def fill(node, folder, task):
    payload = b"x" * task["payload_bytes"]
    found = {}
    begun_ms, before = time.ticks_ms(), bytes_in(folder)
    for _ in range(task["puts"]):
        node.put(TOPIC, payload)
    found["put_per_s"] = per_s(task["puts"], begun_ms)
    found["put_bytes"] = (bytes_in(folder) - before) / task["puts"]
    begun_ms, before = time.ticks_ms(), bytes_in(folder)
    for number in range(1, task["queued"] + 1):
        node.put_nowait(TOPIC, payload)
        if number % GROUP == 0:
            node.sync()
    node.sync()
    found["put_nowait_per_s"] = per_s(task["queued"], begun_ms)
    found["put_nowait_bytes"] = (bytes_in(folder) - before) / task["queued"]
    return found


def send(node, bare_bytes):
    held = node.status()["backlog"]["records"]
    begun_ms = time.ticks_ms()
    assert node.upload(UPLOAD_MS), node.status()
    found = {"held": held, "sent_per_s": per_s(held, begun_ms)}
    gc.collect()
    found["running_heap_bytes"] = gc.mem_alloc() - bare_bytes
    return found


def mount(path):
    """Import from an image alone; it lies in the heap here, and in flash on a board."""
    import vfs

    with open(path, "rb") as file:
        image = file.read()
    vfs.mount(vfs.VfsRom(image), "/rom")
    # In the place of this program's folder, and of the one with the same as files.
    sys.path[:2] = ["/rom", "/rom/lib"]


def main():
    with open(sys.argv[1]) as file:
        task = json.load(file)
    if "romfs" in task:
        mount(task["romfs"])
    gc.collect()
    bare_bytes = gc.mem_alloc()
    journal = {"folder": task["folder"], "limit_bytes": 4_000_000, "reserve_bytes": 0}
    config = {"journal": journal}
    if task["uplink"] is not None:
        config["uplink"] = task["uplink"]
    import tidegate_micropython

    begun_ms = time.ticks_ms()
    node = tidegate_micropython.start(config)
    found = {"start_ms": time.ticks_diff(time.ticks_ms(), begun_ms)}
    if task["uplink"] is not None:
        found.update(send(node, bare_bytes))
    else:
        found.update(fill(node, task["folder"], task))
    node.close()
    print(json.dumps(found))


main()
