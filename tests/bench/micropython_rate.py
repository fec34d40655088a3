"""What a MicroPython node manages on this machine: `python tests/bench/micropython_rate.py`.

Records a second into the log, and upwards to a real gateway over MQTT and over HTTP, until a
backlog is delivered; flash bytes a record; heap of the running node beyond the bare interpreter's,
with its bytecode in the heap and with that in a ROMFS image.  The node is what boards are given,
run on the unix port: its processor, its 64 bits and its file system are not a board's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "tests/core", "core", "platforms")]

from fixtures.node_bundle import builder  # noqa: E402 - found by the paths above.
from process.nodes_site import NodesSite  # noqa: E402
from test_micropython import program  # noqa: E402

PROGRAM = ROOT / "tests" / "on_micropython" / "on_board" / "measure_rate.py"
HEAP = "1m"  # More than it needs, so that collecting garbage is not what is measured.
TIMEOUT_S = 600


def measure(bundle: Path, folder: Path, **task: object) -> "dict[str, float]":
    """Run the node's part and return what it measured."""
    path = folder / "task.json"
    path.write_text(json.dumps({"folder": str(folder / "log"), "uplink": None, **task}))
    done = subprocess.run(
        [program("micropython"), "-X", f"heapsize={HEAP}", str(PROGRAM), str(path)],
        env={
            **os.environ,
            "MICROPYPATH": f"{bundle / 'lib'}:{Path(sys.prefix) / 'micropython'}:.frozen",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def measure_all(folder: Path, options: argparse.Namespace) -> "dict[str, float]":
    """Fill a log for each kind of uplink, and send it."""
    bundle = folder / "bundle"
    builder().build(ROOT, bundle)
    sizes = {"payload_bytes": options.payload_bytes, "puts": options.puts}
    queued = options.records - options.puts
    found: dict[str, float] = {}
    (folder / "site").mkdir()
    with NodesSite(folder / "site") as site:
        for kind in ("mqtt", "http"):
            one = folder / kind
            one.mkdir()
            filled = measure(bundle, one, queued=queued, **sizes)
            sent = measure(bundle, one, uplink=site.uplink(kind))
            assert sent["held"] == options.records
            [image] = bundle.glob("*.romfs")
            in_rom = measure(bundle, one, uplink=site.uplink(kind), romfs=str(image))
            sent["heap_with_romfs_bytes"] = in_rom["running_heap_bytes"]
            found.update(filled)
            found.update({f"{kind}_{name}": value for name, value in sent.items()})
        site.wait_delivered()
        [(records,)] = site.hub.query("SELECT count(*) FROM records")
        assert records == 2 * options.records
    return found


def main(arguments: "list[str]") -> None:
    """Print what was measured, one figure a line."""
    parser = argparse.ArgumentParser(description="Measure a MicroPython node on this machine.")
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--puts", type=int, default=1000)
    parser.add_argument("--payload-bytes", type=int, default=100)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure_all(Path(folder), options)
    for name, value in found.items():
        print(f"{name:28} {value:12,.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
