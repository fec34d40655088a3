"""A flipped bit in the log costs what it hit; SQLite alone drops all that follows, silently."""

import os
import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest

from fakes.journal_script import admitted, lane_of, make_records
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.journal.wal import FRAME_BYTES, HEADER_BYTES, is_damaged, mended

ALL = 1 << 30
COMMITS = 12
PER_COMMIT = 10
SEED = int(os.environ.get("TIDEGATE_SEED", "1"))
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder as SIGKILL leaves it: every commit stands in the log alone."""
    folder = tmp_path_factory.mktemp("killed") / "node"
    journal = open_here(folder)
    for at in range(COMMITS):
        state = lane_of(journal.recover(), "main")
        records = make_records(PER_COMMIT, size=300, at_ms=at * PER_COMMIT)
        journal.append([admitted(state, records)])
        journal.sync()
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    (copy / "journal.db-shm").unlink()
    journal.close()
    return copy


def open_here(folder):
    return open_journal(folder, ["main"], limit_bytes=50_000_000)


def frames_of(folder):
    return ((folder / "journal.db-wal").stat().st_size - HEADER_BYTES) // FRAME_BYTES


def opened_with_log(killed, log):
    """Return the payloads that are left, how many numbers are reported lost, and the salvage."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as scratch:
        folder = Path(scratch) / "node"
        shutil.copytree(killed, folder)
        (folder / "journal.db-wal").write_bytes(log)
        journal = open_here(folder)
        state = lane_of(journal.recover(), "main")
        span = journal.read("main", 1, ALL, ALL)
        assert (span.last, span.damaged) == (state.last, 0)
        journal.close()
        payloads = [record.payload for record in span.records]
        return payloads, state.last - len(payloads), journal.salvage


def test_whole_log_is_played_as_it_is(killed):
    log = killed / "journal.db-wal"
    payloads, lost, salvage = opened_with_log(killed, log.read_bytes())
    assert (len(payloads), lost, salvage) == (COMMITS * PER_COMMIT, 0, None)
    assert mended(log) is None


def test_torn_end_is_no_damage(killed):
    content = (killed / "journal.db-wal").read_bytes()
    for cut in (1, 100, FRAME_BYTES, FRAME_BYTES + 1):
        payloads, _, salvage = opened_with_log(killed, content[:-cut])
        assert salvage is None
        assert len(payloads) == (COMMITS - 1) * PER_COMMIT
    torn = bytearray(content)
    torn[-FRAME_BYTES // 2] ^= 1
    assert opened_with_log(killed, bytes(torn))[2] is None


def test_remnants_of_an_older_round_are_no_damage(tmp_path):
    journal = open_here(tmp_path / "node")
    for at in range(20):
        state = lane_of(journal.recover(), "main")
        journal.append([admitted(state, make_records(5, at_ms=at * 5))])
        journal.sync()
    journal.checkpoint()
    state = lane_of(journal.recover(), "main")
    journal.append([admitted(state, make_records(1))])
    journal.sync()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "node", copy)
    journal.close()
    assert frames_of(copy) > 20
    again = open_here(copy)
    assert again.salvage is None
    assert lane_of(again.recover(), "main").last == 101
    again.close()


def test_flipped_bits_cost_at_most_what_they_hit(killed):
    random = Random(SEED)
    content = (killed / "journal.db-wal").read_bytes()
    known = {record.payload for record in make_records(COMMITS * PER_COMMIT, size=300)}
    places = [random.randrange(len(content) * 8) for _ in range(80)]
    # The header, and the head of a frame in the middle, bit by bit.
    middle = HEADER_BYTES + frames_of(killed) // 2 * FRAME_BYTES
    places += [at * 8 + random.randrange(8) for at in (*range(32), *range(middle, middle + 24))]
    salvaged = unseen = told = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        payloads, lost, salvage = opened_with_log(killed, bytes(flipped))
        numbers = [int(payload) for payload in payloads]
        assert set(payloads) <= known
        assert numbers == sorted(set(numbers))
        salvaged += salvage is not None
        if salvage is None and len(payloads) < len(known):
            # Only the last commit can go unseen: it looks like the torn end of one.
            assert len(payloads) == (COMMITS - 1) * PER_COMMIT, f"seed {SEED}, bit {place}"
            unseen += 1
        else:
            # Where a whole page was hit, a salvage says so; the numbers in it may not be known.
            assert salvage is not None or len(payloads) == len(known), f"seed {SEED}, bit {place}"
            told += len(payloads) + lost >= len(known)
    print(f"seed {SEED}: {len(places)} flips, {salvaged} salvaged, {told} told by number")
    print(f"{unseen} in the last commit, unseen")
    assert salvaged > len(places) // 2
    assert unseen < len(places) // 4
    assert told > len(places) * 3 // 4


@pytest.mark.parametrize("content", [None, b"", b"short", b"x" * 40, b"x" * 5000, bytes(9000)])
def test_what_is_no_log_is_no_damaged_one(tmp_path, content):
    log = tmp_path / "journal.db-wal"
    if content is not None:
        log.write_bytes(content)
        assert mended(log) is None
    assert not is_damaged(log, 0)
