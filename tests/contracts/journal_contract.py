"""What every journal must do: the port of `tidegate.store.journal`, as functions that fail.

Each takes a *bench*: `bench.journal` is an open journal with the lanes "main" and "alarm", never
used before; `bench.reopen()` closes it and opens it again; `bench.crash()` opens what a power cut
at this moment leaves.  Both return the new journal.  `bench.recent_max` is what it was opened with.
"""

from contracts.journal_contract_lanes import LANE_CONTRACT
from contracts.journal_contract_notes import NOTE_CONTRACT
from contracts.journal_steps import ALL, BOOT, balance_holds, fill, main_of
from fakes.journal_script import admitted, lane_of, make_records
from support import raises
from tidegate.errors import StorageError
from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX, BOOT_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot, forgotten_boot
from tidegate.records.record import Record, fold_all, size_bytes
from tidegate.records.stream import is_identity
from tidegate.store.journal import (
    OVERFLOW,
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Released,
    Renewed,
    Spent,
)


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
        Record(0, 0, b"t" * 65535, b"\x00\xff\x80", 6, pairs),
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
    expected = [(record.topic, record.properties) for record in records]
    assert state.recent == expected[-bench.recent_max :]


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
    *LANE_CONTRACT,
    *NOTE_CONTRACT,
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
