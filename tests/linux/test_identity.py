"""`tidegate identity`: who a node is, and what a person is told and refused."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from fixtures.broker import Broker
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from fixtures.quarantined import Site
from tidegate.store.journal import Released, Renewed
from tidegate_linux.journal.identity_rows import LEFT_TO_ORIGINAL
from tidegate_linux.journal.sqlite import open_journal, read_state

NODE = "SELECT value FROM meta WHERE name = 'node'"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def shown(site):
    return json.loads(site.command("identity", "show", "--json", "-c", site.config))


def test_show_names_the_node_and_each_stream(site):
    site.poisoned(10, [3])
    site.store([Released("main", 5, 4)])
    node, epoch, _ = site.stream().split(".")
    state = site.main()
    assert shown(site) == {
        "node": node, "name": "site-7", "folder": str(site.home), "running": False,
        "process": None, "boots": 1, "renewals": 0, "former_node": None, "forks": 0,
        "streams": [
            {
                "stream": site.stream(), "lane": "main", "epoch": epoch, "admitted": 10,
                "through": 5, "hash": f"{state.last_hash:08x}", "held": 5, "quarantined": 1,
                "forks": 0,
            }
        ],
    }  # fmt: skip
    assert site.command("identity", "show", "-c", site.config).splitlines() == [
        f"node:    {node} (site-7)",
        f"folder:  {site.home}",
        "gateway: does not run",
        "boots:   1",
        "copies:  none was found out",
        f"{site.stream()}: admitted 10, through 5, hash {state.last_hash:08x}, 5 held",
    ]


def test_show_works_beside_a_running_gateway(site):
    site.poisoned(3, [])
    journal = site.open()
    try:
        assert (shown(site)["running"], shown(site)["process"]) == (True, os.getpid())
        text = site.command("identity", "show", "--folder", site.home)
        assert f"gateway: runs as process {os.getpid()}" in text
        assert "site-7" not in text  # Only the file knows it.
    finally:
        journal.close()


def test_show_counts_the_copies_that_were_found_out(site):
    site.poisoned(3, [])
    for digit in "ab":
        site.store([Renewed("main", digit * 16)])
    assert (shown(site)["forks"], shown(site)["streams"][0]["forks"]) == (2, 2)
    text = site.command("identity", "show", "-c", site.config)
    assert "copies:  found out 2 times" in text
    assert "a copy was found out 2 times" in text


def test_renew_says_what_becomes_of_what_is_held(site):
    site.poisoned(10, [3])
    site.store([Released("main", 4, 3)])
    before = shown(site)
    text = site.command("identity", "renew", "-c", site.config)
    after = shown(site)
    assert f"node {before['node']} is {after['node']} from now on" in text
    assert after["streams"][0]["stream"] in text
    assert "6 records are held and will be sent under the new name" in text
    assert "renew again with --discard-held" in text
    assert "1 records stay in quarantine" in text
    assert (after["renewals"], after["former_node"]) == (1, before["node"])
    assert f"renewed: 1 times, from {before['node']}" in site.command(
        "identity", "show", "-c", site.config
    )


def test_held_records_are_discarded_only_after_a_question(site):
    site.poisoned(5, [])
    before = shown(site)
    words = ("identity", "renew", "--discard-held", "--folder", site.home)
    assert "Discard 5 records that are held" in site.command(*words, answer="n\n")
    assert shown(site) == before
    assert "discarded 5 records" in site.command(*words, "--yes")
    assert shown(site)["node"] != before["node"]
    assert site.main().dropped == {LEFT_TO_ORIGINAL: 5}


def test_a_running_gateway_is_not_renewed(site):
    site.poisoned(5, [])
    before = site.stream()
    journal = site.open()
    try:
        for more in ((), ("--discard-held",)):
            said = site.command("identity", "renew", *more, "-c", site.config)
            assert f"a gateway runs on the journal in {site.home}, as process" in said
            assert "Discard" not in said
    finally:
        journal.close()
    assert site.stream() == before


def test_a_folder_without_a_node_needs_none_and_is_left_alone(site):
    assert "the first start makes one" in site.command("identity", "renew", "-c", site.config)
    assert not site.home.exists()
    assert "there is no journal" in site.command("identity", "show", "-c", site.config)


def test_each_copy_of_an_image_without_a_node_becomes_one_of_its_own(tmp_path):
    nodes = set()
    for name in ("image", "first", "second"):
        if name != "image":
            shutil.copytree(tmp_path / "image", tmp_path / name)
            open_journal(tmp_path / name, ["main"], limit_bytes=100_000_000).close()
            nodes.add(read_state(tmp_path / name).node)
        else:
            (tmp_path / name).mkdir()
    assert len(nodes) == 2


def test_without_file_and_folder_the_usage_is_said(site):
    assert "give --folder" in site.command("identity", "renew")
    assert "give --folder" in site.command("identity", "show")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: only root can become somebody else")
def test_root_leaves_the_folder_to_its_owner(site, tmp_path):
    site.poisoned(4, [])
    for path in (site.home, *site.home.iterdir()):
        shutil.chown(path, 65534, 65534)
    (site.home / "journal.ballast").unlink(missing_ok=True)
    for path in [tmp_path, *tmp_path.parents][:-2]:
        path.chmod(0o755)
    done = site.run_apart("renew", group="identity")
    assert done.returncode == 0, done.stderr
    assert "4 records are held" in done.stdout
    assert {path.stat().st_uid for path in site.home.iterdir()} == {65534}


def test_a_folder_that_cannot_be_looked_into_is_an_error_for_persons(site):
    folder = site.home.parent / ("x" * 300)
    for command in ("show", "renew"):
        said = site.command("identity", command, "--folder", folder)
        assert "file name too long" in said
        assert "tidegate check says more" in said


def test_a_damaged_journal_is_renewed_only_where_the_lanes_are_known(site):
    records = site.poisoned(5, [])
    with closing(sqlite3.connect(site.home / "journal.db")) as database, database:
        node = database.execute(NODE).fetchone()[0]
        database.execute("UPDATE lane SET last_hash = last_hash + 1")
    said = site.command("identity", "renew", "--folder", site.home)
    assert "is not what was stored" in said
    assert not (site.home / "damaged-1").exists()
    assert f"node {node} is" in site.command("identity", "renew", "-c", site.config)
    assert (site.home / "damaged-1").exists()
    assert site.read(1).records == list(records.values())[1:]  # Nothing proves the first.
    assert site.main().quarantined == 1
    assert shown(site)["former_node"] == node


@pytest.mark.slow
def test_the_hub_takes_renewed_copies_as_nodes_of_their_own(tmp_path):
    """The original has delivered 6 and holds 4; one copy keeps the 4, one leaves them to it."""
    folders = {name: tmp_path / name for name in ("original", "kept", "left")}
    for folder in (tmp_path / "hub", *folders.values()):
        folder.mkdir()
    with HubProcess(tmp_path / "hub") as hub, Broker(tmp_path / "broker") as broker:
        gateways = {
            name: GatewayProcess(folder, broker.url, hub.url, source={"client_id": name})
            for name, folder in folders.items()
        }
        original = Site(folders["original"])
        original.home = gateways["original"].data
        original.poisoned(6, [])
        deliver(gateways["original"], 6)
        original.poisoned(4, [])
        nodes = {"original": read_state(original.home).node}
        for name, more in (("kept", ()), ("left", ("--discard-held", "--yes"))):
            shutil.copytree(original.home, gateways[name].data)
            original.command("identity", "renew", "--folder", gateways[name].data, *more)
            nodes[name] = read_state(gateways[name].data).node
        deliver(gateways["kept"], 4)
        deliver(gateways["left"], 0)
        deliver(gateways["original"], 10)
        rows = hub.query("SELECT stream, seq FROM records ORDER BY stream, seq")
        gaps = hub.query("SELECT stream, first, last, reason FROM gaps")
        forks = [read_forks(original, gateway.data) for gateway in gateways.values()]
    arrived = {name: [s for stream, s in rows if stream.startswith(n)] for name, n in nodes.items()}
    assert arrived == {"original": list(range(1, 11)), "kept": [1, 2, 3, 4], "left": []}
    assert [(row[0][:16], *row[1:]) for row in gaps] == [(nodes["left"], 1, 4, LEFT_TO_ORIGINAL)]
    assert forks == [0, 0, 0]


def deliver(gateway, count):
    """Let a gateway run until it has delivered `count` and the hub has confirmed all it knows."""
    with gateway:
        gateway.wait(lambda status: status["streams"][0]["delivered"] == count)
        gateway.wait(lambda status: status["link"]["state"] == "up")
        gateway.stop()


def read_forks(site, folder):
    return json.loads(site.command("identity", "show", "--json", "--folder", folder))["forks"]
