"""P1 to P4 over two hops: MicroPython nodes, gateway and hub are killed, and their lines cut.

Two nodes send over MQTT to the gateway's own endpoint, one over HTTP; what `put` has returned for
must be in the hub's table once and in order, under its node's stream and number.
"""

from process.chain import traces
from process.counts import SEED, bound, spread
from process.nodes_site import Mishaps, NodesSite


@spread("kills", small=6, large=120, instances=2)
def test_kills_and_cuts_lose_nothing_and_repeat_nothing(tmp_path, chance, kills):
    with NodesSite(tmp_path) as site:
        site.node("n1", "mqtt", "put")
        site.node("n2", "mqtt", "mixed", pace_ms=30)
        site.node("n3", "http", "aput")
        mishaps = Mishaps(site, chance)
        for _ in range(kills):
            mishaps.rest(0.3, 1.2)
            mishaps.cut_one()
            mishaps.rest(0.1, 0.8)
            mishaps.kill_next()
        verdict = site.settle()
        log = site.gateway.log() + "".join(node.log() for node in site.nodes)
    promised = sum(node.count for node in site.nodes)
    print(f"seed {SEED}: {mishaps.kills} killed, {mishaps.cuts} cuts, {promised} promised")
    print(f"{verdict}; lost {bound(kills)}")
    assert promised >= 20 * kills, "that was no load"
    assert all(node.count for node in site.nodes)
    assert mishaps.cuts >= kills / 2
    assert verdict.is_perfect, verdict
    assert traces(log) == []
