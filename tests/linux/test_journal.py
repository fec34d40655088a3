"""The SQLite journal's own promises: what goes wrong with SQLite, and does not here."""

import os
import shutil
import subprocess
import sys

import apsw
import pytest

from fakes.journal_script import admitted, lane_of, make_records
from tidegate.errors import STORAGE_IO, StorageError
from tidegate.records.clock import Boot
from tidegate.records.record import Record
from tidegate.store.journal import OVERFLOW, Booted, Dropped, Forgotten, Released
from tidegate_linux.journal.connection import connect
from tidegate_linux.journal.errors import JournalError
from tidegate_linux.journal.schema import VERSION
from tidegate_linux.journal.sqlite import open_journal, read_state
from tidegate_linux.journal.store import CHECKPOINT_PAGES_MAX
from tidegate_linux.journal.wal import PAGE_BYTES

ALL = 1 << 30
LIMIT_BYTES = 100_000_000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "node"


@pytest.fixture
def journal(folder):
    opened = open_here(folder)
    yield opened
    opened.close()


def open_here(folder, lanes=("main",), limit_bytes=LIMIT_BYTES):
    return open_journal(folder, list(lanes), limit_bytes=limit_bytes)


def store(journal, records):
    journal.append([admitted(lane_of(journal.recover(), "main"), records)])
    journal.sync()


def query(folder, sql):
    connection = apsw.Connection(str(folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_durable_settings_are_really_set(folder, journal):
    pragma = journal._connection.pragma
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("temp_store") == 2
    assert pragma("page_size") == PAGE_BYTES
    assert pragma("max_page_count") * PAGE_BYTES >= LIMIT_BYTES + 32_000_000


def test_sqlite_is_free_of_the_log_reset_bug():
    # 3.7.0 to 3.51.2 could corrupt a database when its log was reset.
    assert tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) >= (3, 51, 3)


def test_limit_is_set_again_at_every_open(folder):
    open_here(folder).close()
    journal = open_here(folder, limit_bytes=10_000_000)
    assert journal._connection.pragma("max_page_count") * PAGE_BYTES < 44_000_000
    journal.close()


def test_second_gateway_on_the_folder_is_refused(folder, journal):
    with pytest.raises(JournalError) as caught:
        open_here(folder)
    assert str(os.getpid()) in caught.value.what
    assert "data folder" in caught.value.hint
    store(journal, make_records(1))


def test_lock_ends_with_its_process(folder):
    code = (
        "import os, sys; from pathlib import Path;"
        "from tidegate_linux.journal.sqlite import open_journal;"
        "open_journal(Path(sys.argv[1]), ['main'], limit_bytes=10**8); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=False)
    assert done.returncode == 9
    open_here(folder).close()


@pytest.mark.parametrize(
    ("pragma", "value", "word"),
    [("user_version", VERSION + 1, "format"), ("application_id", 7, "not made by Tidegate")],
)
def test_foreign_or_newer_database_is_refused_and_left_alone(folder, pragma, value, word):
    open_here(folder).close()
    connection = apsw.Connection(str(folder / "journal.db"))
    connection.pragma(pragma, value)
    connection.close()
    for attempt in (lambda: open_here(folder), lambda: read_state(folder)):
        with pytest.raises(JournalError) as caught:
            attempt()
        assert word in caught.value.what
        assert caught.value.hint
    assert query(folder, f"PRAGMA {pragma}") == [(value,)]


def test_unfinished_creation_does_not_keep_it_from_starting(folder):
    folder.mkdir()
    (folder / "journal.new").write_bytes(b"half a database")
    (folder / "journal.new-wal").write_bytes(b"half a log")
    open_here(folder).close()
    assert not (folder / "journal.new").exists()


def test_new_lanes_are_added_and_old_ones_kept(folder):
    open_here(folder, ["main"]).close()
    journal = open_here(folder, ["alarm", "main"])
    state = journal.recover()
    assert [lane.lane for lane in state.lanes] == ["main", "alarm"]
    assert state.lanes[0].epoch != state.lanes[1].epoch
    journal.close()


def test_owner_reads_plain_tables_while_it_runs(folder, journal):
    journal.append([Booted(Boot(1, "b" * 16, 1_760_000_000_000, 2))])
    records = [Record(1, 5, b"site/pump", b'{"bar": 2.5}', 5, b""), *make_records(5, at_ms=10)]
    store(journal, records)
    journal.append([Dropped("main", 2, 3, None, OVERFLOW, False), Released("main", 1, 1)])
    journal.append([Dropped("main", 4, 4, None, "quarantined: no", True)])
    journal.sync()
    rows = query(folder, "SELECT * FROM records ORDER BY seq")
    assert rows[0] == (
        "main", 1, "delivered", 1_760_000_000_005, "2025-10-09T08:53:20.005Z",
        "site/pump", '{"bar": 2.5}', 1, 1,
    )  # fmt: skip
    assert [row[1:3] for row in rows[1:]] == [(5, "held"), (6, "held")]
    status = query(
        folder, "SELECT admitted, delivered, held, quarantined, dropped, balanced FROM status"
    )
    assert status == [(6, 1, 2, 1, 2, 1)]
    assert query(folder, "SELECT * FROM gaps") == [
        ("main", 2, 3, OVERFLOW),
        ("main", 4, 4, "quarantined: no"),
    ]
    aside = query(folder, "SELECT lane, seq, topic, payload FROM quarantine")
    assert aside == [("main", 4, "site/2", records[3].payload)]
    shell = shutil.which("sqlite3")
    if shell is not None:
        command = [shell, "-readonly", str(folder / "journal.db"), "SELECT count(*) FROM records"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"3\n"


def test_state_is_read_beside_a_running_gateway_and_without(folder):
    with pytest.raises(JournalError):
        read_state(folder)
    journal = open_here(folder)
    store(journal, make_records(7))
    expected = journal.recover()
    assert read_state(folder, 4096) == expected
    copy = folder.parent / "killed"
    shutil.copytree(folder, copy)
    assert read_state(copy, 4096) == expected
    journal.close()
    assert read_state(folder, 4096) == expected
    assert read_state(copy, 4096) == expected


def test_log_is_bounded_and_gone_after_a_clean_end(folder, journal):
    for at in range(60):
        store(journal, make_records(200, size=500, at_ms=at * 200))
    planned_bytes = CHECKPOINT_PAGES_MAX * (PAGE_BYTES + 24)
    assert (folder / "journal.db-wal").stat().st_size < 2 * planned_bytes
    journal.close()
    assert not (folder / "journal.db-wal").exists()


def test_long_reader_stops_neither_commits_nor_a_restart(folder, journal):
    store(journal, make_records(1))
    reader = apsw.Connection(str(folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM record").fetchall()
    small = journal.usage().stored_bytes
    for at in range(60):
        store(journal, make_records(300, size=500, at_ms=1 + at * 300))
    database_bytes = journal._connection.pragma("page_count") * PAGE_BYTES
    # The log that the reader keeps from being emptied counts as well, so that the limit holds.
    assert journal.usage().stored_bytes > database_bytes > small
    journal.close()
    again = open_here(folder)
    assert again.recover().lanes[0].last == 1 + 60 * 300
    again.close()
    reader.close()


def test_failed_journal_writes_nothing_more_and_opens_again(folder, journal):
    store(journal, make_records(3))
    # A statement that fails inside the transaction, as any refused write does.
    journal._connection.execute(
        "CREATE TEMP TRIGGER no BEFORE INSERT ON record BEGIN SELECT x.y; END"
    )
    journal.append([admitted(lane_of(journal.recover(), "main"), make_records(2))])
    with pytest.raises(StorageError):
        journal.sync()
    for call in (journal.sync, journal.recover, journal.usage):
        with pytest.raises(StorageError):
            call()
    journal.close()
    again = open_here(folder)
    assert again.recover().lanes[0].last == 3
    again.close()


def test_writer_from_outside_is_waited_for_and_then_reported(folder, journal):
    writer = apsw.Connection(str(folder / "journal.db"))
    writer.execute("BEGIN IMMEDIATE")
    journal._connection.set_busy_timeout(50)
    journal.append([admitted(lane_of(journal.recover(), "main"), make_records(1))])
    with pytest.raises(StorageError) as caught:
        journal.sync()
    assert caught.value.kind == STORAGE_IO
    writer.execute("ROLLBACK")
    writer.close()


def test_figures_and_rows_agree_after_drops_and_forgetting(journal):
    store(journal, make_records(50))
    journal.append([Dropped("main", 10, 12, None, OVERFLOW, False), Released("main", 20, 17)])
    journal.append([Forgotten("main", 15)])
    journal.sync()
    state = journal.recover().lanes[0]
    audit = journal.audit()[0]
    assert audit == ("main", state.held_records, state.held_bytes, 0)


def test_device_that_invents_topics_does_not_grow_the_dictionary_for_ever(folder, journal):
    at = 0
    most = 0
    for _ in range(40):
        records = [Record(1, at + i, b"invented/%d" % (at + i), b"", 0, b"") for i in range(5000)]
        at += 5000
        store(journal, records)
        journal.append([Released("main", at, 5000), Forgotten("main", at)])
        journal.sync()
        most = max(most, query(folder, "SELECT count(*) FROM topic")[0][0])
    assert most < 2 * 65_536 + 5000
    store(journal, make_records(10, at_ms=at))
    assert journal.read("main", at + 1, ALL, ALL).records == make_records(10, at_ms=at)


def test_topics_in_use_outlive_the_pruning_of_others(journal):
    steady = [Record(1, i, b"steady", b"", 0, b"") for i in range(70_000)]
    store(journal, [Record(1, 0, b"old but held", b"", 0, b"")])
    for at in range(0, 140_000, 10_000):
        store(journal, steady[:10_000])
        if at >= 70_000:
            journal.append([Released("main", at, 10_000 if at > 70_000 else at)])
            journal.append([Forgotten("main", at)])
            journal.sync()
    last = journal.recover().lanes[0].last
    span = journal.read("main", 130_001, ALL, ALL)
    assert (span.last, span.damaged) == (last, 0)


def test_limit_smaller_than_the_database_still_opens(folder, journal):
    store(journal, make_records(3000, size=1000))
    journal.close()
    again = open_here(folder, limit_bytes=100_000)
    assert again.recover().lanes[0].last == 3000
    again.append([Released("main", 3000, 3000), Forgotten("main", 3000)])
    again.sync()
    store(again, make_records(10))
    again.close()


def test_memory_does_not_grow_with_the_backlog(folder):
    code = """
import sys
from pathlib import Path
from fakes.journal_script import admitted, make_records
from tidegate_linux.journal.sqlite import open_journal
journal = open_journal(Path(sys.argv[1]), ["main"], limit_bytes=10**9)
def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * 4
def store(count):
    for _ in range(count):
        lane = journal.recover().lanes[0]
        journal.append([admitted(lane, make_records(1000, size=128, at_ms=lane.last))])
        journal.sync()
store(30)
before = resident_kib()
store(270)
at = 1
while at <= 300_000:
    at = journal.read("main", at, 1000, 10**7).last + 1
print(before, resident_kib())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    before, after = (int(word) for word in done.stdout.split())
    assert after < before + 6 * 1024
    assert after < 64 * 1024


def test_connection_is_closed_when_its_set_up_fails(folder):
    open_here(folder).close()
    shutil.copy(folder / "journal.db", folder / "other.db")
    connection = apsw.Connection(str(folder / "other.db"))
    connection.pragma("user_version", VERSION + 1)
    connection.close()
    with pytest.raises(JournalError):
        connect(folder / "other.db", LIMIT_BYTES)
    (folder / "other.db").unlink()
