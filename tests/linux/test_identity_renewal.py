"""A renewed node sends nothing twice under its own name, whatever kills the renewal (P1 to P4)."""

import functools
import shutil

import pytest

from fakes.journal_script import admitted, lane_of, make_records
from fixtures.quarantined import BOOT, POISON, Site, balance_holds
from fixtures.sql_kills import ends_though_killed_at
from tidegate.store.journal import Booted, Dropped, Forgotten, Noted, Released, Renewed, Spent
from tidegate_linux.identity import renew_journal
from tidegate_linux.journal.identity_rows import LEFT_TO_ORIGINAL, read_identity
from tidegate_linux.journal.sqlite import open_journal, read_state

LANES = ["main", "alarm"]


class Card(Site):
    """A node with two lanes: of "main" 4 are delivered, 2 in quarantine, 4 held; "alarm" holds 3.

    Delivered records 3 and 4 are still kept.
    """

    def __init__(self, folder):
        super().__init__(folder)
        self.records = make_records(10)
        self.alarms = make_records(3, at_ms=500)
        journal = self.open()
        state = journal.recover()
        journal.append(
            [
                Booted(BOOT),
                admitted(lane_of(state, "main"), self.records),
                admitted(lane_of(state, "alarm"), self.alarms),
                Noted("nodes", [(b"k", b"v")]),
                Spent(20_000, 123),
            ]
        )
        journal.sync()
        for number in (2, 7):
            journal.append([Dropped("main", number, number, None, POISON, True)])
        journal.append([Released("main", 5, 4), Forgotten("main", 2)])
        journal.sync()
        journal.close()
        self.held = [self.records[at - 1] for at in (6, 8, 9, 10)]

    def open(self):
        return open_journal(self.home, LANES, limit_bytes=100_000_000)

    def renew(self, is_held_discarded=False, trace=None):
        def work(connection, _lanes):
            connection.exec_trace = trace
            return []

        journal = self.open()
        journal.transact(work)
        renew_journal(journal, is_held_discarded)
        journal.close()

    def seen(self):
        """Return all that a gateway and a person would find, records included."""
        journal = self.open()
        try:
            state = journal.recover()
            spans = [journal.read(name, 1, 1000, 1 << 30) for name in LANES]
            return state, spans, journal.audit(), journal.notes("nodes", b"", b"z", 9)
        finally:
            journal.close()


@pytest.fixture
def card(tmp_path):
    return Card(tmp_path)


def test_only_what_is_held_is_left_to_send_and_it_is_numbered_from_1(card):
    card.renew()
    state, (main, alarm), audits, _ = card.seen()
    assert main.records == card.held
    assert [(gap.first, gap.last, gap.reason) for gap in main.gaps] == [(2, 2, POISON)]
    assert alarm.records == card.alarms
    assert (main.damaged, alarm.damaged) == (0, 0)
    for lane, audit in zip(state.lanes, audits, strict=True):
        assert (lane.through, lane.forgotten, lane.delivered) == (0, 0, 0)
        assert balance_holds(lane)
        assert tuple(audit[1:]) == (lane.held_records, lane.held_bytes, 0)


def test_node_and_all_epochs_are_new(card):
    before = read_identity(card.home)
    card.renew()
    after = read_identity(card.home)
    names = {before.node, *[stream.stream.epoch for stream in before.streams]}
    assert not names & {after.node, *[stream.stream.epoch for stream in after.streams]}
    assert len({after.node, *[stream.stream.epoch for stream in after.streams]}) == 3
    assert (after.former_node, after.renewals) == (before.node, 1)
    assert [stream.stream.node for stream in after.streams] == [after.node] * 2


def test_what_is_left_to_the_original_is_a_gap_and_nothing_is_sent(card):
    card.renew(is_held_discarded=True)
    state, (main, alarm), audits, _ = card.seen()
    assert (main.records, alarm.records) == ([], [])
    assert [(gap.first, gap.last, gap.reason) for gap in main.gaps] == [
        (1, 1, LEFT_TO_ORIGINAL), (2, 2, POISON), (3, 5, LEFT_TO_ORIGINAL),
    ]  # fmt: skip
    assert [(gap.first, gap.last) for gap in alarm.gaps] == [(1, 3)]
    assert [lane.dropped for lane in state.lanes] == [{LEFT_TO_ORIGINAL: 4}, {LEFT_TO_ORIGINAL: 3}]
    assert all(balance_holds(lane) for lane in state.lanes)
    assert [tuple(audit[1:]) for audit in audits] == [(0, 0, 0)] * 2
    card.store([admitted(lane_of(read_state(card.home), "main"), card.records[:1])])
    assert card.read(6).records == card.records[:1]


def test_what_was_kept_first_can_be_left_to_the_original_afterwards(card):
    card.renew()
    former = read_identity(card.home)
    card.renew(is_held_discarded=True)
    assert [lane.held_records for lane in card.seen()[0].lanes] == [0, 0]
    assert read_identity(card.home)[1:3] == (former.node, 2)


def test_boots_notes_the_days_budget_and_the_quarantine_stay(card):
    before = card.seen()
    card.renew()
    after = card.seen()
    assert (after[0].boots, after[0].spent, after[3]) == (
        before[0].boots,
        before[0].spent,
        before[3],
    )
    assert "2 records of 40 bytes" in card.run("list")


def test_a_renewed_node_has_no_copies_that_were_found_out(card):
    card.store([Renewed("main", "e" * 16)])
    assert [stream.forks for stream in read_identity(card.home).streams] == [1, 0]
    card.renew()
    assert [stream.forks for stream in read_identity(card.home).streams] == [0, 0]


@pytest.mark.parametrize("is_held_discarded", [False, True])
def test_a_kill_anywhere_leaves_the_old_node_or_the_new_one(tmp_path, is_held_discarded):
    card = Card(tmp_path)
    before, was, held_before = card.seen(), read_identity(card.home), card.read(6)
    image = card.home
    killed = without_kept = 0
    for statement in range(1, 200):
        card.home = tmp_path / str(statement)
        shutil.copytree(image, card.home)
        renew = functools.partial(card.renew, is_held_discarded)
        ended = ends_though_killed_at(statement, renew)
        after = card.seen()
        if ended:
            assert after[0].node != was.node
            assert after[1][0].records == ([] if is_held_discarded else card.held)
            break
        killed += 1
        assert read_identity(card.home) == was
        without_kept += after[0] != before[0]
        assert [lane[:5] for lane in after[0].lanes] == [lane[:5] for lane in before[0].lanes]
        assert after[2:] == before[2:]
        assert card.read(6) == held_before
    assert ended
    assert killed > 15
    assert without_kept > 5  # Killed in the renewal itself, and not before it only.
