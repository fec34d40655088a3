"""What every journal must do with the notes of sources; see `journal_contract`."""

from contracts.journal_steps import fill, main_of
from fakes.journal_script import admitted, make_records
from support import raises
from tidegate.errors import StorageError
from tidegate.store.journal import Noted

FIRST, STOP = b"", b"\xff\xff"


def keep(journal, *notes, source="listen"):
    journal.append([Noted(source, list(notes))])
    journal.sync()


def all_notes(journal, source="listen"):
    return journal.notes(source, FIRST, STOP, 1000)


def a_new_journal_has_no_notes(bench):
    assert all_notes(bench.journal) == []


def notes_are_found_by_key_in_order(bench):
    pairs = [(b"b", b"2"), (b"a", b"1"), (b"a\x00", b"3"), (b"\xff", b"4"), (b"", b"5")]
    keep(bench.journal, *pairs)
    for journal in (bench.journal, None):
        journal = journal or bench.reopen()
        assert all_notes(journal) == sorted(pairs)
        assert journal.notes("listen", b"a", b"b", 9) == [(b"a", b"1"), (b"a\x00", b"3")]
        assert journal.notes("listen", b"a", b"c", 2) == [(b"a", b"1"), (b"a\x00", b"3")]
        assert journal.notes("listen", b"c", b"d", 9) == []
        assert journal.notes("listen", b"b", b"a", 9) == []
        assert journal.notes("listen", FIRST, STOP, 0) == []


def every_byte_of_a_note_comes_back(bench):
    pairs = [(bytes(range(256)), bytes(range(256)) * 5000), (b"empty", b""), (b"text", b"text")]
    keep(bench.journal, *pairs)
    assert all_notes(bench.reopen()) == sorted(pairs)
    assert all(type(part) is bytes for pair in all_notes(bench.journal) for part in pair)


def notes_are_replaced_and_deleted(bench):
    keep(bench.journal, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    keep(bench.journal, (b"b", b"new"), (b"c", None), (b"never", None))
    assert all_notes(bench.crash()) == [(b"a", b"1"), (b"b", b"new")]


def of_two_notes_with_one_key_the_later_counts(bench):
    keep(bench.journal, (b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"))
    bench.journal.append([Noted("listen", [(b"c", b"1")]), Noted("listen", [(b"c", b"2")])])
    bench.journal.append([Noted("listen", [(b"b", None)])])
    bench.journal.sync()
    assert all_notes(bench.reopen()) == [(b"c", b"2")]


def sources_have_notes_of_their_own(bench):
    keep(bench.journal, (b"a", b"1"))
    keep(bench.journal, (b"a", b"2"), (b"b", b"3"), source="other")
    keep(bench.journal, (b"a", None), source="third")
    assert all_notes(bench.journal) == [(b"a", b"1")]
    assert all_notes(bench.journal, "other") == [(b"a", b"2"), (b"b", b"3")]


def notes_are_not_seen_before_they_are_synced(bench):
    keep(bench.journal, (b"a", b"1"))
    bench.journal.append([Noted("listen", [(b"a", b"2"), (b"b", b"3")])])
    assert all_notes(bench.journal) == [(b"a", b"1")]


def notes_and_the_records_beside_them_stay_together(bench):
    fill(bench.journal, 3)
    entry = admitted(main_of(bench.journal), make_records(2, at_ms=50))
    bench.journal.append([entry, Noted("listen", [(b"turn", b"1")])])
    journal = bench.crash()
    known = (main_of(journal).last, all_notes(journal))
    assert known in ((3, []), (5, [(b"turn", b"1")]))
    journal.append([admitted(main_of(journal), make_records(2)), Noted("listen", [(b"t", b"2")])])
    journal.sync()
    journal = bench.crash()
    assert (main_of(journal).last, all_notes(journal)[0]) == (known[0] + 2, (b"t", b"2"))


def a_closed_journal_gives_no_notes(bench):
    bench.journal.close()
    with raises(StorageError):
        bench.journal.notes("listen", FIRST, STOP, 1)


NOTE_CONTRACT = [
    a_new_journal_has_no_notes,
    notes_are_found_by_key_in_order,
    every_byte_of_a_note_comes_back,
    notes_are_replaced_and_deleted,
    of_two_notes_with_one_key_the_later_counts,
    sources_have_notes_of_their_own,
    notes_are_not_seen_before_they_are_synced,
    notes_and_the_records_beside_them_stay_together,
    a_closed_journal_gives_no_notes,
]
