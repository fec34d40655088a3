"""P1 and R2 on the whole gateway: the power of its disk is cut under load, in the real kernel."""

import time

from crash.mounts import Mount, require
from process.chain import Chain, traces
from process.counts import SEED, bound, sized

DISK_BYTES = 80_000_000


@sized(cuts=(2, 30))
def test_no_power_cut_takes_what_was_acknowledged_to_the_broker(tmp_path, chance, cuts):
    require("mount", "mkfs.ext4")
    windows = []
    with (
        Mount(tmp_path / "disk", "ext4", DISK_BYTES) as disk,
        Chain(tmp_path, data=disk.point / "gateway") as chain,
    ):
        with chain.load():
            for _ in range(cuts):
                chain.wait_connected()
                chain.pause(chance.uniform(0, 0.6))
                windows.append(cut_power(chain, disk))
        verdict = chain.settle_promised(unless=windows)
        log = chain.gateway.log()
        missing = chain.missing(unless=windows)
        spared = len(chain.missing()) - len(missing)
        chain.gateway.stop()
    print(
        f"seed {SEED}: {cuts} power cuts, {len(chain.tap.acknowledged)} acknowledgements to the"
        f" broker, {len(missing)} messages missing; acknowledged in the moment of a cut and"
        f" missing: {spared}; {verdict}"
    )
    print(f"lost {bound(cuts)}")
    assert missing == set()
    assert verdict.lost <= spared
    assert verdict.records >= 20 * cuts
    if not spared and "stream_forked" not in log:
        assert verdict.is_perfect, verdict
    assert "set aside" not in log, log
    assert traces(log) == []


def cut_power(chain, disk):
    """Cut it, let the file system recover, and start again.

    Return the time in which acknowledgements do not count: in the midst of such a cut the kernel
    answers that a sync was done which was not (no machine without power answers anything).
    """
    cut_s = time.monotonic()
    disk.cut_power()
    chain.gateway.kill()
    killed_s = time.monotonic()
    disk.unmount()
    disk.mount()
    chain.spawn_gateway()
    return cut_s, killed_s
