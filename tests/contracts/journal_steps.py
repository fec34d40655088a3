"""Steps that the journal's contract is written in."""

from fakes.journal_script import admitted, comparable_span, lane_of, make_records
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


def expect_the_same_lane(random, journal, model, lane):
    """Read a lane somewhere, and its hashes around there, as the model gives them."""
    last = lane_of(model.recover(), lane).last
    first = random.randint(1, last + 1)
    limits = random.choice(
        ((ALL, ALL), (random.randint(1, 9), ALL), (ALL, random.randint(1, 9999)))
    )
    mine = journal.read(lane, first, *limits)
    assert comparable_span(mine) == comparable_span(model.read(lane, first, *limits))
    for seq in {0, first - 1, first, mine.last, last}:
        assert journal.hash_at(lane, seq) == model.hash_at(lane, seq), (lane, seq)
