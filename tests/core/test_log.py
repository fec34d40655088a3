"""The segment log as a journal: what is its own beside the contract of all journals."""

from model_medium import ModelFlash, ModelMedium
from support import raises
from tidegate.delivery.chance import Chance
from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold_all
from tidegate.store.journal import (
    OVERFLOW,
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Noted,
    Released,
    Spent,
)
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes

SIZES = Sizes(1024, 256, 256, 1 << 12)
ALL = 1 << 30
BOOT = Boot(1, "b" * 16, 5, 1)


class FailingMedium(ModelMedium):
    """Fails in one of its methods once `left` calls of it went well."""

    def __init__(self, flash, method, left, error):
        super().__init__(flash)
        self._method = method
        self._left = left
        self._error = error

    def _maybe(self, method):
        if method == self._method:
            self._left -= 1
            if self._left < 0:
                raise self._error

    def append(self, number, data):
        self._maybe("append")
        super().append(number, data)

    def sync(self, number):
        self._maybe("sync")
        super().sync(number)

    def remove(self, number):
        self._maybe("remove")
        super().remove(number)


def open_on(medium, lanes=("main", "alarm"), **more):
    return open_log(medium, list(lanes), Chance(3), SIZES, **more)


def last_of(log, lane="main"):
    return next(state for state in log.recover().lanes if state.lane == lane).last


def fill(log, count, lane="main", size=20):
    state = next(one for one in log.recover().lanes if one.lane == lane)
    first = state.last + 1
    records = [
        Record(1, seq, b"site/a", b"%0*d" % (size, seq), 0, b"")
        for seq in range(first, first + count)
    ]
    log.append([Booted(BOOT), Admitted(lane, first, fold_all(state.last_hash, records), records)])
    log.sync()


def test_a_medium_that_fails_ends_the_journal_and_keeps_what_was_synced():
    for method in ("append", "sync", "remove"):
        for kind in (STORAGE_FULL, STORAGE_IO):
            for left in range(30):
                flash = ModelFlash()
                medium = FailingMedium(flash, method, left, StorageError(kind, "planted"))
                synced = {"main": 0, "alarm": 0}
                log = None
                try:
                    log = open_on(medium)
                    for round_ in range(12):
                        lane = ("main", "alarm")[round_ % 2]
                        fill(log, 3, lane)
                        synced[lane] += 3
                        log.append([Released(lane, synced[lane], 3)])
                        log.append(
                            [Dropped(lane, synced[lane] + 1, synced[lane] + 2, 9, OVERFLOW, False)]
                        )
                        log.sync()
                        synced[lane] += 2
                except StorageError as error:
                    assert error.kind == kind
                else:
                    continue
                if log is not None:
                    with raises(StorageError):
                        log.sync()
                    with raises(StorageError):
                        log.append([])
                    log.close()
                medium.cut(0.5)
                after = open_on(flash.open())
                for lane, last in synced.items():
                    # A sync that failed may have reached the medium for one lane.
                    assert last <= last_of(after, lane) <= last + 5
                after.close()


def test_no_memory_for_an_entry_ends_the_journal():
    flash = ModelFlash()
    medium = FailingMedium(flash, "append", 4, MemoryError())
    log = open_on(medium)
    with raises(StorageError):
        for _ in range(20):
            fill(log, 3)
    with raises(StorageError):
        log.recover()


def test_notes_are_refused_and_none_are_found():
    log = open_on(ModelFlash().open())
    with raises(ValueError):
        log.append([Noted("listen", [(b"a", b"1")])])
    assert log.notes("listen", b"", b"\xff", 9) == []


def test_boots_are_bounded_and_the_oldest_go():
    flash = ModelFlash()
    log = open_on(flash.open(), boots_max=3)
    for number in range(1, 9):
        log.append([Booted(Boot(number, f"{number:016x}", 0, 0))])
        log.sync()
    assert [boot.number for boot in log.recover().boots] == [6, 7, 8]


def test_what_matters_least_frees_room_though_something_old_is_held():
    flash = ModelFlash()
    log = open_on(flash.open())
    fill(log, 1, "alarm")
    for _ in range(20):
        fill(log, 10)
    full = log.usage().stored_bytes
    count = len(flash.synced)
    log.append([Dropped("main", 1, 190, None, OVERFLOW, False)])
    log.sync()
    assert log.usage().stored_bytes < full * 0.2
    assert len(flash.synced) < count - 3
    assert last_of(log, "alarm") == 1


def test_quarantined_records_are_copied_before_they_are_gone():
    flash = ModelFlash()
    log = open_on(flash.open())
    fill(log, 5)
    log.append([Dropped("main", 2, 3, None, "quarantined: hot", True)])
    log.sync()
    copies = [data for data in flash.synced.values() if b"quarantined: hot" in data]
    assert [b"%020d" % seq in copy for copy in copies for seq in (1, 2, 3, 4)].count(True) >= 2
    log.close()
    log = open_on(flash.open())
    assert log.recover().lanes[0].quarantined == 2
    assert log.set_aside == []


def test_the_budget_and_boots_outlive_their_segment():
    flash = ModelFlash()
    log = open_on(flash.open())
    log.append([Spent(9, 1234)])
    for _ in range(30):
        fill(log, 5)
        last = last_of(log)
        log.append([Released("main", last, 5)])
        log.sync()
    log.append([Dropped("main", last + 1, last + 1, 5, OVERFLOW, False)])
    log.sync()
    log.close()
    state = open_on(flash.open()).recover()
    assert state.spent == Spent(9, 1234)
    assert state.boots == [BOOT]


def test_boots_and_budget_go_along_when_another_lane_becomes_the_first():
    flash = ModelFlash()
    log = open_on(flash.open(), ("main", "alarm"))
    boots = [BOOT] + [Boot(number, f"{number:016x}", 1000 * number, 2) for number in range(2, 6)]
    log.append([Booted(boot) for boot in boots] + [Spent(9, 1234)])
    log.sync()
    log.close()
    log = open_on(flash.open(), ("alarm", "main"))
    boots[4:] = [Boot(5, f"{5:016x}", 7000, 2), Boot(6, "6" * 16, 6000, 1)]
    log.append([Booted(boots[4]), Booted(boots[5]), Spent(9, 5678)])
    log.sync()
    for _ in range(30):  # No segment of theirs is left.
        log.close()
        log = open_on(flash.open(), ("alarm", "main"))
        state = log.recover()
        assert (state.boots, state.spent) == (boots, Spent(9, 5678))
        fill(log, 5)
        log.append([Released("main", last_of(log), 5), Forgotten("main", last_of(log))])
        log.sync()
    assert log.read("main", last_of(log) + 1, 1, ALL).records == []


def test_boots_alone_do_not_fill_the_flash():
    flash = ModelFlash()
    for number in range(1, 200):
        log = open_on(flash.open(), boots_max=4)
        log.append([Booted(Boot(number, f"{number:016x}", 0, 0))])
        log.sync()
        log.close()
    assert len(flash.synced) <= 4  # Two lanes, and in each one that is full and one that is not.


def test_a_segment_goes_only_once_the_next_one_is_there():
    flash = ModelFlash()
    log = open_on(flash.open(), boots_max=4)
    begun = set()
    for number in range(1, 100):
        log.append([Booted(Boot(number, f"{number:016x}", 0, 0))])
        # A cut now: what was synced is all that there is.
        copy = ModelFlash()
        copy.synced = dict(flash.synced)
        assert open_on(copy.open(), boots_max=4).recover() == log.recover()
        log.sync()
        begun.update(flash.synced)
    assert len(begun) > 10


def test_reading_an_unknown_lane_is_our_own_bug():
    log = open_on(ModelFlash().open())
    with raises(ValueError):
        log.read("none", 1, 1, 1)


def test_closing_twice_is_harmless():
    log = open_on(ModelFlash().open())
    log.close()
    log.close()
    with raises(StorageError):
        log.usage()
