"""P5: whatever stands in its files, a journal opens, gives nothing wrong, and says what is lost.

SQLite has no checksums: most flipped bits give wrong data without a word.  What every flip must
come to here: each record is delivered as it was admitted, or its number is reported as a gap; and
more can be stored.
"""

import os
import shutil
from random import Random

import pytest

from fakes.journal_script import admitted, lane_of, make_records
from tidegate.errors import STORAGE_CORRUPT, StorageError
from tidegate.records.clock import Boot
from tidegate.store.journal import (
    DAMAGED,
    EXPIRED,
    OVERFLOW,
    Booted,
    Dropped,
    Forgotten,
    Released,
    Renewed,
    Spent,
)
from tidegate_linux.journal.aside import DAMAGED_MAX, salvages
from tidegate_linux.journal.errors import JournalError
from tidegate_linux.journal.sqlite import open_journal

ALL = 1 << 30
COUNT = 600
DELIVERED = 100
SEED = int(os.environ.get("TIDEGATE_SEED", "1"))
HEADER_BYTES = 100


def open_here(folder):
    return open_journal(folder, ["main", "alarm"], limit_bytes=50_000_000)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with a sound journal: some records delivered, a gap, one in the quarantine."""
    folder = tmp_path_factory.mktemp("sound") / "node"
    journal = open_here(folder)
    journal.append([Booted(Boot(1, "b" * 16, 1_760_000_000_000, 2)), Spent(3, 4)])
    state = lane_of(journal.recover(), "main")
    journal.append([admitted(state, make_records(COUNT, size=100))])
    journal.append([Dropped("main", 300, 309, None, OVERFLOW, False)])
    journal.append([Dropped("main", 400, 400, None, "quarantined: too hot", True)])
    journal.append([Released("main", DELIVERED, DELIVERED), Forgotten("main", 50)])
    journal.sync()
    journal.close()
    return folder


def copied(sound, tmp_path, name="node"):
    folder = tmp_path / name
    shutil.copytree(sound, folder)
    return folder


def flip(path, at_bit):
    content = bytearray(path.read_bytes())
    content[at_bit // 8] ^= 1 << at_bit % 8
    path.write_bytes(content)


def deliver(folder):
    """Drain the journal as the engine does; return the payloads delivered and the gaps told."""
    payloads, gaps = [], []
    saved = None
    for _ in range(COUNT):
        journal = open_here(folder)
        saved = journal.salvage or saved
        if journal.salvage:
            # A new epoch: the receiver applies what it is sent as another stream.
            payloads, gaps = [], []
        try:
            drain(journal, payloads, gaps)
            journal.close()
            return payloads, gaps, saved
        except StorageError as error:
            assert error.kind == STORAGE_CORRUPT
            journal.close()
    raise AssertionError("it never ends")


def drain(journal, payloads, gaps):
    through = lane_of(journal.recover(), "main").through
    while through < lane_of(journal.recover(), "main").last:
        span = journal.read("main", through + 1, 100, ALL)
        if span.last < span.first:
            damaged = span.damaged or span.first
            journal.append([Dropped("main", damaged, damaged, None, DAMAGED, True)])
            journal.sync()
            continue
        payloads.extend([record.payload for record in span.records])
        gaps.extend(span.gaps)
        journal.append([Released("main", span.last, len(span.records))])
        journal.sync()
        through = span.last


def expect_nothing_wrong(folder):
    """Deliver all; return how many records are reported lost, and the salvage if there was one."""
    payloads, gaps, saved = deliver(folder)
    numbers = [int(payload) for payload in payloads]
    assert set(payloads) <= {record.payload for record in make_records(COUNT, size=100)}
    assert numbers == sorted(set(numbers))
    lost = sum(gap.last - gap.first + 1 for gap in gaps if gap.reason not in (OVERFLOW, EXPIRED))
    journal = open_here(folder)
    state = lane_of(journal.recover(), "main")
    assert state.last == (
        state.delivered + state.held_records + state.quarantined + sum(state.dropped.values())
    )
    journal.close()
    takes_more(folder)
    return len(numbers), lost, saved


def takes_more(folder):
    """Store as the engine does: where damage is found only now, the next start salvages."""
    for _ in range(3):
        journal = open_here(folder)
        try:
            for _ in range(2):
                journal.append([admitted(lane_of(journal.recover(), "main"), make_records(5))])
                journal.sync()
            return
        except StorageError as error:
            assert error.kind == STORAGE_CORRUPT
        finally:
            journal.close()
    raise AssertionError("it takes nothing more")


def test_sound_journal_delivers_everything(sound, tmp_path):
    assert expect_nothing_wrong(copied(sound, tmp_path)) == (COUNT - DELIVERED - 11, 1, None)


def flips(sound, tmp_path, count):
    """Flip one bit after the other; return how often it was harmless, reported, salvaged."""
    random = Random(SEED)
    size = (sound / "journal.db").stat().st_size
    harmless = reported = salvaged = 0
    for number in range(count):
        folder = copied(sound, tmp_path, str(number))
        # The header's hundred bytes are for the test below.
        flip(folder / "journal.db", random.randrange(HEADER_BYTES * 8, size * 8))
        delivered, lost, saved = expect_nothing_wrong(folder)
        salvaged += saved is not None
        harmless += delivered == COUNT - DELIVERED - 11
        reported += lost > 1
        whole = delivered + lost >= COUNT - DELIVERED - 11
        assert whole or saved is not None, f"seed {SEED}, flip {number}: {delivered} + {lost}"
        shutil.rmtree(folder)
    print(
        f"seed {SEED}: {count} flips, {harmless} harmless, {reported} reported, {salvaged} salvaged"
    )
    return harmless, reported, salvaged


def test_no_flipped_bit_passes_for_data(sound, tmp_path):
    _, reported, _ = flips(sound, tmp_path, 60)
    assert reported > 10


@pytest.mark.slow
def test_no_flipped_bit_of_two_thousand_passes_for_data(sound, tmp_path):
    _, reported, salvaged = flips(sound, tmp_path, 2000)
    assert reported > 500
    assert salvaged > 10


def test_ruined_pages_are_leapt_over_and_reported(sound, tmp_path):
    for page in range(1, (sound / "journal.db").stat().st_size // 4096):
        folder = copied(sound, tmp_path, f"page{page}")
        with (folder / "journal.db").open("r+b") as file:
            file.seek(page * 4096)
            file.write(bytes(4096))
        delivered, lost, saved = expect_nothing_wrong(folder)
        assert delivered + lost >= COUNT - DELIVERED - 11 or saved is not None
        shutil.rmtree(folder)


@pytest.mark.parametrize("seed", range(SEED, SEED + 25))
def test_pages_in_wrong_places_end_in_a_journal_that_works(sound, tmp_path, seed):
    """Such a tree may lead round in circles; reading it must come to an end."""
    random = Random(seed)
    folder = copied(sound, tmp_path)
    content = (folder / "journal.db").read_bytes()
    pages = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    for _ in range(random.randint(1, 6)):
        pages[random.randrange(1, len(pages))] = pages[random.randrange(1, len(pages))]
    (folder / "journal.db").write_bytes(b"".join(pages))
    delivered, lost, saved = expect_nothing_wrong(folder)
    assert saved is not None or delivered + lost >= COUNT - DELIVERED - 11


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not a database at all" * 400])
def test_ruined_file_is_set_aside_and_the_node_starts_anew(sound, tmp_path, content):
    folder = copied(sound, tmp_path)
    (folder / "journal.db").write_bytes(content)
    journal = open_here(folder)
    assert journal.salvage.records == 0
    assert salvages(folder) == [journal.salvage]
    assert (journal.salvage.folder / "journal.db").read_bytes() == content
    journal.append([admitted(lane_of(journal.recover(), "main"), make_records(5))])
    journal.sync()
    journal.close()
    again = open_here(folder)
    assert again.salvage is None
    assert salvages(folder) == [journal.salvage], "said until somebody has looked"
    assert lane_of(again.recover(), "main").last == 5
    again.close()


def test_file_that_was_cut_short_gives_what_is_left(sound, tmp_path):
    folder = copied(sound, tmp_path)
    size = (folder / "journal.db").stat().st_size
    os.truncate(folder / "journal.db", size * 3 // 4 // 4096 * 4096)
    delivered, _, saved = expect_nothing_wrong(folder)
    assert saved is not None
    assert delivered > 50


def test_salvage_keeps_identity_order_gaps_and_quarantine(sound, tmp_path):
    folder = copied(sound, tmp_path)
    before = open_here(folder)
    old = before.recover()
    before.close()
    (folder / "journal.suspect").touch()
    journal = open_here(folder)
    assert (journal.salvage.records, journal.salvage.lost) == (COUNT - DELIVERED - 11, 0)
    state = journal.recover()
    lane = lane_of(state, "main")
    assert state.node == old.node
    assert lane.epoch != lane_of(old, "main").epoch
    assert (lane.last, lane.quarantined, lane.dropped) == (COUNT - DELIVERED, 1, {OVERFLOW: 10})
    assert (state.boots, state.spent) == (old.boots, old.spent)
    span = journal.read("main", 1, ALL, ALL)
    assert [int(record.payload) for record in span.records][:3] == [DELIVERED, DELIVERED + 1, 102]
    assert [gap[:2] for gap in span.gaps] == [(200, 209), (300, 300)]
    aside = journal._connection.execute("SELECT lane, seq, reason FROM quarantine").fetchall()
    assert aside == [("main", 400, "quarantined: too hot")]
    journal.close()


def test_lane_that_was_renewed_is_salvaged_too(sound, tmp_path):
    folder = copied(sound, tmp_path)
    journal = open_here(folder)
    journal.append([Renewed("main", "e" * 16)])
    journal.sync()
    journal.close()
    (folder / "journal.suspect").touch()
    delivered, _, _ = expect_nothing_wrong(folder)
    assert delivered == COUNT - DELIVERED - 11


@pytest.mark.parametrize("until", ["marked", "log moved", "moved", "half filled"])
def test_interrupted_salvage_is_taken_up_again(sound, tmp_path, until):
    folder = copied(sound, tmp_path)
    (folder / "journal.db-wal").write_bytes(b"")
    (folder / "journal.salvage").write_text("damaged-1")
    if until != "marked":
        (folder / "damaged-1").mkdir()
        (folder / "journal.db-wal").rename(folder / "damaged-1" / "journal.db-wal")
    if until in ("moved", "half filled"):
        (folder / "journal.db").rename(folder / "damaged-1" / "journal.db")
    if until == "half filled":
        (folder / "journal.db").write_bytes(b"the beginning of a new one")
    delivered, _, saved = expect_nothing_wrong(folder)
    assert delivered == COUNT - DELIVERED - 11
    assert saved.folder == folder / "damaged-1"


def test_log_without_its_database_is_not_played_into_a_new_one(sound, tmp_path):
    folder = copied(sound, tmp_path)
    journal = open_here(folder)
    journal.append([admitted(lane_of(journal.recover(), "main"), make_records(50))])
    journal.sync()
    log = (folder / "journal.db-wal").read_bytes()
    journal.close()
    (folder / "journal.db").unlink()
    (folder / "journal.db-wal").write_bytes(log)
    again = open_here(folder)
    assert lane_of(again.recover(), "main").last == 0
    assert (folder / "damaged-1" / "journal.db-wal").read_bytes() == log
    assert salvages(folder) == [(folder / "damaged-1", None, None, None)]
    again.close()


def test_damaged_files_are_kept_up_to_a_bound(sound, tmp_path):
    folder = copied(sound, tmp_path)
    for _ in range(DAMAGED_MAX):
        (folder / "journal.suspect").touch()
        open_here(folder).close()
    (folder / "journal.suspect").touch()
    with pytest.raises(JournalError) as caught:
        open_here(folder)
    assert "damaged-1" in caught.value.hint
