"""Where the time goes: what each stage of a message's way costs, in one process and one thread.

    .venv/bin/python tests/bench/stages.py [--rounds N]

Runs the real code from the bytes of an MQTT read to the row in the hub's table, five thousand
messages a round, and prints the CPU microseconds a message that each stage takes (the lower
quartile of the rounds, so that what else the machine does counts little).  Sockets, threads and the
waiting for syncs are not in it; `run.py` measures the whole.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("core", "platforms", "tests")]

from bench import telemetry  # noqa: E402 - found by the path above.
from tidegate.events import Arrived  # noqa: E402
from tidegate.records.clock import SYNCHRONISED, Clock  # noqa: E402
from tidegate.records.filters import FilterMap  # noqa: E402
from tidegate.store.admission import Admission  # noqa: E402
from tidegate.store.journal import Booted  # noqa: E402
from tidegate.store.lane import DEFAULT_LANE, Lane  # noqa: E402
from tidegate.wire import batch, envelope  # noqa: E402
from tidegate.wire.batch import Batch  # noqa: E402
from tidegate_hub.metrics import Metrics  # noqa: E402
from tidegate_hub.receiver import Receiver  # noqa: E402
from tidegate_hub.store import open_store  # noqa: E402
from tidegate_linux.http.link import _deflate  # noqa: E402
from tidegate_linux.inbox import Inbox  # noqa: E402
from tidegate_linux.journal.sqlite import open_journal  # noqa: E402
from tidegate_linux.mqtt.intake import Intake  # noqa: E402
from tidegate_linux.shell import COLLECT_OBJECTS  # noqa: E402

MESSAGES = 5000  # A batch of the default size.
READS = 5
BATCH_BYTES = 2_000_000  # No limit here: every round sends all it took in.
WALL_MS = 1_780_000_000_000


class Stages:
    """Times by stage."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def time(self, stage: str, work: Callable[[], object]) -> object:
        """Do `work` and book its CPU time."""
        began_s = time.thread_time()
        result = work()
        self.times.setdefault(stage, []).append(time.thread_time() - began_s)
        return result


class Way:
    """A gateway's and a hub's parts, put together without sockets and threads."""

    def __init__(self, folder: Path) -> None:
        self.journal = open_journal(folder / "gateway", [DEFAULT_LANE], limit_bytes=10**9)
        state = self.journal.recover()
        self.node = state.node
        self.lane = Lane(state.lanes[0])
        self.clock = Clock(state.boots, f"{telemetry.SEED:016x}")
        self.clock.observe(0, WALL_MS, SYNCHRONISED)
        self.journal.append([Booted(self.clock.boot)])
        self.admission = Admission(FilterMap([]), [], set())
        self.intake = Intake(False, [telemetry.TOPIC_FILTER.encode()], b"")
        self.inbox = Inbox()
        store = open_store(f"sqlite:///{folder}/hub.db", "0" * 16)
        self.receiver = Receiver(store, Metrics(), lambda: WALL_MS)

    def go(self, stages: Stages, data: bytes, now_ms: int) -> None:
        """Take the messages in `data` all the way."""
        part_bytes = len(data) // READS
        reads = [data[at : at + part_bytes] for at in range(0, len(data), part_bytes)]
        events = stages.time(
            "source: MQTT read to messages",
            lambda: [
                Arrived("source-1", 1, self.intake.feed(read, now_ms), [], None) for read in reads
            ],
        )
        stages.time("inbox", lambda: [self.inbox.put(event) for event in events])
        arrived = stages.time(
            "core: admission",
            lambda: self.admission.sort(self.inbox.take_all(0), self.clock.boot.number),
        )
        ((_, records),) = arrived.records
        entry = stages.time("core: numbers and hashes", lambda: self.lane.admit(records))
        stages.time("journal: commit", lambda: self._commit(entry))
        first = self.lane.through + 1
        span = stages.time(
            "journal: read back, verified",
            lambda: self.journal.read(DEFAULT_LANE, first, MESSAGES, BATCH_BYTES),
        )
        assert len(span.records) == MESSAGES
        stream = self.lane.stream(self.node)
        body = stages.time(
            "uplink: encode", lambda: batch.encode(Batch(stream, span, self.clock.boot.number, 0))
        )
        sent = stages.time("uplink: deflate", lambda: envelope.deflated(body, _deflate))
        answer = stages.time(
            "hub: decode, verify, insert, commit",
            lambda: self.receiver.receive(str(stream), "bench", sent),
        )
        assert answer.status == 200, answer
        stages.time("journal: release", lambda: self._commit(self.lane.release(span.last, 0)))

    def _commit(self, entry: object) -> None:
        self.journal.append([entry])
        self.journal.sync()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time each stage of a message's way.")
    parser.add_argument("--rounds", type=int, default=24)
    rounds = parser.parse_args().rounds
    data = telemetry.packets(MESSAGES)
    stages = Stages()
    gc.set_threshold(COLLECT_OBJECTS)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        way = Way(Path(folder))
        for number in range(rounds):
            way.go(stages, data, number)
        way.journal.close()
    total = 0.0
    for stage, times in stages.times.items():
        each_us = statistics.quantiles(times, n=4)[0] / MESSAGES * 1e6
        total += each_us
        print(f"{each_us:6.2f} us  {stage}")
    print(f"{total:6.2f} us  together")


if __name__ == "__main__":
    main()
