"""P4 over two hops: what a small log could not hold is a gap, and the hub is told of all of it."""

import time

from process.counts import SEED
from process.nodes_site import NodesSite
from process.nodes_verdict import judge_nodes

SMALL = {"limit_bytes": 32_768, "keep_delivered_bytes": 4096}
GAPS = """SELECT origin_stream, first, last FROM origin_gaps WHERE reason = 'overflow'
          ORDER BY origin_stream, first"""


def numbers(rows, gaps):
    """Return, of each node's stream, its numbers that arrived, and those that gaps account for."""
    came: dict[str, list[int]] = {}
    gone: dict[str, list[int]] = {}
    for row in rows:
        if row[2] != row[0]:
            came.setdefault(row[2], []).append(row[3])
    for stream, first, last in gaps:
        gone.setdefault(stream, []).extend(range(first, last + 1))
    return came, gone


def dropped_by(status) -> int:
    """Return how many records a node has dropped, by what it says."""
    return sum(sum(stream["dropped"].values()) for stream in status.get("streams", ()))


def overflow(node, chance) -> None:
    """Wait until a node has dropped more than it had, and kill it some time after."""
    before = dropped_by(node.status())
    node.wait(lambda status: dropped_by(status) > before)
    time.sleep(chance.uniform(0, 0.5))
    node.kill()
    node.start()


def test_what_did_not_fit_is_a_gap_that_the_hub_knows(tmp_path, chance):
    with NodesSite(tmp_path) as site:
        nodes = [
            site.node("n1", "mqtt", "put", pace_ms=3, journal=SMALL),
            site.node("n2", "http", "mixed", pace_ms=10, journal=SMALL),
        ]
        for _ in range(3):
            for line in (site.mqtt_line, site.http_line):
                line.is_open = False
                line.cut()
            for node in nodes:
                overflow(node, chance)
            site.heal()
            time.sleep(chance.uniform(0, 1))
            site.gateway.kill()
            site.gateway.spawn()
        streams = []
        for node in nodes:
            node.kill()
            [stream] = node.drain()["streams"]
            assert stream["held"] == stream["quarantined"] == 0
            assert stream["admitted"] == stream["delivered"] + stream["dropped"]["overflow"]
            streams.append(stream)
        site.wait_delivered()
        rows, gaps, said = site.rows(), site.hub.query(GAPS), site.said
    came, gone = numbers(rows, gaps)
    for stream in streams:
        seqs, missing = came[stream["stream"]], gone[stream["stream"]]
        assert seqs == sorted(seqs)
        assert sorted(seqs + missing) == list(range(1, stream["admitted"] + 1))
        # What was dropped before its receipt came may have arrived all the same.
        assert 0 < len(missing) <= stream["dropped"]["overflow"]
    verdict = judge_nodes([row for row in rows if row[2] != row[0]], said)
    told = sum(len(missing) for missing in gone.values())
    print(f"seed {SEED}: {told} dropped, told in {len(gaps)} gaps: {verdict}")
    assert verdict.lost <= told
    assert verdict.foreign == verdict.twice == verdict.same_origin == verdict.mistimed == 0
