"""P6: the gateway's memory does not grow with what it holds, nor while that is drained."""

import time
from pathlib import Path

from process.chain import SETTLE_S, Chain
from process.counts import sized

RESIDENT_BYTES_MAX = 64_000_000


@sized(records=(20_000, 300_000))
def test_a_backlog_is_held_and_drained_in_64_megabytes(tmp_path, records):
    with Chain(tmp_path, uplink={"batch_records": 5000}) as chain:
        chain.hub.kill()
        with chain.load(publishers=4, per_s=0, messages=records // 4):
            pass
        chain.gateway.wait(lambda status: status["backlog"]["records"] == records, SETTLE_S)
        holding = memory_bytes(chain.gateway.pid, "VmRSS")
        taking_in = memory_bytes(chain.gateway.pid, "VmHWM")
        chain.hub.start()
        began_s = time.monotonic()
        verdict = chain.settle()
        took_s = time.monotonic() - began_s
        peak = memory_bytes(chain.gateway.pid, "VmHWM")
    print(
        f"{records} records: {taking_in / 1e6:.1f} MB at most while taken in, {holding / 1e6:.1f}"
        f" MB held, {peak / 1e6:.1f} MB at most; drained and looked at in {took_s:.1f} s"
    )
    assert verdict.is_perfect, verdict
    assert peak <= RESIDENT_BYTES_MAX


def memory_bytes(pid, name):
    """Return VmRSS, what is in memory now, or VmHWM, the most that ever was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc does not tell {name}")
