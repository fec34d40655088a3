"""A node that puts numbers and says what is stored, until somebody kills it.

`micropython put_and_say.py TASK`, a file in JSON: `config` of the node, `folder`, `name`, `run`,
`mode`, `pace_ms`.  A line "topic run number" in the file `said` is a promise: `put` of that number
has returned, and all that was put on that topic before it is stored as well.  `status.json` is what
the node says of itself, now and then.

- put: `put`, each on its own
- mixed: three times `put_nowait`, then `put`, which takes these along
- aput: `aput`, beside a sampler of `every` on a topic of its own, which promises nothing
- drain: puts nothing, uploads until nothing is held, and ends
- watch: puts nothing and runs
"""

import asyncio
import gc
import json
import os
import sys
import time

import tidegate_micropython
from tidegate.errors import StorageError

RUNS = 1000  # A run of the process is so many runs of numbers: a new one after each failure.
SAMPLE_S = 0.03
STATUS_MS = 300
DRAIN_MS = 120_000
STEP_MS = 2000
PATTERN = bytes(range(256))


def payload(topic, run, number):
    """Return what `nodes_verdict.read_payload` takes apart again."""
    now_ms = time.time_ns() // 1_000_000
    size = number * 37 % 160
    return f"{topic} {run} {number} {now_ms}\n".encode() + PATTERN[number % 90 :][:size]


class Putter:
    """Puts what its mode says."""

    def __init__(self, task):
        self.task = task
        self.topic = "site/" + task["name"]
        self.run_number = RUNS * task["run"]
        self.number = self.sampled = 0
        self.said = open(task["folder"] + "/said", "ab")  # noqa: SIM115 - kept open.
        self.node = tidegate_micropython.start(task["config"])

    def value(self):
        self.number += 1
        return payload(self.topic, self.run_number, self.number)

    def say(self):
        # One call of write, which the system carries out though this program dies behind it.
        self.said.write(f"{self.topic} {self.run_number} {self.number}\n".encode())

    def sample(self):
        self.sampled += 1
        return payload(self.topic + "/sampled", self.run_number, self.sampled)

    async def put(self):
        self.node.put(self.topic, self.value())
        self.say()

    async def mixed(self):
        for _ in range(3):
            self.node.put_nowait(self.topic, self.value())
        await self.put()

    async def aput(self):
        await self.node.aput(self.topic, self.value())
        self.say()

    async def run(self):
        mode = self.task["mode"]
        act = None if mode == "watch" else getattr(self, mode)
        if mode == "aput":
            self.node.every(SAMPLE_S, self.topic + "/sampled", self.sample)
        tasks = [asyncio.create_task(self.node.running()), asyncio.create_task(self.tell())]
        while act is not None:
            try:
                await act()
            except (StorageError, MemoryError):
                # Nobody knows what became of it, so there is no saying what lies before the next.
                self.run_number += 1
                self.number = 0
            await asyncio.sleep_ms(self.task["pace_ms"])
        await asyncio.gather(*tasks)

    async def tell(self):
        while True:
            try:
                self.write_status()
            except MemoryError:
                gc.collect()
            await asyncio.sleep_ms(STATUS_MS)

    def drain(self):
        end_ms = time.ticks_add(time.ticks_ms(), DRAIN_MS)
        while not self.node.upload(STEP_MS) and time.ticks_diff(end_ms, time.ticks_ms()) > 0:
            self.write_status()
        self.write_status()
        self.node.close()

    def write_status(self):
        path = self.task["folder"] + "/status.json"
        with open(path + ".new", "w") as file:
            json.dump(self.node.status(), file)
        os.rename(path + ".new", path)


def main():
    with open(sys.argv[1]) as file:  # An argument of 256 bytes ends this port.
        putter = Putter(json.load(file))
    if putter.task["mode"] == "drain":
        putter.drain()
    else:
        asyncio.run(putter.run())


main()
