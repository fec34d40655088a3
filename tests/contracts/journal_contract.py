"""What every journal must do: the port of `tidegate.journal`, as functions that fail.

Each takes a *bench*: `bench.journal` is an open journal with the lanes "main" and "alarm", never
used before; `bench.reopen()` closes it and opens it again; `bench.crash()` opens what a power cut
at this moment leaves.  Both return the new journal.  `bench.recent_max` is what it was opened with.
"""

from fakes.journal_script import admitted, lane_of, make_records
from support import raises
from tidegate.clock import Boot, forgotten_boot
from tidegate.errors import StorageError
from tidegate.journal import (
    EXPIRED,
    OVERFLOW,
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Released,
    Renewed,
    Spent,
)
from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX, BOOT_MAX, TICKS_MS_MAX
from tidegate.record import Record, fold, fold_all, size_bytes
from tidegate.span import Gap
from tidegate.stream import is_identity

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


def new_journal_is_empty_and_named(bench):
    state = bench.journal.recover()
    assert is_identity(state.node)
    assert [lane.lane for lane in state.lanes] == ["main", "alarm"]
    for lane in state.lanes:
        assert is_identity(lane.epoch)
        assert lane[2:] == (0, 0, 0, 0, 0, 0, {}, [], 0, 0)
    assert state.boots == []
    assert state.recent == []
    assert state.spent == Spent(0, 0)


def names_outlive_the_journal(bench):
    before = bench.journal.recover()
    after = bench.reopen().recover()
    assert after.node == before.node
    assert [lane.epoch for lane in after.lanes] == [lane.epoch for lane in before.lanes]


def synced_records_survive_a_power_cut(bench):
    records, hashes = fill(bench.journal, 100)
    span = bench.crash().read("main", 1, ALL, ALL)
    assert (span.first, span.last, span.hash_before) == (1, 100, 0)
    assert span.records == records
    assert span.hashes == hashes
    assert (span.gaps, span.boots, span.damaged) == ([], [BOOT], 0)


def every_byte_of_a_record_comes_back(bench):
    pairs = b"\x03\x00\x01\x00abc\x00"
    records = [
        Record(BOOT_MAX, TICKS_MS_MAX, b"a", b"", 0, b""),
        Record(0, 0, b"t" * 65535, b"\x00\xff\x80", 7, pairs),
        Record(1, 1, b"\xff\xfe not text", bytes(range(256)), 1, b""),
        Record(1, 1, b"nul\x00inside", b"text", 2, b""),
        Record(1, 2, "d\u00e9j\u00e0/\U0001f30a".encode(), b"x" * 300_000, 5, pairs * 100),
        Record(1, 2, b"", b"\x00", 0, b""),
    ]
    bench.journal.append([admitted(main_of(bench.journal), records)])
    bench.journal.sync()
    span = bench.reopen().read("main", 1, ALL, ALL)
    assert span.records == records
    for got in span.records:
        assert all(type(field) is bytes for field in (got.topic, got.payload, got.properties))
    assert span.boots == [forgotten_boot(0), forgotten_boot(1), forgotten_boot(BOOT_MAX)]


def nothing_is_seen_before_it_is_synced(bench):
    journal = bench.journal
    fill(journal, 3)
    state = main_of(journal)
    more = make_records(5, at_ms=50)
    journal.append([admitted(state, more), Dropped("main", 1, 2, None, OVERFLOW, False)])
    journal.append([Released("main", 1, 1)])
    assert journal.read("main", 1, ALL, ALL).last == 3
    assert journal.hash_at("main", 4) is None
    assert journal.read("main", 1, ALL, ALL).gaps == []


def what_lies_between_two_syncs_stays_together(bench):
    fill(bench.journal, 3)
    state = main_of(bench.journal)
    first, second = make_records(2, at_ms=50), make_records(2, at_ms=60)
    entry = admitted(state, first)
    bench.journal.append([entry])
    hashes = fold_all(entry.hashes[-1], second)
    bench.journal.append([Admitted("main", 6, hashes, second), Released("main", 3, 3)])
    after = main_of(bench.crash())
    assert (after.last, after.through, after.delivered) in ((3, 0, 0), (7, 3, 3))
    assert balance_holds(after)


def appends_are_carried_out_in_order(bench):
    journal = bench.journal
    records = make_records(4)
    hashes = fold_all(0, records)
    journal.append([Admitted("main", 1, hashes[:2], records[:2])])
    journal.append([Admitted("main", 3, hashes[2:], records[2:]), Released("main", 3, 3)])
    journal.append([Forgotten("main", 2)])
    journal.sync()
    state = main_of(bench.crash())
    assert (state.last, state.through, state.forgotten) == (4, 3, 2)
    assert (state.held_records, state.held_bytes) == (1, size_bytes(records[3]))


def sync_without_entries_is_allowed(bench):
    bench.journal.sync()
    fill(bench.journal, 1)
    bench.journal.append([])
    bench.journal.sync()
    assert main_of(bench.crash()).last == 1


def read_keeps_to_its_limits_but_gives_one_record(bench):
    records, _ = fill(bench.journal, 50)
    journal = bench.journal
    assert journal.read("main", 1, 7, ALL).last == 7
    assert journal.read("main", 44, 7, ALL).last == 50
    size = size_bytes(records[0])
    assert journal.read("main", 1, ALL, 3 * size).last in (2, 3, 4)
    assert journal.read("main", 9, ALL, 1).last == 9
    assert journal.read("main", 1, 7, ALL).damaged == 0


def read_goes_on_where_the_last_one_ended(bench):
    records, hashes = fill(bench.journal, 50)
    got = []
    at = 1
    while at <= 50:
        span = bench.journal.read("main", at, 8, ALL)
        assert span.hash_before == (hashes[at - 2] if at > 1 else 0)
        got.extend(span.records)
        at = span.last + 1
    assert got == records


def read_behind_the_last_is_empty(bench):
    _, hashes = fill(bench.journal, 5)
    span = bench.journal.read("main", 6, ALL, ALL)
    assert (span.first, span.last, span.records, span.gaps) == (6, 5, [], [])
    assert (span.hash_before, span.damaged) == (hashes[-1], 0)
    assert bench.journal.read("alarm", 1, ALL, ALL).last == 0


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


def lanes_are_apart(bench):
    fill(bench.journal, 5)
    records, _ = fill(bench.journal, 3, lane="alarm", at_ms=30)
    bench.journal.append([Released("alarm", 2, 2), Renewed("main", "e" * 16)])
    bench.journal.sync()
    journal = bench.crash()
    assert journal.read("alarm", 1, ALL, ALL).records == records
    assert main_of(journal).last == 5
    assert lane_of(journal.recover(), "alarm").held_records == 1


def boots_and_spending_are_replaced(bench):
    journal = bench.journal
    journal.append([Booted(Boot(1, "1" * 16, 0, 0)), Booted(Boot(2, "2" * 16, -5, 1))])
    journal.append(
        [Spent(20_000, 1 << 40), Booted(Boot(1, "1" * 16, 1 << 41, 2)), Spent(20_001, 3)]
    )
    journal.sync()
    state = bench.crash().recover()
    assert state.boots == [Boot(1, "1" * 16, 1 << 41, 2), Boot(2, "2" * 16, -5, 1)]
    assert state.spent == Spent(20_001, 3)


def span_names_the_boots_of_its_records(bench):
    journal = bench.journal
    boots = [Boot(number, f"{number:016x}", number, 1) for number in (1, 2, 3)]
    records = make_records(2, boot=3) + make_records(2, boot=1)
    journal.append([Booted(boot) for boot in boots])
    journal.append([admitted(main_of(journal), records)])
    journal.sync()
    assert journal.read("main", 1, ALL, ALL).boots == [boots[0], boots[2]]
    assert journal.read("main", 3, ALL, ALL).boots == [boots[0]]


def spans_hold_no_more_boots_and_gaps_than_a_batch(bench):
    journal = bench.journal
    records = [make_records(1, boot=number)[0] for number in range(1, BATCH_BOOTS_MAX + 30)]
    journal.append([admitted(main_of(journal), records)])
    count = 2 * (BATCH_GAPS_MAX + 20)
    state = lane_of(journal.recover(), "alarm")
    journal.append([admitted(state, make_records(count))])
    drops = [Dropped("alarm", seq, seq, None, OVERFLOW, False) for seq in range(1, count, 2)]
    journal.append(drops)
    journal.sync()
    assert journal.read("main", 1, ALL, ALL).last == BATCH_BOOTS_MAX
    for lane in ("main", "alarm"):
        last = lane_of(journal.recover(), lane).last
        at = 1
        while at <= last:
            span = journal.read(lane, at, ALL, ALL)
            assert span.damaged == 0 and span.last >= at
            assert len(span.boots) <= BATCH_BOOTS_MAX and len(span.gaps) <= BATCH_GAPS_MAX
            at = span.last + 1


def recent_properties_are_found_again(bench):
    records = [Record(1, i, b"t", b"", 0, b"\x00\x00\x02\x00%02d" % i) for i in range(40)]
    bench.journal.append([admitted(main_of(bench.journal), records[:20])])
    bench.journal.sync()
    bench.journal.append([admitted(main_of(bench.journal), records[20:])])
    bench.journal.sync()
    state = bench.crash().recover()
    assert state.recent == [record.properties for record in records][-bench.recent_max :]


def entries_that_contradict_are_our_own_bug(bench):
    fill(bench.journal, 10)
    bench.journal.append([Dropped("main", 4, 5, None, OVERFLOW, False), Released("main", 2, 2)])
    bench.journal.sync()
    records = make_records(2)
    hashes = fold_all(0, records)
    for entry in (
        Admitted("main", 10, hashes, records),
        Admitted("main", 12, hashes, records),
        Admitted("main", 11, hashes[:1], records),
        Released("main", 11, 1),
        Released("main", 1, 0),
        Forgotten("main", 3),
        Dropped("main", 5, 6, None, OVERFLOW, False),
        Dropped("main", 3, 7, None, OVERFLOW, False),
        Dropped("main", 10, 11, 1, OVERFLOW, False),
        Dropped("main", 11, 12, None, OVERFLOW, False),
        Dropped("main", 13, 14, 1, OVERFLOW, False),
        Dropped("main", 7, 6, None, OVERFLOW, False),
    ):
        journal = bench.reopen()
        with raises(ValueError):
            journal.append([entry])
            journal.sync()
        assert main_of(bench.reopen()).last == 10
    with raises(ValueError):
        bench.reopen().read("main", 12, 1, 1)
    with raises(ValueError):
        bench.reopen().read("main", 0, 1, 1)


def a_closed_journal_refuses_everything(bench):
    journal = bench.journal
    fill(journal, 3)
    journal.close()
    journal.close()
    for call in (
        lambda: journal.append([Spent(1, 1)]),
        journal.sync,
        lambda: journal.read("main", 1, 1, 1),
        lambda: journal.hash_at("main", 1),
        journal.usage,
    ):
        with raises(StorageError):
            call()
    assert main_of(bench.reopen()).last == 3


def closing_forgets_what_was_not_synced(bench):
    fill(bench.journal, 3)
    bench.journal.append([admitted(main_of(bench.journal), make_records(2))])
    assert main_of(bench.reopen()).last == 3


def usage_follows_what_is_stored(bench):
    before = bench.journal.usage()
    fill(bench.journal, 500, size=1000)
    full = bench.journal.usage()
    assert full.stored_bytes >= before.stored_bytes + 500 * 1000
    assert full.free_bytes > 0
    bench.journal.append([Released("main", 500, 500), Forgotten("main", 500)])
    bench.journal.sync()
    assert bench.journal.usage().stored_bytes < before.stored_bytes + 100 * 1000


CONTRACT = [
    new_journal_is_empty_and_named,
    names_outlive_the_journal,
    synced_records_survive_a_power_cut,
    every_byte_of_a_record_comes_back,
    nothing_is_seen_before_it_is_synced,
    what_lies_between_two_syncs_stays_together,
    appends_are_carried_out_in_order,
    sync_without_entries_is_allowed,
    read_keeps_to_its_limits_but_gives_one_record,
    read_goes_on_where_the_last_one_ended,
    read_behind_the_last_is_empty,
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
    lanes_are_apart,
    boots_and_spending_are_replaced,
    span_names_the_boots_of_its_records,
    spans_hold_no_more_boots_and_gaps_than_a_batch,
    recent_properties_are_found_again,
    entries_that_contradict_are_our_own_bug,
    a_closed_journal_refuses_everything,
    closing_forgets_what_was_not_synced,
    usage_follows_what_is_stored,
]
