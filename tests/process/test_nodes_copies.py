"""Copies of folders: a node's that runs twice, a gateway's that is lost or older than its nodes."""

import shutil
import time

import pytest

from process.micropython_node import MicroPythonNode
from process.nodes_site import NodesSite, check_balance
from process.nodes_verdict import judge_nodes

MQTT, HTTP = "mqtt", "http"
SLOW_MQTT, SLOW_HTTP = [pytest.param(kind, marks=pytest.mark.slow) for kind in (MQTT, HTTP)]
TOGETHER_S = 4.0
PUT_S = 30.0
STREAMS = "SELECT DISTINCT origin_stream FROM records WHERE origin_stream IS NOT NULL"
KEPT = {"keep_delivered_bytes": 400_000}  # More than a test puts.
LITTLE = {"limit_bytes": 65_536, "keep_delivered_bytes": 16_384}


def put_more(*nodes: MicroPythonNode, count: int = 60) -> None:
    """Let nodes run until each has promised so many more, and kill them."""
    wanted = [node.count + count for node in nodes]
    for node in nodes:
        if not node.is_running:
            node.start()
    deadline = time.monotonic() + PUT_S
    while any(node.count < least for node, least in zip(nodes, wanted, strict=True)):
        assert all(node.is_running for node in nodes), [node.log() for node in nodes]
        assert time.monotonic() < deadline, [node.log() for node in nodes]
        time.sleep(0.05)
    for node in nodes:
        node.kill()


def origins(rows) -> "dict[tuple[str, int], bytes]":
    """Return the payloads by the node's stream and number; copies must be equal."""
    found: dict[tuple[str, int], bytes] = {}
    for row in rows:
        assert found.setdefault(row[2:4], row[5]) == row[5], row
    return found


@pytest.mark.parametrize("kind", [MQTT, SLOW_HTTP])
def test_a_cloned_node_goes_on_under_a_new_epoch_and_nothing_is_overwritten(tmp_path, kind):
    with NodesSite(tmp_path) as site:
        first = site.node("n1", kind)
        put_more(first)
        first.drain()
        shutil.copytree(first.data, tmp_path / "n2" / "log")
        put_more(first)
        second = site.node("n2", kind)
        put_more(second)  # The one after the other,
        put_more(first, second)  # and both together, as often as they like to,
        first.start()
        second.start()
        time.sleep(TOGETHER_S)
        assert first.is_running and second.is_running
        verdict = site.settle()
        streams = [stream for (stream,) in site.hub.query(STREAMS)]
    print(f"{len(streams)} streams, {verdict}")
    assert verdict.is_perfect, verdict
    assert len({stream.split(".")[0] for stream in streams}) == 1
    assert len(streams) >= 2
    assert "stream forked" in second.log()


@pytest.mark.parametrize("kind", [SLOW_MQTT, HTTP])
def test_what_a_node_keeps_comes_again_where_a_gateway_lost_its_folder(tmp_path, kind):
    with NodesSite(tmp_path) as site:
        node = site.node("n1", kind, pace_ms=1, journal=LITTLE)
        put_more(node, count=600)
        node.drain()
        site.wait_delivered()
        before = site.rows()
        site.gateway.kill()
        site.gateway.data.rename(tmp_path / "lost")
        site.gateway.spawn()
        put_more(node)
        check_balance(node.drain())
        site.wait_delivered()
        rows, gaps = site.rows(), site.hub.query("SELECT * FROM origin_gaps")
        said = site.said
    assert [row for row in rows if row[0] == before[0][0]] == before
    again = [row for row in rows if row[0] != before[0][0] and row[2] != row[0]]
    # What it kept, from behind what it had forgotten on.
    [(_, stream, first, last, reason)] = gaps
    assert (stream, first, reason) == (before[0][2], 1, "expired")
    assert [row[3] for row in again] == list(range(last + 1, last + 1 + len(again)))
    assert last < before[-1][3], "it kept nothing"
    copies = {row[3] for row in again} & {row[3] for row in before}
    print(f"{len(before)} before, {len(again)} after, {len(copies)} of them copies")
    assert len(origins(rows)) == len(rows) - len(copies)
    verdict = judge_nodes(rows, said)
    # What is foreign to the judge is the record that tells of the gap.
    assert (verdict.lost, verdict.foreign, verdict.mistimed) == (0, 1, 0), verdict
    assert verdict.twice == len(copies)


@pytest.mark.parametrize("kind", [MQTT, SLOW_HTTP])
def test_nothing_is_lost_where_a_gateway_is_restored_from_an_older_copy(tmp_path, kind):
    with NodesSite(tmp_path) as site:
        node = site.node("n1", kind, journal=KEPT)
        put_more(node)
        node.drain()
        site.gateway.kill()
        shutil.copytree(site.gateway.data, tmp_path / "older")
        site.gateway.spawn()
        put_more(node)
        node.drain()
        site.wait_delivered()
        before = site.rows()
        site.gateway.kill()
        shutil.rmtree(site.gateway.data)
        (tmp_path / "older").rename(site.gateway.data)
        site.gateway.spawn()
        put_more(node)
        check_balance(node.drain())
        site.wait_delivered()
        rows, said = site.rows(), site.said
        assert site.hub.query("SELECT * FROM gaps") == []
        assert site.hub.query("SELECT * FROM origin_gaps") == []
    streams = {row[0] for row in rows}
    assert len(streams) == 2  # What the gateway sent since stays; it goes on under a new epoch.
    assert [row for row in rows if row[0] == before[0][0]] == before
    verdict = judge_nodes(rows, said)
    print(f"{len(before)} before, {len(rows)} after, {len(rows) - len(origins(rows))} twice")
    assert verdict.lost == verdict.foreign == verdict.mistimed == 0, verdict
    assert verdict.twice == verdict.same_origin == len(rows) - len(origins(rows))
    assert verdict.twice <= len(before)
