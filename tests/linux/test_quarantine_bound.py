"""The quarantine takes no more than its share of the journal; the oldest of it makes room (P6)."""

import pytest

from fixtures.quarantined import POISON, Site, balance_holds, left
from tidegate.store.journal import Dropped
from tidegate_linux.journal.quarantine_rows import (
    BYTES_SHARE,
    CROWDED_OUT,
    CROWDED_OUT_ROWS_MAX,
    ROWS_MAX,
)

LIMIT_BYTES = 100_000_000  # As `Site` opens its journals.
LARGE_BYTES = 1_000_000
KEPT_MAX = LIMIT_BYTES // BYTES_SHARE // LARGE_BYTES


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_at_its_bytes_the_oldest_records_go_and_are_counted(site):
    count = KEPT_MAX + 3
    site.poisoned(count, range(1, count + 1), size=LARGE_BYTES)
    kept = left(site)
    assert kept == list(range(count + 1 - len(kept), count + 1))
    assert KEPT_MAX - 1 <= len(kept) <= KEPT_MAX
    state = site.main()
    gone = count - len(kept)
    assert (state.quarantined, state.dropped) == (len(kept), {CROWDED_OUT: gone})
    assert balance_holds(state)
    assert f"{gone} older records had to make room" in site.run("list")
    assert site.read(1).damaged == 0


def test_at_its_rows_the_oldest_record_goes(site):
    site.poisoned(ROWS_MAX + 1, [], size=1)
    site.store([Dropped("main", 1, ROWS_MAX, None, POISON, True)])
    assert len(left(site)) == ROWS_MAX
    site.store([Dropped("main", ROWS_MAX + 1, ROWS_MAX + 1, None, POISON, True)])
    assert left(site) == list(range(2, ROWS_MAX + 2))
    assert balance_holds(site.main())


def test_a_record_larger_than_all_the_room_stays(site):
    size = LIMIT_BYTES // BYTES_SHARE + 1
    site.poisoned(2, [1, 2], size=size)
    assert left(site) == [2]
    assert balance_holds(site.main())


def test_what_is_far_over_goes_by_and_by(site):
    count = ROWS_MAX + 2 * CROWDED_OUT_ROWS_MAX
    site.poisoned(count + 2, [], size=1)
    site.store([Dropped("main", 1, count, None, POISON, True)])
    assert len(left(site)) == count - CROWDED_OUT_ROWS_MAX
    for seq in (count + 1, count + 2):
        site.store([Dropped("main", seq, seq, None, POISON, True)])
    assert len(left(site)) == ROWS_MAX
    state = site.main()
    assert state.dropped == {CROWDED_OUT: 2 * CROWDED_OUT_ROWS_MAX + 2}
    assert balance_holds(state)
