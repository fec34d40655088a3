"""A log on the files of this machine: `micropython storing_program.py OPTIONS`.

OPTIONS is JSON: `folder`, `plant` (see `plants`), `check`.  Stores records for ever and prints
`acknowledged <last>` after each sync that has returned; or, with `check`, prints as JSON what a log
holds after it has verified all of it and has gone on with it.
"""

import json
import sys

from plants import plant

from tidegate.delivery.chance import Chance
from tidegate.records.record import Record, fold_all
from tidegate.store.journal import Admitted, Forgotten, Released
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes

SIZES = Sizes(4096, 512, 1024, 8192)
LANES = ["main"]


def records_from(first):
    """Return a group of records that follow from their numbers."""
    return [
        Record(1, seq, b"site/%d" % (seq % 7), b"%0100d" % seq, 1, b"")
        for seq in range(first, first + 3)
    ]


def admit(journal, lane):
    records = records_from(lane.last + 1)
    hashes = fold_all(lane.last_hash, records)
    journal.append([Admitted("main", lane.last + 1, hashes, records)])


def store(journal):
    number = 0
    while True:
        lane = journal.recover().lanes[0]
        admit(journal, lane)
        if number % 5 == 4 and lane.last:
            journal.append([Released("main", lane.last, lane.last - lane.through)])
            journal.append([Forgotten("main", lane.last)])
        journal.sync()
        print("acknowledged", journal.recover().lanes[0].last)
        number += 1


def check(journal):
    lane = journal.recover().lanes[0]
    span = journal.read("main", lane.forgotten + 1, 100_000, 1 << 30)
    wrong = (span.last, span.damaged) != (lane.last, 0)
    wrong = wrong or lane.last != lane.delivered + lane.held_records
    for record in span.records:
        wrong = wrong or record.payload != b"%0100d" % record.ticks_ms
    seqs = [record.ticks_ms for record in span.records]
    wrong = wrong or seqs != list(range(lane.forgotten + 1, lane.last + 1))
    admit(journal, lane)
    journal.sync()
    again = journal.recover().lanes[0]
    read = journal.read("main", lane.last + 1, 10, 10_000)
    wrong = wrong or (again.last, len(read.records)) != (lane.last + 3, 3)
    print(json.dumps({"last": lane.last, "wrong": wrong, "set_aside": len(journal.set_aside)}))


def main(options):
    medium = plant(options["plant"])(options["folder"])
    seed = options.get("seed", 1)
    journal = open_log(medium, LANES, Chance(seed), SIZES)
    if options["check"]:
        check(journal)
        journal.close()
    else:
        store(journal)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
