"""`tidegate quarantine`: what an operator sees, and is refused."""

import json
import os
import shutil
import tracemalloc

import pytest

from fixtures.broker import Broker
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from fixtures.quarantined import POISON, Site
from tidegate.records.record import RETAIN, Record, pack_properties
from tidegate.store.journal import Dropped
from tidegate_linux.journal.aside import Salvage, write_account
from tidegate_linux.journal.quarantine_rows import RETRIED, Wanted
from tidegate_linux.quarantine.access import open_to_look


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def set_aside(site, name="damaged-1"):
    folder = site.home / name
    folder.mkdir()
    (folder / "journal.db").write_bytes(b"x" * 4096)
    write_account(Salvage(folder, 500, 3, 0))
    return folder


def test_an_empty_quarantine_says_so(site):
    site.poisoned(3, [])
    assert site.run("list") == "0 records of 0 bytes, 0 folders\n"


def test_list_names_each_record_and_each_folder(site):
    site.poisoned(10, [3, 7])
    set_aside(site)
    lines = site.run("list").splitlines()
    assert lines[0] == site.stream()
    assert lines[1].split() == [
        "3", "2025-10-09T08:53:20.002Z", "20", "B", "site/2", "topic-not-allowed",
    ]  # fmt: skip
    assert lines[2].split()[0] == "7"
    assert lines[3].startswith("damaged-1: the journal was damaged")
    assert "500 held records were carried over, 3 lost" in lines[3]
    assert lines[4].split() == ["4,096", "B", "journal.db"]
    assert lines[-1] == "2 records of 40 bytes, 1 folders"


def test_list_for_programs_is_one_object_a_line(site):
    site.poisoned(10, [3])
    folder = set_aside(site)
    record, aside = [json.loads(line) for line in site.run("list", "--json").splitlines()]
    assert record == {
        "kind": "record", "lane": "main", "stream": site.stream(), "seq": 3, "reason": POISON,
        "time": "2025-10-09T08:53:20.002Z", "boot": 1, "ticks_ms": 2, "topic": "site/2",
        "bytes": 20, "qos": 2, "retain": False,
    }  # fmt: skip
    assert (aside["kind"], aside["folder"]) == ("folder", str(folder))
    assert (aside["records"], aside["lost"], aside["files"]["journal.db"]) == (500, 3, 4096)


def test_show_prints_a_record_whole_and_obeys_nothing_in_it(site):
    properties = pack_properties([(b"unit", b"\x1b[31mred")])
    text = Record(1, 5, b"site/a", "caf\u00e9 \x1b[2J".encode(), 1 | RETAIN, properties)
    raw = Record(9, 6, b"site/b", b"\xff\x00", 0, b"")
    site.admit([text, raw])
    site.store([Dropped("main", seq, seq, None, POISON, True) for seq in (1, 2)])
    shown = site.run("show", site.stream(), 1)
    assert "\x1b" not in shown
    assert "payload:   caf\u00e9 \\x1b[2J" in shown
    assert "qos:       1, retained" in shown
    assert "property unit: \\x1b[31mred" in shown
    shown = site.run("show", site.stream(), 2)
    assert "payload:   hex ff00" in shown
    assert "time:      not known; 6 ms of boot 9" in shown
    fields = json.loads(site.run("show", site.stream(), 2, "--json"))
    assert fields["payload_hex"] == "ff00"


def test_show_of_a_folder_says_what_is_in_it(site):
    site.poisoned(1, [])
    set_aside(site)
    assert "4,096 B  journal.db" in site.run("show", "damaged-1")
    assert "no folder" in site.run("show", "damaged-2")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("show", "nonsense", 1), "no stream"),
        (("show", "a" * 16 + "." + "b" * 16 + ".main", 1), "not in quarantine"),
        (("show", "a" * 16 + "." + "b" * 16 + ".main"), "number"),
        (("retry", "a" * 16 + "." + "b" * 16 + ".main", 0), "number 0"),
        (("retry", "--all"), "no such record"),
        (("discard", "--all"), "no such record"),
        (("discard", "--all", "--yes"), "no such record"),
        (("discard", "damaged-1"), "no folder"),
        (("export", "/nowhere/at/all"), "cannot be written"),
        (("retry",), "--all"),
        (("discard", "x", "--all"), "--all"),
    ],
)
def test_what_is_not_there_is_said(site, words, what):
    site.poisoned(1, [])
    assert what in site.run(*words)


def test_without_a_journal_there_is_no_quarantine(site):
    for words in (("list",), ("retry", "--all"), ("discard", "--all", "--yes")):
        assert "there is no journal" in site.run(*words)
    assert not site.home.exists()


def test_export_writes_all_that_show_shows_and_changes_nothing(site, tmp_path):
    records = site.poisoned(10, [3, 7])
    file = tmp_path / "poison.jsonl"
    assert "wrote 2 records" in site.run("export", file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["seq"] for row in rows] == [3, 7]
    assert rows[0]["payload"].encode() == records[3].payload
    assert rows[1] == json.loads(site.run("show", site.stream(), 7, "--json"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert site.main().quarantined == 2


def test_export_of_one_record_never_replaces_a_file(site, tmp_path):
    site.poisoned(10, [3, 7])
    file = tmp_path / "poison.jsonl"
    file.write_text("precious")
    assert "is there already" in site.run("export", file, site.stream(), 7)
    assert file.read_text() == "precious"
    other = tmp_path / "seven.jsonl"
    site.run("export", other, site.stream(), 7)
    assert json.loads(other.read_text())["seq"] == 7
    assert sorted(path.name for path in tmp_path.glob("*.jsonl*")) == [
        "poison.jsonl",
        "seven.jsonl",
    ]


def test_export_of_nothing_makes_no_file(site, tmp_path):
    site.poisoned(10, [])
    assert "no such record" in site.run("export", tmp_path / "poison.jsonl")
    assert list(tmp_path.glob("*poison*")) == []


def test_a_running_gateway_is_looked_at_and_not_changed(site, tmp_path):
    site.poisoned(10, [3])
    journal = site.open()
    try:
        assert "1 records of 20 bytes" in site.run("list")
        assert "wrote 1 records" in site.run("export", tmp_path / "poison.jsonl")
        for command in (("retry", "--all"), ("discard", "--all")):
            said = site.run(*command)
            assert f"a gateway runs on the journal in {site.home}, as process" in said
            assert "stop it, do this again, and start it" in said
    finally:
        journal.close()
    assert site.main().quarantined == 1


def test_a_folder_is_discarded_with_a_gateway_running(site):
    site.poisoned(1, [])
    folder = set_aside(site)
    journal = site.open()
    assert "Discard" in site.run("discard", "damaged-1", answer="n\n")
    assert folder.exists()
    assert site.run("discard", "damaged-1", "--yes") == f"discarded {folder}\n"
    journal.close()
    assert [path.name for path in site.home.iterdir() if path.is_dir()] == []


def test_a_folder_that_a_salvage_still_fills_is_not_discarded(site):
    site.poisoned(1, [])
    folder = set_aside(site)
    (site.home / "journal.salvage").write_text("damaged-1")
    assert "a salvage is not finished" in site.run("discard", "damaged-1", "--yes")
    assert folder.exists()


def test_memory_does_not_grow_with_the_quarantine(site):
    peaks = []
    for count in (1_000, 9_000):
        first = site.main().last + 1 if site.home.exists() else 1
        site.poisoned(count, [])
        site.store([Dropped("main", first, first + count - 1, None, POISON, True)])
        stored = open_to_look(site.home)
        tracemalloc.start()
        seen = sum(1 for _ in stored.heads(Wanted(None, None)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        stored.close()
    assert seen == 10_000
    assert peaks[1] < peaks[0] * 1.5


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: only root can become somebody else")
def test_root_leaves_the_journal_to_its_owner(site, tmp_path):
    site.poisoned(10, [3])
    for path in (site.home, *site.home.iterdir()):
        shutil.chown(path, 65534, 65534)
    (site.home / "journal.ballast").unlink(missing_ok=True)
    for path in [tmp_path, *tmp_path.parents][:-2]:
        path.chmod(0o755)
    assert "1 records" in site.run_apart("list").stdout
    done = site.run_apart("retry", "--all")
    assert done.returncode == 0, done.stderr
    assert "admitted 1 records" in done.stdout
    assert {path.stat().st_uid for path in site.home.iterdir()} == {65534}


def test_what_was_retried_arrives_at_the_hub_and_is_no_warning(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    with HubProcess(folder) as hub, Broker(tmp_path / "broker") as broker:
        gateway = GatewayProcess(tmp_path, broker.url, hub.url)
        site = Site(tmp_path)
        site.home = gateway.data
        site.poisoned(10, [3])
        with gateway:
            gateway.wait(lambda status: status["streams"][0]["delivered"] == 9)
            gateway.stop()
            assert "admitted 1 records" in site.run("retry", "--all")
            gateway.start()
            status = gateway.wait(lambda status: status["streams"][0]["delivered"] == 10)
        assert status["streams"][0]["dropped"] == {RETRIED: 1}
        assert not [text for text in status["health"]["warnings"] if "retried" in text]
        rows = hub.query("SELECT seq, payload FROM records ORDER BY seq")
    assert [row[0] for row in rows] == [1, 2, *range(4, 12)]
    assert int(rows[-1][1]) == 2
