"""Notes in the database: older journals get them, damage costs only what it hit."""

import os
from random import Random

import apsw
import pytest

from fakes.journal_script import admitted, comparable, lane_of, make_records
from fakes.old_journal import make_old
from tidegate.errors import STORAGE_CORRUPT, StorageError
from tidegate.records.clock import Boot
from tidegate.store.journal import Booted, Dropped, Noted, Released, Spent
from tidegate_linux.journal.schema import VERSION
from tidegate_linux.journal.sqlite import open_journal, read_state

ALL = 1 << 30
NOTES = [(b"%04d" % number, b"value %d" % number * (number % 40)) for number in range(3000)]
SEED = int(os.environ.get("TIDEGATE_SEED", "1"))


def open_here(folder, limit_bytes=50_000_000):
    return open_journal(folder, ["main", "alarm"], limit_bytes=limit_bytes)


def fill(folder, notes=()):
    """Make a journal with a bit of everything; return what it recovers and holds."""
    journal = open_here(folder)
    journal.append([Booted(Boot(1, "b" * 16, 1_760_000_000_000, 2)), Spent(3, 4)])
    journal.append([admitted(lane_of(journal.recover(), "main"), make_records(500, size=100))])
    journal.append([Dropped("main", 300, 309, None, "quarantined: hot", True)])
    journal.append([Released("main", 100, 100), Noted("listen", list(notes))])
    journal.sync()
    found = journal.recover(), journal.read("main", 1, ALL, ALL)
    journal.close()
    return found


def change(folder, *statements):
    connection = apsw.Connection(str(folder / "journal.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def notes_of(journal, source="listen"):
    return journal.notes(source, b"", b"\xff", 10_000)


def test_a_journal_of_version_1_opens_and_keeps_everything(tmp_path):
    state, span = fill(tmp_path)
    make_old(tmp_path)
    assert comparable(read_state(tmp_path, 4096)) == comparable(state), "status reads it as it is"
    journal = open_here(tmp_path)
    assert journal.salvage is None
    assert journal.recover() == state
    assert journal.read("main", 1, ALL, ALL) == span
    assert notes_of(journal) == []
    journal.append([Noted("listen", [(b"a", b"1")])])
    journal.sync()
    journal.close()
    journal = open_here(tmp_path)
    assert notes_of(journal) == [(b"a", b"1")]
    assert apsw.Connection(str(tmp_path / "journal.db")).pragma("user_version") == VERSION
    journal.close()


def test_a_journal_of_version_1_above_its_limit_opens(tmp_path):
    state, _ = fill(tmp_path)
    make_old(tmp_path)
    change(tmp_path, "VACUUM")
    journal = open_here(tmp_path, limit_bytes=4096)
    assert journal.recover() == state
    assert notes_of(journal) == []
    journal.close()


def test_a_damaged_journal_of_version_1_is_salvaged(tmp_path):
    fill(tmp_path)
    make_old(tmp_path)
    change(tmp_path, "UPDATE lane SET seal = seal + 1 WHERE lane = 'main'")
    journal = open_here(tmp_path)
    assert journal.salvage.records > 0
    assert notes_of(journal) == []
    journal.close()


@pytest.mark.parametrize(
    "damage",
    [
        "value = CAST('vague' AS BLOB)",
        "value = 'text'",
        "value = 7",
        "seal = seal + 1",
        "seal = 'x'",
        "key = CAST('0007+' AS BLOB)",
    ],
)
def test_a_damaged_note_is_left_out_and_counted_once(tmp_path, damage):
    fill(tmp_path, NOTES[:20])
    change(tmp_path, f"UPDATE note SET {damage} WHERE key = CAST('0007' AS BLOB)")
    journal = open_here(tmp_path)
    assert journal.notes_damaged == 0
    whole = NOTES[:7] + NOTES[8:20]
    assert notes_of(journal) == whole
    assert journal.notes("listen", b"0005", b"\xff", 3) == whole[5:8], "fewer only at the end"
    assert journal.notes_damaged == 1
    assert notes_of(journal) == whole
    assert journal.notes_damaged == 1
    journal.append([Noted("listen", [NOTES[7]])])
    journal.sync()
    assert NOTES[7] in notes_of(journal), "what is written anew is whole"
    journal.close()


def test_a_note_under_another_source_s_name_is_not_that_source_s(tmp_path):
    fill(tmp_path, NOTES[:2])
    change(tmp_path, "UPDATE note SET source = 'listed' WHERE key = CAST('0001' AS BLOB)")
    journal = open_here(tmp_path)
    assert notes_of(journal) == NOTES[:1]
    assert notes_of(journal, "listed") == []
    journal.close()


def test_a_salvage_carries_whole_notes_over_and_counts_the_others(tmp_path):
    fill(tmp_path, NOTES)
    change(
        tmp_path,
        "UPDATE note SET value = 'x' WHERE key = CAST('0100' AS BLOB)",
        "INSERT INTO note SELECT 'other', key, value, seal FROM note LIMIT 3",
        "UPDATE lane SET seal = seal + 1 WHERE lane = 'main'",
    )
    journal = open_here(tmp_path)
    assert journal.salvage.notes_lost == 4
    assert notes_of(journal) == NOTES[:100] + NOTES[101:]
    assert notes_of(journal, "other") == []
    journal.close()


def test_pages_of_notes_that_cannot_be_read_cost_only_the_notes_on_them(tmp_path):
    fill(tmp_path, NOTES)
    database = tmp_path / "journal.db"
    content = bytearray(database.read_bytes())
    at = content.index(b"value 1500") // 4096 * 4096
    content[at : at + 4096] = b"\xa5" * 4096
    database.write_bytes(content)
    change(tmp_path, "UPDATE lane SET seal = seal + 1 WHERE lane = 'main'")
    journal = open_here(tmp_path)
    assert journal.salvage is not None
    found = notes_of(journal)
    assert set(found) < set(NOTES)
    assert len(found) > len(NOTES) - 300
    assert found[0] == NOTES[0]
    assert found[-1] == NOTES[-1]
    journal.close()


@pytest.mark.parametrize("number", range(20))
def test_no_flipped_bit_gives_a_note_that_was_not_stored(tmp_path, number):
    fill(tmp_path, NOTES[:400])
    random = Random(f"{SEED} {number}")
    database = tmp_path / "journal.db"
    content = bytearray(database.read_bytes())
    at = random.randrange(100, len(content))
    content[at] ^= 1 << random.randrange(8)
    database.write_bytes(content)
    whole = set(NOTES[:400])
    for _ in range(2):
        journal = open_here(tmp_path)
        try:
            assert set(notes_of(journal)) <= whole
        except StorageError as error:
            assert error.kind == STORAGE_CORRUPT
        journal.close()
