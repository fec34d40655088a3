"""A record leaves the quarantine once, and the balance holds wherever a command is killed (P4)."""

import pytest

from fixtures.quarantined import POISON, Site, balance_holds, left
from fixtures.sql_kills import ends_though_killed_at
from tidegate.records.span import Gap
from tidegate.store.journal import DAMAGED, Dropped, Released, Renewed
from tidegate.store.lane import QUARANTINED
from tidegate_linux.journal.quarantine_rows import DISCARDED, RETRIED, Settling
from tidegate_linux.quarantine.access import EVERYTHING, open_to_look
from tidegate_linux.quarantine.settling import COMMIT_RECORDS_MAX


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def reasons(site):
    return {(gap.first, gap.last): gap.reason for gap in site.main().gaps}


def test_retried_records_are_sent_again_under_new_numbers_with_their_own_times(site):
    records = site.poisoned(10, [3, 7])
    assert "admitted 2 records again" in site.run("retry", "--all")
    state = site.main()
    assert (state.last, state.quarantined, state.dropped) == (12, 0, {RETRIED: 2})
    assert balance_holds(state)
    span = site.read(11)
    assert span.damaged == 0
    assert span.records == [records[3], records[7]]
    assert left(site) == []


def test_one_record_is_retried_and_the_others_stay(site):
    records = site.poisoned(10, [3, 7])
    site.run("retry", site.stream(), 7)
    assert left(site) == [3]
    assert site.read(11).records == [records[7]]
    assert site.main().quarantined == 1


def test_what_is_retried_goes_on_behind_what_came_meanwhile(site):
    records = site.poisoned(4, [1])
    site.run("retry", "--all")
    site.admit(list(records.values())[1:])
    assert site.read(5).records == [records[1], *list(records.values())[1:]]


def test_more_than_one_commit_holds_is_retried_as_well(site):
    count = 2 * COMMIT_RECORDS_MAX + 3
    records = site.poisoned(count, range(1, count + 1))
    site.run("retry", "--all")
    state = site.main()
    assert (state.held_records, state.quarantined, state.last) == (count, 0, 2 * count)
    assert balance_holds(state)
    journal = site.open()
    first = journal.read("main", count + 1, count, 1 << 30)
    assert first.records == list(records.values())
    journal.close()


def counted_rows(site):
    """Return held records and bytes, and how many are missing, counted row by row."""
    journal = site.open()
    try:
        return tuple(journal.audit()[0][1:])
    finally:
        journal.close()


def kill_at(site, statement, reason):
    """Settle everything in a process that is killed before its `statement`th statement of SQL.

    Return whether it came to an end before that.
    """
    stored = open_to_look(site.home)
    ids = [head.id for head in stored.heads(EVERYTHING)]
    stored.close()

    def settle(trace):
        def work(connection, lanes):
            connection.exec_trace = trace
            return Settling(reason).settle(connection, lanes, ids)

        site.open().transact(work)

    return ends_though_killed_at(statement, settle)


@pytest.mark.parametrize("reason", [RETRIED, DISCARDED])
def test_a_kill_anywhere_leaves_each_record_exactly_once(tmp_path, reason):
    killed = 0
    for statement in range(1, 100):
        folder = tmp_path / str(statement)
        folder.mkdir()
        site = Site(folder)
        records = site.poisoned(6, [2, 3, 5])
        ended = kill_at(site, statement, reason)
        state = site.main()
        assert balance_holds(state)
        assert counted_rows(site) == (state.held_records, state.held_bytes, 0)
        again = site.read(7).records if state.last > 6 else []
        if ended:
            assert again == ([records[2], records[3], records[5]] if reason == RETRIED else [])
            assert left(site) == []
            break
        killed += 1
        assert again == []
        assert left(site) == [2, 3, 5]
        assert (state.last, state.quarantined, state.dropped) == (6, 3, {})
    assert ended
    assert killed > 8


def test_discarded_records_are_dropped_with_that_reason(site):
    site.poisoned(10, [3, 7])
    assert site.run("discard", site.stream(), 3, "--yes") == "discarded 1 records\n"
    state = site.main()
    assert (state.quarantined, state.dropped, state.last) == (1, {DISCARDED: 1}, 10)
    assert balance_holds(state)
    assert left(site) == [7]


def test_discard_asks_first(site):
    site.poisoned(3, [3])
    assert "Discard 1 records of 20 bytes" in site.run("discard", "--all", answer="n\n")
    assert left(site) == [3]
    site.run("discard", "--all", answer="y\n")
    assert left(site) == []


def test_a_gap_that_the_hub_has_not_confirmed_tells_it_what_became_of_the_record(site):
    site.poisoned(10, [3, 7])
    site.store([Released("main", 5, 4)])
    site.run("discard", "--all", "--yes")
    gaps = site.read(1).gaps
    assert [(gap.first, gap.reason) for gap in gaps] == [(3, POISON), (7, DISCARDED)]


def test_a_gap_of_many_keeps_its_reason_until_none_of_them_is_left(site):
    site.poisoned(10, [])
    journal = site.open()
    journal.read("main", 1, 3, 1 << 30)
    journal.close()
    site.store([Dropped("main", 4, 6, None, POISON, True)])
    site.run("discard", site.stream(), 5, "--yes")
    assert reasons(site) == {(4, 6): POISON}
    site.run("retry", "--all")
    assert reasons(site) == {(4, 6): RETRIED}
    assert site.main().dropped == {DISCARDED: 1, RETRIED: 2}


@pytest.mark.parametrize("command", [("discard", "--yes"), ("retry",)])
def test_a_lane_that_is_renewed_afterwards_counts_none_in_quarantine(site, command):
    site.poisoned(10, [3, 7])
    site.run(*command, "--all")
    site.store([Renewed("main", "e" * 16)])
    state = site.main()
    assert state.quarantined == 0
    assert balance_holds(state)


def test_a_lane_that_was_renewed_before_counts_what_it_had_not_told(site):
    site.poisoned(10, [3, 7])
    old = site.stream()
    site.store([Released("main", 5, 4), Renewed("main", "e" * 16)])
    assert site.main().quarantined == 1
    site.run("discard", old, 3, "--yes")
    assert site.main().quarantined == 1
    site.run("discard", old, 7, "--yes")
    state = site.main()
    assert (state.quarantined, state.dropped) == (0, {DISCARDED: 1})
    assert balance_holds(state)


def test_a_record_that_counts_as_delivered_stays_counted_so(site):
    site.poisoned(10, [])
    site.store([Released("main", 10, 10), Dropped("main", 4, 4, None, POISON, True)])
    before = site.main()
    site.run("retry", "--all")
    state = site.main()
    assert (state.delivered, state.quarantined, state.dropped) == (10, 0, before.dropped)
    assert balance_holds(state)


def test_what_was_found_damaged_stays_unless_it_is_forced(site):
    site.poisoned(5, [2], reason=QUARANTINED + DAMAGED)
    assert "found damaged" in site.run("retry", "--all")
    assert left(site) == [2]
    site.store([Dropped("main", 4, 4, None, POISON, True)])
    said = site.run("retry", "--all")
    assert "admitted 1 records" in said
    assert "1 stay that were found damaged" in said
    assert "admitted 1 records" in site.run("retry", "--all", "--force")
    assert left(site) == []


def test_what_is_no_record_any_more_is_never_sent(site):
    site.poisoned(5, [2, 4])
    journal = site.open()

    def rot(connection, _lanes):
        connection.execute("UPDATE quarantine SET topic = NULL WHERE seq = 2")
        connection.execute("UPDATE quarantine SET ticks_ms = 'x', flags = 99 WHERE seq = 4")
        return []

    journal.transact(rot)
    journal.close()
    assert "none can be made of them" in site.run("retry", "--all", "--force")
    assert left(site) == [2, 4]
    assert "discarded 2 records" in site.run("discard", "--all", "--yes")


def test_gaps_keep_their_hash_so_that_what_follows_is_verified(site):
    site.poisoned(10, [3, 4, 7])
    before = [Gap(*gap) for gap in site.read(1).gaps]
    site.run("discard", "--all", "--yes")
    after = site.read(1)
    assert [gap.hash_at for gap in after.gaps] == [gap.hash_at for gap in before]
    assert after.damaged == 0
    assert len(after.records) == 7
