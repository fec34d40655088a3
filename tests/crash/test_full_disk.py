"""A disk that is really full stops admission and nothing else, and passes by itself."""

import pytest

from crash.mounts import Mount, require
from fakes.journal_script import admitted, lane_of, make_records
from tidegate.errors import STORAGE_FULL, StorageError
from tidegate.store.journal import Forgotten, Released
from tidegate_linux.journal.sqlite import open_journal

ALL = 1 << 30


def open_here(folder, limit_bytes=1 << 30):
    return open_journal(folder, ["main"], limit_bytes=limit_bytes)


def store_until_refused(journal, count=20):
    """Return the last number that was acknowledged, and the refusal."""
    acknowledged = 0
    while True:
        state = lane_of(journal.recover(), "main")
        try:
            journal.append([admitted(state, make_records(count, size=500, at_ms=state.last))])
            journal.sync()
        except StorageError as error:
            journal.close()
            return acknowledged, error
        acknowledged = lane_of(journal.recover(), "main").last


def fill_up(folder):
    """Let somebody else take what is left of the disk."""
    with (folder / "somebody-else").open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def deliver_everything(folder):
    """Drain the journal as the engine does: at a refusal it is opened again, and goes on."""
    delivered = refusals = 0
    while True:
        assert refusals < 20, "the journal does not come free"
        try:
            journal = open_here(folder)
        except StorageError:
            refusals += 1
            continue
        try:
            state = lane_of(journal.recover(), "main")
            while state.through < state.last:
                span = journal.read("main", state.through + 1, 50, ALL)
                assert span.damaged == 0
                delivered += len(span.records)
                journal.append([Released("main", span.last, len(span.records))])
                journal.append([Forgotten("main", span.last)])
                journal.sync()
                state = lane_of(journal.recover(), "main")
            journal.close()
            return delivered, refusals
        except StorageError:
            journal.close()
            refusals += 1


@pytest.mark.parametrize(("kind", "size_bytes"), [("tmpfs", 3_000_000), ("ext4", 6_000_000)])
def test_full_disk_drains_without_help_and_takes_records_again(tmp_path, kind, size_bytes):
    require("mount", "mkfs.ext4")
    with Mount(tmp_path / "disk", kind, size_bytes) as disk:
        folder = disk.point / "node"
        acknowledged, error = store_until_refused(open_here(folder))
        assert error.kind == STORAGE_FULL
        fill_up(disk.point)
        delivered, refusals = deliver_everything(folder)
        print(f"{kind}: {acknowledged} acknowledged, {delivered} delivered, {refusals} refusals")
        assert acknowledged <= delivered <= acknowledged + 20
        # The journal's own pages are free again, though the disk is as full as before.
        journal = open_here(folder)
        state = lane_of(journal.recover(), "main")
        for _ in range(5):
            journal.append([admitted(state, make_records(20, size=500))])
            journal.sync()
            state = lane_of(journal.recover(), "main")
        assert state.held_records == 100
        journal.close()


def test_limit_is_refused_as_full_and_forgetting_makes_room(tmp_path):
    limit_bytes = 300_000
    acknowledged, error = store_until_refused(open_here(tmp_path / "node", limit_bytes), 2000)
    assert error.kind == STORAGE_FULL
    journal = open_here(tmp_path / "node", limit_bytes)
    state = lane_of(journal.recover(), "main")
    assert state.last == acknowledged
    journal.append([Released("main", 1000, 1000), Forgotten("main", 1000)])
    journal.sync()
    journal.append([admitted(state, make_records(500, size=500))])
    journal.sync()
    assert journal.read("main", state.last + 1, ALL, ALL).last == state.last + 500
    journal.close()
