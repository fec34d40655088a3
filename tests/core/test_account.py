"""The account of a lane adds up, refuses what contradicts it, and never changes what was copied."""

from support import raises
from tidegate.records.record import Record
from tidegate.records.span import Gap
from tidegate.store.account import Account, Hole
from tidegate.store.journal import EXPIRED, OVERFLOW, Admitted, Dropped, Released


def records(count):
    return [Record(1, at_ms, b"t", b"", 0, b"") for at_ms in range(count)]


def filled(count=10):
    account = Account("main", "e" * 16)
    account.admit(Admitted("main", 1, list(range(1, count + 1)), records(count)), 100 * count)
    return account


def drop(account, first, last, reason=OVERFLOW, kept=False, hash_at=None, told=0):
    entry = Dropped("main", first, last, hash_at, reason, kept)
    account.check_drop(entry)
    live = account.live_between(max(first, account.through + 1), last)
    size_bytes = 0 if account.is_behind(entry) else 100 * live
    account.drop(entry, 7 if hash_at is None else hash_at, size_bytes, told)


def balances(account):
    aside = account.quarantined + sum(account.dropped.values())
    return account.last == account.delivered + account.held_records + aside


def test_every_entry_keeps_the_balance():
    account = filled()
    assert (account.last, account.last_hash, account.held_bytes) == (10, 10, 1000)
    drop(account, 3, 4)
    account.release(Released("main", 5, 3), 300)
    drop(account, 7, 7, "quarantined: hot", True)
    drop(account, 11, 20, hash_at=99)
    assert (account.last, account.last_hash) == (20, 99)
    assert (account.held_records, account.held_bytes, account.quarantined) == (4, 400, 1)
    assert account.dropped == {OVERFLOW: 12}
    assert balances(account)
    account.renew("f" * 16, 5)
    assert (account.base, account.last, account.delivered) == (5, 15, 0)
    assert account.forgotten_hash == 5
    assert balances(account)


def test_a_copy_goes_its_own_way():
    account = filled()
    drop(account, 2, 2)
    copy = account.copy()
    drop(account, 3, 3)
    drop(account, 5, 5, "other")
    account.release(Released("main", 2, 1), 100)
    account.forget(2, 2)
    assert copy.state().gaps == [Gap(2, 2, 7, OVERFLOW)]
    assert copy.dropped == {OVERFLOW: 1}
    assert (copy.held_records, copy.through) == (9, 0)
    assert copy.copy().figures() == copy.figures()


def test_neighbours_are_joined_where_no_receiver_may_stand_between():
    account = filled()
    drop(account, 2, 3, told=1)
    drop(account, 4, 5, told=1)
    assert [hole[:2] for hole in account.holes] == [(2, 5)]
    drop(account, 6, 6, told=5)
    drop(account, 7, 7, "other", told=0)
    assert [hole[:2] for hole in account.holes] == [(2, 5), (6, 6), (7, 7)]
    drop(account, 1, 1, told=0)
    assert [hole[:2] for hole in account.holes] == [(1, 1), (2, 5), (6, 6), (7, 7)]


def test_what_was_forgotten_reads_as_a_gap():
    account = filled()
    drop(account, 3, 6)
    account.release(Released("main", 4, 2), 200)
    account.forget(2, 2)
    assert account.readable_gaps(1) == [Gap(1, 2, 2, EXPIRED), Gap(3, 6, 7, OVERFLOW)]
    account.forget(4, 0)
    assert account.readable_gaps(2) == [Gap(2, 6, 7, EXPIRED)]
    assert account.readable_gaps(5) == [Gap(5, 6, 7, OVERFLOW)]


def test_records_that_are_left_are_counted():
    account = filled()
    drop(account, 3, 4)
    drop(account, 8, 8)
    assert account.live_between(1, 10) == 7
    assert account.live_between(3, 4) == 0
    assert account.live_between(4, 8) == 3
    assert account.live_between(-5, 99) == 7
    assert account.live_between(9, 2) == 0
    account.release(Released("main", 5, 3), 300)
    account.forget(5, 5)
    assert account.live_between(1, 10) == 4


def test_contradictions_are_our_own_bug():
    account = filled()
    drop(account, 4, 5)
    account.release(Released("main", 2, 2), 200)
    with raises(ValueError):
        account.admit(Admitted("main", 10, [1], records(1)), 1)
    with raises(ValueError):
        account.admit(Admitted("main", 11, [1, 2], records(1)), 1)
    for through in (1, 11):
        with raises(ValueError):
            account.release(Released("main", through, 0), 0)
    with raises(ValueError):
        account.forget(3, 0)
    for first, last, hash_at in (
        (5, 6, None),
        (3, 7, None),
        (10, 11, 1),
        (11, 12, None),
        (7, 6, 1),
    ):
        with raises(ValueError):
            account.check_drop(Dropped("main", first, last, hash_at, OVERFLOW, False))


def test_a_gap_may_reach_back_over_a_new_epoch():
    account = filled()
    drop(account, 3, 6, "poison", True)
    account.release(Released("main", 4, 2), 200)
    account.renew("f" * 16, 0)
    assert account.holes == [Hole(0, 2, 7, "poison", True, True)]
    assert account.state().gaps == [Gap(1, 2, 7, "poison")]
    assert account.quarantined == 2
    assert balances(account)
