"""What it takes to open a log that holds much: `micropython recovery_program.py OPTIONS`.

OPTIONS is JSON: `records`, and `folder` for files of this machine, else a flash in memory.  The
log has a node's sizes.  Prints milliseconds, bytes read, and the memory of the open log as JSON.
"""

import gc
import json
import sys
import time

import vfs
from device import Flash

from tidegate.delivery.chance import Chance
from tidegate.records.record import Record, fold_all
from tidegate.store.journal import Admitted
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes
from tidegate_micropython.journal import FileMedium
from tidegate_micropython.shell import BUFFER_BYTES, CHUNK_BYTES, FRAME_BYTES_MAX

SIZES = Sizes(16_384, BUFFER_BYTES, CHUNK_BYTES, FRAME_BYTES_MAX)
GROUP = 32


class CountingMedium(FileMedium):
    """Counts what is read of it."""

    read_bytes = 0

    def read(self, number, at, size):
        data = super().read(number, at, size)
        self.read_bytes += len(data)
        return data


def fill(folder, records):
    journal = open_log(FileMedium(folder), ["main"], Chance(1), SIZES)
    last_hash = at = 0
    while at < records:
        group = [
            Record(1, at + index, b"site/greenhouse/temp", b"%040d" % (at + index), 1, b"")
            for index in range(min(GROUP, records - at))
        ]
        hashes = fold_all(last_hash, group)
        journal.append([Admitted("main", at + 1, hashes, group)])
        journal.sync()
        at, last_hash = at + len(group), hashes[-1]
    journal.close()


def main(options):
    folder, flash = options.get("folder"), None
    if not folder:
        flash = Flash(4096, 512, records=False)
        vfs.VfsLfs2.mkfs(flash, progsize=256)
        vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/f")
        folder = "/f/log"
    fill(folder, options["records"])
    if flash is not None:
        vfs.umount("/f")
        vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/f")
        flash.read_bytes = 0
    gc.collect()
    before = gc.mem_alloc()
    medium = CountingMedium(folder)
    start_us = time.ticks_us()
    journal = open_log(medium, ["main"], Chance(2), SIZES, 0, 64)
    took_us = time.ticks_diff(time.ticks_us(), start_us)
    gc.collect()
    memory_bytes = gc.mem_alloc() - before
    lane = journal.recover().lanes[0]
    assert lane.held_records == options["records"] and not journal.damaged
    print(
        json.dumps(
            {
                "stored_bytes": sum([size for _, size in medium.segments()]),
                "segments": len(medium.segments()),
                "ms": took_us / 1000,
                "read_bytes": medium.read_bytes,
                "flash_read_bytes": 0 if flash is None else flash.read_bytes,
                "memory_bytes": memory_bytes,
            }
        )
    )
    journal.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
