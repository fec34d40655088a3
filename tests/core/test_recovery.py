"""What a log finds again: after cuts at every byte, and whatever is damaged (P1, P5)."""

from model_medium import ModelFlash
from tidegate.delivery.chance import Chance
from tidegate.records.clock import Boot, Clock, forgotten_boot
from tidegate.records.record import Record, fold_all
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
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes

SIZES = Sizes(1024, 256, 256, 1 << 12)
ALL = 1 << 30


def open_on(flash, seed=7, lanes=("main",)):
    return open_log(flash.open(), list(lanes), Chance(seed), SIZES)


def state_of(log, lane="main"):
    return next(state for state in log.recover().lanes if state.lane == lane)


def admit(log, count, lane="main"):
    state = state_of(log, lane)
    first = state.last + 1
    records = [
        Record(1, seq, b"site/a", b"value %010d" % seq, 0, b"")
        for seq in range(first, first + count)
    ]
    log.append([Admitted(lane, first, fold_all(state.last_hash, records), records)])
    return records


def balances(state):
    aside = state.quarantined + sum(state.dropped.values())
    return state.last == state.delivered + state.held_records + aside


def filled(count=40):
    """Return a flash with several segments of one lane."""
    flash = ModelFlash()
    log = open_on(flash)
    log.append([Booted(Boot(1, "b" * 16, 5, 1)), Spent(3, 4)])
    for _ in range(count // 5):
        admit(log, 5)
        log.sync()
    log.close()
    assert len(flash.synced) > 3
    return flash


def copy_of(flash):
    copy = ModelFlash()
    copy.synced = dict(flash.synced)
    return copy


def damaged(flash, number, change):
    data = bytearray(flash.synced[number])
    change(data)
    copy = copy_of(flash)
    copy.synced[number] = bytes(data)
    return copy


def test_a_cut_at_any_byte_leaves_what_was_synced_and_a_log_to_go_on_with():
    flash = filled()
    newest = max(flash.synced)
    whole = flash.synced[newest]
    last_before = {}
    for end in range(len(whole) + 1):
        copy = copy_of(flash)
        copy.synced[newest] = whole[:end]
        log = open_on(copy)
        state = state_of(log)
        assert state.last % 5 == 0 and state.last <= 40
        assert balances(state)
        last_before[end] = state.last
        admit(log, 2)
        log.sync()
        log.close()
        log = open_on(copy)
        span = log.read("main", 1, ALL, ALL)
        assert (span.last, span.damaged) == (state.last + 2, 0)
        log.close()
    ends = [last_before[end] for end in sorted(last_before)]
    assert ends == sorted(ends)
    assert ends[-1] == 40


def test_only_the_newest_segment_is_read_as_a_whole():
    reads = []
    for count in (40, 400):
        flash = filled(count)
        before = flash.read_bytes
        log = open_on(flash)
        reads.append((flash.read_bytes - before) / len(flash.synced))
        assert state_of(log).held_records == count
        assert log.recover().boots == [Boot(1, "b" * 16, 5, 1)]
        assert log.recover().spent == Spent(3, 4)
    # What a segment costs does not grow with what is held.
    assert reads[1] < reads[0] * 1.1
    assert reads[1] < 2000


def test_a_flipped_bit_anywhere_loses_no_more_than_it_hit():
    flash = filled()
    node = open_on(flash).recover().node
    for number in sorted(flash.synced):
        size = len(flash.synced[number])
        for at in range(0, size, 3):

            def flip(data, at=at):
                data[at] ^= 1 << at % 8

            copy = damaged(flash, number, flip)
            log = open_on(copy)
            state = state_of(log)
            assert log.recover().node == node
            assert balances(state), (number, at)
            # The last group may look like one that was never confirmed; nothing else is lost.
            assert state.last in (35, 40), (number, at, state)
            found, first = 0, 1
            while first <= state.last:
                span = log.read("main", first, ALL, ALL)
                found += len(span.records)
                for record in span.records:
                    assert record.payload == b"value %010d" % record.ticks_ms
                first = span.last + 1
                if span.damaged or span.last < span.first:
                    log.append([Dropped("main", first, first, None, "quarantined: x", True)])
                    log.sync()
            assert found >= state.last - 1, (number, at)
            log.close()


def test_where_a_gap_is_damaged_its_numbers_are_held_until_they_are_found_missing():
    for kept in (False, True):
        flash = ModelFlash()
        log = open_on(flash)
        log.append([Booted(Boot(1, "a" * 16, 5, 1))])
        admit(log, 6)
        log.sync()
        log.append([Dropped("main", 2, 3, None, "worn out", kept)])
        log.sync()
        number = next(one for one in sorted(flash.synced) if b"worn out" in flash.synced[one])
        at = flash.synced[number].find(b"worn out")

        def ruin(data, at=at):
            data[at] ^= 1

        log = open_on(damaged(flash, number, ruin))
        state = state_of(log)
        assert balances(state) and state.held_records == 6 and state.gaps == []
        # All of it can be dropped, and what was so once is written down (P5).
        log.append([Dropped("main", 1, 6, None, OVERFLOW, False)])
        log.sync()
        state = state_of(log)
        assert balances(state) and (state.held_records, state.held_bytes) == (0, 0)


def test_the_number_of_a_damaged_boot_is_not_given_again():
    flash = ModelFlash()
    log = open_on(flash)
    log.append([Booted(Boot(1, "a" * 16, 5, 1))])
    admit(log, 1)
    log.sync()
    log.append([Booted(Boot(2, "b" * 16, 7, 2))])
    record = Record(2, 30, b"site/a", b"value", 0, b"")
    log.append([Admitted("main", 2, fold_all(state_of(log).last_hash, [record]), [record])])
    log.sync()
    number = max(flash.synced)
    at = flash.synced[number].rfind(b"\xbb" * 8)  # The identity of the second boot.
    assert at > 0

    def ruin(data):
        data[at] ^= 1

    log = open_on(damaged(flash, number, ruin))
    assert state_of(log).last == 2
    boots = log.recover().boots
    assert [boot.number for boot in boots] == [1, 2] and boots[1] == forgotten_boot(2)
    assert Clock(boots, "c" * 16).boot.number == 3


def test_a_damaged_head_costs_reading_the_segment_before():
    flash = filled()
    newest = max(flash.synced)

    def ruin(data):
        data[:60] = b"\xff" * 60

    log = open_on(damaged(flash, newest, ruin))
    state = state_of(log)
    assert (state.last, state.held_records) == (40, 40)
    assert log.damaged > 0
    assert len(log.read("main", 1, ALL, ALL).records) == 40


def test_a_flipped_bit_in_the_only_header_costs_nothing():
    flash = ModelFlash()
    log = open_on(flash)
    node = log.recover().node
    admit(log, 3)
    log.sync()
    log.close()
    for at in range(36):

        def flip(data, at=at):
            data[at] ^= 4

        log = open_on(damaged(flash, 1, flip), seed=8)
        assert (log.recover().node, state_of(log).held_records) == (node, 3), at
        log.close()


def test_a_number_that_no_log_gets_to_is_none_of_ours():
    flash = filled()
    flash.synced[0xFFFFFFFF] = flash.synced[1]
    log = open_on(flash)
    assert log.set_aside == [0xFFFFFFFF]
    assert state_of(log).held_records == 40
    admit(log, 60)
    log.sync()
    assert max(flash.synced) < 1000


def test_without_any_summary_the_records_go_on_under_a_new_epoch():
    flash = filled()
    before = open_on(flash)
    epoch, node = state_of(before).epoch, before.recover().node
    copy = copy_of(flash)
    for number in copy.synced:
        data = bytearray(copy.synced[number])
        if number < max(copy.synced):
            data[48:58] = b"\xff" * 10  # The summary; the header still says whose it is.
        else:
            data[:70] = b"\xff" * 70
        copy.synced[number] = bytes(data)
    log = open_on(copy, seed=99)
    state = state_of(log)
    assert log.recover().node == node
    assert state.epoch != epoch
    assert balances(state)
    assert state.held_records == 40
    span = log.read("main", 1, ALL, ALL)
    assert len(span.records) == 40
    # And the new epoch stands: it may be told to a receiver at once.
    log.close()
    assert state_of(open_on(copy, seed=100)).epoch == state.epoch


def test_what_is_none_of_ours_is_set_aside_and_the_log_starts():
    other = ModelFlash()
    open_on(other, seed=1234).close()
    flash = filled()
    node = open_on(flash).recover().node
    flash.synced[0] = other.synced[1]  # An older file of another node.
    flash.synced[3000] = b"garbage" * 20
    log = open_on(flash)
    assert log.set_aside == [0, 3000]
    assert sorted(flash.aside) == [0, 3000]
    assert log.recover().node == node
    assert state_of(log).held_records == 40


def test_a_new_log_that_was_cut_off_while_it_began_begins_again():
    flash = ModelFlash()
    open_on(flash).close()
    whole = flash.synced[1]
    for end in range(len(whole)):
        copy = ModelFlash()
        copy.synced[1] = whole[:end]
        log = open_on(copy, seed=5)
        admit(log, 1)
        log.sync()
        assert state_of(log).last == 1
        log.close()
        assert state_of(open_on(copy, seed=6)).last == 1


def test_a_segment_of_which_a_cut_left_only_the_name_is_no_damage_and_goes():
    flash = filled()
    names = sorted(flash.synced)
    flash.synced[names[-1] + 1] = b""
    log = open_on(flash)
    assert (log.set_aside, log.damaged, flash.aside) == ([], 0, {})
    admit(log, 5)
    log.sync()
    assert names[-1] + 1 not in flash.synced
    assert state_of(open_on(flash)).last == state_of(log).last == 45


def test_a_lane_that_is_configured_no_longer_is_still_there():
    flash = ModelFlash()
    log = open_on(flash, lanes=("main", "alarm"))
    admit(log, 3, "alarm")
    log.append([Booted(Boot(1, "b" * 16, 5, 1))])
    log.sync()
    log.close()
    log = open_on(flash, lanes=("other",))
    assert [state.lane for state in log.recover().lanes] == ["other", "alarm", "main"]
    assert state_of(log, "alarm").held_records == 3
    assert log.recover().boots == [Boot(1, "b" * 16, 5, 1)]


def test_all_entries_are_followed():
    flash = ModelFlash()
    log = open_on(flash)
    admit(log, 10)
    log.sync()
    log.append([Released("main", 6, 6), Forgotten("main", 4)])
    log.append([Dropped("main", 8, 8, None, OVERFLOW, False)])
    log.append([Dropped("main", 9, 9, None, OVERFLOW, False)])
    log.append([Renewed("main", "e" * 16), Dropped("main", 5, 7, 99, OVERFLOW, False)])
    log.sync()
    expected = state_of(log)
    log.close()
    log = open_on(flash)
    assert state_of(log) == expected
    assert balances(expected)
    assert (expected.last, expected.held_records, expected.dropped) == (7, 2, {OVERFLOW: 5})
