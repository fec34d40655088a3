"""Steps that the journal's contract is written in."""

from fakes.journal_script import admitted, lane_of, make_records
from tidegate.records.clock import Boot
from tidegate.store.journal import Booted

ALL = 1 << 30
BOOT = Boot(1, "b007b007b007b007", 1_700_000_000_000, 2)


def fill(journal, count, lane="main", **more):
    """Admit `count` records behind what is there; return them with their hashes."""
    state = lane_of(journal.recover(), lane)
    records = make_records(count, **more)
    entry = admitted(state, records)
    journal.append([Booted(BOOT), entry])
    journal.sync()
    return records, entry.hashes


def main_of(journal):
    return lane_of(journal.recover(), "main")


def balance_holds(state):
    aside = state.quarantined + sum(state.dropped.values())
    return state.last == state.delivered + state.held_records + aside
