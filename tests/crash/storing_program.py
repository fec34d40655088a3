"""A program that stores records in the journal and says what it would have acknowledged.

    storing_program.py FOLDER COUNT [PLANT]

For each commit it prints `acknowledged <last sequence number>` after `sync` has returned.  At the
first refusal it prints `refused <kind>`, opens the journal again as the engine does, prints
`recovered <last>` or `still refused <kind>`, and ends.  It is run under strace, on full disks and
over power cuts.
"""

import sys
from pathlib import Path

from fakes.journal_script import admitted, lane_of, make_records
from tidegate.errors import StorageError
from tidegate.store.journal import Forgotten, Released
from tidegate_linux.journal.sqlite import open_journal

LANES = ["main"]
LIMIT_BYTES = 50_000_000


def open_here(folder):
    return open_journal(Path(folder), LANES, limit_bytes=LIMIT_BYTES)


def say(*words):
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def store(journal, count, size=100):
    """Commit `count` times; release and forget now and then, and checkpoint."""
    for number in range(count):
        state = lane_of(journal.recover(), "main")
        journal.append([admitted(state, make_records(3, size=size, at_ms=state.last))])
        if number % 5 == 4:
            journal.append([Released("main", state.last, state.last - state.through)])
            journal.append([Forgotten("main", state.through)])
        journal.sync()
        say("acknowledged", lane_of(journal.recover(), "main").last)
        if number % 4 == 3:
            journal.checkpoint()


def main(folder, count, plant=""):
    journal = None
    try:
        journal = open_here(folder)
        if plant == "synchronous-normal":
            journal._connection.pragma("synchronous", "NORMAL")
        store(journal, int(count))
    except StorageError as error:
        say("refused", error.kind)
        if journal is not None:
            journal.close()
        try:
            journal = open_here(folder)
        except StorageError as again:
            say("still refused", again.kind)
            return
        say("recovered", lane_of(journal.recover(), "main").last)
    journal.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
