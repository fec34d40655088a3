"""What every journal must do with a lane: release, forget, drop, quarantine, renew.

The other half of `journal_contract`, whose text says what a bench is.
"""

from contracts.journal_steps import ALL, balance_holds, fill, main_of
from tidegate.records.record import fold, size_bytes
from tidegate.records.span import Gap
from tidegate.store.journal import EXPIRED, OVERFLOW, Dropped, Forgotten, Released, Renewed


def released_records_stay_readable(bench):
    records, _ = fill(bench.journal, 10)
    bench.journal.append([Released("main", 6, 6)])
    bench.journal.sync()
    journal = bench.crash()
    state = main_of(journal)
    assert (state.through, state.delivered, state.held_records) == (6, 6, 4)
    assert state.held_bytes == sum(size_bytes(record) for record in records[6:])
    assert journal.read("main", 1, ALL, ALL).records == records


def forgotten_records_become_an_expired_gap(bench):
    records, hashes = fill(bench.journal, 10)
    bench.journal.append([Released("main", 6, 6), Forgotten("main", 4)])
    bench.journal.sync()
    journal = bench.crash()
    assert main_of(journal).forgotten == 4
    span = journal.read("main", 2, ALL, ALL)
    assert span.gaps == [Gap(2, 4, hashes[3], EXPIRED)]
    assert (span.first, span.last, span.records) == (2, 10, records[4:])
    assert journal.read("main", 5, ALL, ALL).hash_before == hashes[3]
    assert [journal.hash_at("main", seq) for seq in (3, 4, 5)] == [None, hashes[3], hashes[4]]


def everything_can_be_forgotten(bench):
    _, hashes = fill(bench.journal, 10)
    bench.journal.append([Released("main", 10, 10), Forgotten("main", 10)])
    bench.journal.sync()
    journal = bench.crash()
    state = main_of(journal)
    assert (state.last, state.last_hash, state.held_records) == (10, hashes[-1], 0)
    assert journal.read("main", 1, ALL, ALL).gaps == [Gap(1, 10, hashes[-1], EXPIRED)]
    records, more = fill(journal, 1, at_ms=99)
    span = journal.read("main", 11, ALL, ALL)
    assert (span.hash_before, span.records, span.hashes) == (hashes[-1], records, more)


def numbers_are_never_given_twice(bench):
    fill(bench.journal, 10)
    bench.journal.append([Released("main", 10, 10), Forgotten("main", 10)])
    bench.journal.sync()
    assert main_of(bench.reopen()).last == 10
    assert main_of(bench.crash()).last == 10


def dropped_records_become_a_gap(bench):
    records, hashes = fill(bench.journal, 10)
    bench.journal.append([Dropped("main", 3, 5, None, OVERFLOW, False)])
    bench.journal.sync()
    journal = bench.crash()
    state = main_of(journal)
    assert state.gaps == [Gap(3, 5, hashes[4], OVERFLOW)]
    assert (state.dropped, state.quarantined, state.held_records) == ({OVERFLOW: 3}, 0, 7)
    assert state.held_bytes == sum(size_bytes(record) for record in records[:2] + records[5:])
    span = journal.read("main", 1, ALL, ALL)
    assert (span.last, span.gaps) == (10, state.gaps)
    assert span.records == records[:2] + records[5:]
    assert [journal.hash_at("main", seq) for seq in (3, 4, 5)] == [None, None, hashes[4]]
    assert journal.read("main", 4, ALL, ALL).gaps == [Gap(4, 5, hashes[4], OVERFLOW)]
    assert journal.read("main", 6, ALL, ALL).hash_before == hashes[4]
    assert balance_holds(state)


def refused_records_become_a_gap_behind_the_last(bench):
    fill(bench.journal, 2)
    bench.journal.append([Dropped("main", 3, 9, 77, OVERFLOW, False)])
    bench.journal.sync()
    journal = bench.crash()
    state = main_of(journal)
    assert (state.last, state.last_hash, state.held_records) == (9, 77, 2)
    assert state.dropped == {OVERFLOW: 7}
    assert balance_holds(state)
    records, hashes = fill(journal, 1, at_ms=50)
    assert hashes == [fold(77, records[0])]
    span = journal.read("main", 2, ALL, ALL)
    assert (span.last, span.gaps) == (10, [Gap(3, 9, 77, OVERFLOW)])


def a_lane_can_begin_and_end_with_a_gap(bench):
    journal = bench.journal
    journal.append([Dropped("main", 1, 4, 5, OVERFLOW, False)])
    journal.sync()
    span = journal.read("main", 1, ALL, ALL)
    assert (span.last, span.hash_before, span.hash_after, span.records) == (4, 0, 5, [])
    fill(journal, 2)
    journal.append([Dropped("main", 5, 6, None, "other", False)])
    journal.sync()
    span = bench.crash().read("main", 1, ALL, ALL)
    assert [gap[:2] for gap in span.gaps] == [(1, 4), (5, 6)]
    assert span.last == 6


def quarantined_records_are_counted_apart(bench):
    fill(bench.journal, 5)
    bench.journal.append([Dropped("main", 2, 2, None, "quarantined: too hot", True)])
    bench.journal.sync()
    state = main_of(bench.crash())
    assert (state.quarantined, state.dropped, state.held_records) == (1, {}, 4)
    assert [gap[:2] for gap in state.gaps] == [(2, 2)]
    assert balance_holds(state)


def delivered_gaps_are_not_reported_again(bench):
    fill(bench.journal, 10)
    journal = bench.journal
    journal.append([Dropped("main", 3, 5, None, OVERFLOW, False), Released("main", 4, 2)])
    journal.sync()
    assert [gap[:2] for gap in main_of(journal).gaps] == [(5, 5)]
    journal.append([Released("main", 5, 0)])
    journal.sync()
    assert main_of(journal).gaps == []
    assert main_of(journal).dropped == {OVERFLOW: 3}
    assert [gap[:2] for gap in journal.read("main", 1, ALL, ALL).gaps] == [(3, 5)]


def forgetting_may_end_inside_a_gap(bench):
    records, hashes = fill(bench.journal, 10)
    bench.journal.append([Dropped("main", 3, 6, None, OVERFLOW, False), Released("main", 4, 2)])
    bench.journal.append([Forgotten("main", 4)])
    bench.journal.sync()
    journal = bench.crash()
    span = journal.read("main", 2, ALL, ALL)
    assert span.gaps == [Gap(2, 6, hashes[5], EXPIRED)]
    assert span.records == records[6:]
    assert journal.hash_at("main", 4) is None


def the_hash_stays_known_where_a_receiver_may_stand(bench):
    journal = bench.journal
    journal.append([Dropped("main", 1, 4, 5, OVERFLOW, False)])
    journal.sync()
    assert journal.read("main", 1, ALL, ALL).last == 4
    journal.append([Dropped("main", 5, 9, 6, OVERFLOW, False)])
    journal.sync()
    assert journal.hash_at("main", 4) == 5


def renewed_lane_numbers_what_is_held_from_one(bench):
    records, hashes = fill(bench.journal, 10)
    bench.journal.append([Dropped("main", 8, 8, None, OVERFLOW, False), Released("main", 6, 6)])
    bench.journal.append([Renewed("main", "e" * 16)])
    bench.journal.sync()
    journal = bench.crash()
    state = main_of(journal)
    assert (state.epoch, state.last, state.last_hash) == ("e" * 16, 4, hashes[-1])
    assert (state.through, state.forgotten, state.delivered) == (0, 0, 0)
    assert (state.dropped, state.gaps) == ({OVERFLOW: 1}, [Gap(2, 2, hashes[7], OVERFLOW)])
    assert balance_holds(state)
    span = journal.read("main", 1, ALL, ALL)
    assert (span.first, span.last, span.hash_before) == (1, 4, hashes[5])
    assert span.records == [records[6], *records[8:]]
    assert journal.hash_at("main", 0) == hashes[5]
    fill(journal, 2, at_ms=70)
    assert main_of(bench.reopen()).last == 6


def renewed_lane_keeps_the_rest_of_a_gap_it_stands_in(bench):
    fill(bench.journal, 10)
    bench.journal.append([Dropped("main", 3, 6, None, "poison", True), Released("main", 4, 2)])
    bench.journal.append([Renewed("main", "e" * 16)])
    bench.journal.sync()
    state = main_of(bench.crash())
    assert (state.last, state.held_records, state.quarantined) == (6, 4, 2)
    assert [gap[:2] for gap in state.gaps] == [(1, 2)]
    assert balance_holds(state)


LANE_CONTRACT = [
    released_records_stay_readable,
    forgotten_records_become_an_expired_gap,
    everything_can_be_forgotten,
    numbers_are_never_given_twice,
    dropped_records_become_a_gap,
    refused_records_become_a_gap_behind_the_last,
    a_lane_can_begin_and_end_with_a_gap,
    quarantined_records_are_counted_apart,
    delivered_gaps_are_not_reported_again,
    forgetting_may_end_inside_a_gap,
    the_hash_stays_known_where_a_receiver_may_stand,
    renewed_lane_numbers_what_is_held_from_one,
    renewed_lane_keeps_the_rest_of_a_gap_it_stands_in,
]
