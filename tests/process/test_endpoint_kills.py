"""P1 to P3 straight from the device: the gateway with its own endpoint is killed under load.

Half of the devices publish with QoS 1, half with QoS 2, half of each in either version; nothing in
their messages names a copy.
"""

import statistics

from process.chain import traces
from process.counts import SEED, bound, spread
from process.site import Site

RESTART_S = 5.0  # Alone on a machine it is under one; other tests may run beside this one.


def kill_often(site, kills, chance):
    """Kill the gateway: one time in four while it starts, else while it works."""
    for _ in range(kills):
        if chance.random() < 0.25:
            pause_s = chance.uniform(0, 0.7)
        else:
            site.wait_listening()
            pause_s = chance.uniform(0, 0.4)
        site.pause(pause_s)
        site.kill()


@spread("kills", small=4, large=500, instances=4)
def test_kills_lose_nothing_and_repeat_nothing(tmp_path, chance, kills):
    with Site(tmp_path) as site:
        with site.load():
            kill_often(site, kills, chance)
            site.wait_listening()
        verdict = site.settle()
        log = site.gateway.log()
    devices = site.fleet.devices
    resent = sum(device.resent for device in devices)
    print(f"seed {SEED}: {kills} kills, {sum(site.sent.values())} acknowledged: {verdict}")
    print(f"{sum(device.connections for device in devices)} connections, {resent} sent again")
    print(f"restart: median {statistics.median(site.restarts_s):.2f} s; lost {bound(kills)}")
    assert verdict.records >= 20 * kills, "that was no load"
    # A few kills may all come between two messages; of a hundred some do not.
    assert resent > 0 or kills < 100, "no kill came between a message and its acknowledgement"
    assert verdict.is_perfect, verdict
    assert sum(device.lost_sessions for device in devices) == 0
    assert statistics.median(site.restarts_s) < RESTART_S
    assert traces(log) == []
