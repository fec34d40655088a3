"""P1 straight from the device, and R2: the power of the gateway's disk is cut under load."""

import time

from crash.mounts import Mount, require
from process.chain import traces
from process.counts import SEED, bound, spread
from process.site import Site

DISK_BYTES = 80_000_000


@spread("cuts", small=2, large=200, instances=4)
def test_no_power_cut_takes_what_was_acknowledged_to_a_device(tmp_path, chance, cuts):
    require("mount", "mkfs.ext4")
    windows = []
    with (
        Mount(tmp_path / "disk", "ext4", DISK_BYTES) as disk,
        Site(tmp_path, data=disk.point / "gateway") as site,
    ):
        with site.load():
            for _ in range(cuts):
                site.wait_listening()
                site.pause(chance.uniform(0, 0.5))
                windows.append(cut_power(site, disk))
            site.wait_listening()
        verdict = site.settle(unless=windows)
        log = site.gateway.log()
        missing = site.missing(unless=windows)
        spared = site.missing() - missing
        site.gateway.stop()
    lost_sessions = sum(device.lost_sessions for device in site.fleet.devices)
    print(
        f"seed {SEED}: {cuts} power cuts, {sum(site.sent.values())} acknowledged, {missing}"
        f" missing; acknowledged in the moment of a cut and missing: {spared}; {verdict}"
    )
    print(f"lost {bound(cuts)}")
    assert missing == 0
    assert verdict.lost <= spared
    assert verdict.records >= 20 * cuts
    if not spared and "stream_forked" not in log:
        assert verdict.is_perfect, verdict
        assert lost_sessions == 0
    assert "set aside" not in log, log
    assert traces(log) == []


def cut_power(site, disk):
    """Cut it, let the file system recover, and start again.

    Return the time in which acknowledgements do not count: in the midst of such a cut the kernel
    answers that a sync was done which was not (no machine without power answers anything).
    """
    cut_s = time.monotonic()
    disk.cut_power()
    site.gateway.kill()
    killed_s = time.monotonic()
    disk.unmount()
    disk.mount()
    site.spawn()
    return cut_s, killed_s
