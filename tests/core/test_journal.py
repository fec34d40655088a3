"""The names that stand in every journal and table do not change: old files hold them."""

from samples import record
from tidegate.store import journal
from tidegate.store.journal import Admitted, Dropped, Usage


def test_stored_reasons_keep_their_words():
    words = (journal.EXPIRED, journal.OVERFLOW, journal.DAMAGED, journal.TOO_LARGE)
    assert words == ("expired", "overflow", "damaged", "too-large")


def test_entries_of_different_kinds_are_told_apart_by_type_alone():
    # Entries are tuples: two kinds may compare equal, so adapters must ask for the type.
    dropped = Dropped("main", 1, 2, None, journal.OVERFLOW, False)
    admitted = Admitted("main", 1, [5], [record(1)])
    assert isinstance(dropped, Dropped)
    assert not isinstance(dropped, Admitted)
    assert (admitted.first, admitted.hashes, len(admitted.records)) == (1, [5], 1)
    assert Usage(1, 2) == (1, 2)
