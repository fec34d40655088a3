"""Draining a backlog: a gateway that was offline for long, and the line comes back.

The backlog is made by the journal's own code, without a broker: a million records in commits of
ten thousand, as a gateway whose hub is away would have stored them.  It is made once and copied
for each run.  The gateway then starts on it with no hub in reach, its memory is read, the hub
starts, and the drain is timed from the first records in the hub's table to the last.

Beside it, for its memory, a Mosquitto whose bridge has lost the other side holds as many messages.
"""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

from bench import telemetry
from bench.machine import Used, busy_s, used_by
from bench.programs import End, Program, Team, free_port
from bench.systems import (
    IDLE_S,
    UNLIMITED,
    Table,
    bridge_lines,
    start_broker,
    start_endpoint,
    start_hub,
)
from tidegate.records.clock import SYNCHRONISED, Clock
from tidegate.records.record import Record
from tidegate.store.journal import Booted
from tidegate.store.lane import Lane
from tidegate_linux.journal.sqlite import open_journal

COMMIT_RECORDS = 10_000
LIMIT_BYTES = 1_000_000_000  # A gateway's default.
SETTLE_S = 3.0


def fill(folder: Path, records: int) -> float:
    """Make a journal in `folder` that holds `records`; return how many it took a second."""
    journal = open_journal(folder, ["main"], limit_bytes=LIMIT_BYTES)
    state = journal.recover()
    lane = Lane(state.lanes[0])
    clock = Clock(state.boots, f"{telemetry.SEED:016x}")
    ticks_ms = time.monotonic_ns() // 1_000_000
    clock.observe(ticks_ms, time.time_ns() // 1_000_000, SYNCHRONISED)
    journal.append([Booted(clock.boot)])
    chance = random.Random(telemetry.SEED)
    topics = [telemetry.topic(number) for number in range(telemetry.DEVICES)]
    began_s = time.monotonic()
    for first in range(0, records, COMMIT_RECORDS):
        part = [
            Record(
                clock.boot.number, ticks_ms + number, topics[number % telemetry.DEVICES],
                telemetry.payload(number, chance), 1, b"",
            )
            for number in range(first, min(records, first + COMMIT_RECORDS))
        ]  # fmt: skip
        journal.append([lane.admit(part)])
        journal.sync()
    took_s = time.monotonic() - began_s
    journal.close()
    return records / took_s


def drain(filled: Path, folder: Path, records: int) -> dict[str, object]:
    """Start a gateway on a copy of the journal `filled`, then a hub; return how it drains."""
    shutil.copytree(filled, folder / "gateway")
    os.sync()
    with Team(folder) as team:
        port, hub_port = free_port(), free_port()
        gateway = start_endpoint(team, port, hub_port)
        time.sleep(SETTLE_S)
        holding = used_by(gateway.process.pid)
        hub = start_hub(team, hub_port)
        team.begin()
        busy_before_s, began_s = busy_s(), time.monotonic()
        with contextlib.closing(Table(folder)) as table:
            first, first_s = table.wait(1)
            last, last_s = table.wait(records)
            used = team.used()
            elapsed_s = time.monotonic() - began_s
            others_s = busy_s() - busy_before_s - sum(each.cpu_s for each in used.values())
            time.sleep(SETTLE_S)
            settled = used_by(gateway.process.pid)
            arrived = table.arrived(records)
        return {
            "messages": records,
            **arrived,
            "per_s": round((last - first) / (last_s - first_s)),
            "first_row_s": round(first_s - began_s, 2),
            **_taken(gateway, holding, used, settled, records),
            "hub_peak_bytes": used[hub.name].peak_bytes,
            "others_cpu": round(max(0.0, others_s) / elapsed_s, 2),
        }


def hold_in_memory(folder: Path, messages: int, window: int) -> dict[str, object]:
    """Let a Mosquitto hold as much for a bridge that is down, then bring the other side up."""
    with Team(folder) as team, contextlib.ExitStack() as ends:
        port, far_port = free_port(), free_port()
        # One second: with its default the bridge tries again after up to 30 s.
        lines = [*UNLIMITED, *bridge_lines(far_port), "restart_timeout 1"]
        # Once connected it knows the session that it has to queue for.
        far = start_broker(team, "broker-b", far_port, UNLIMITED)
        broker = start_broker(team, "broker-a", port, lines)
        far.wait_for_log("New bridge connected")
        team.end(far)
        publisher = ends.enter_context(End("publish", port, messages, "--window", window))
        publisher.go()
        publisher.result()
        holding = used_by(broker.process.pid)
        # Frozen until the receiver has subscribed, or the far side would have nobody to give it to.
        broker.process.send_signal(signal.SIGSTOP)
        relay = start_broker(team, "broker-c", far_port, UNLIMITED)
        options = ["--idle-s", IDLE_S]
        subscriber = ends.enter_context(End("subscribe", far_port, messages, *options))
        team.begin()
        busy_before_s, began_s = busy_s(), time.monotonic()
        broker.process.send_signal(signal.SIGCONT)
        arrived = subscriber.result()
        used = team.used()
        elapsed_s = time.monotonic() - began_s
        others_s = busy_s() - busy_before_s - sum(each.cpu_s for each in used.values())
        time.sleep(SETTLE_S)
        settled = used_by(broker.process.pid)
        took_s = arrived["last_s"] - arrived["first_s"]
        return {
            "messages": messages,
            **{name: arrived[name] for name in ("arrived", "lost", "twice", "disordered")},
            "per_s": round(arrived["arrived"] / took_s) if took_s > 0 else 0,
            **_taken(broker, holding, used, settled, messages),
            "hub_peak_bytes": used[relay.name].peak_bytes,
            "others_cpu": round(max(0.0, others_s - arrived["cpu_s"]) / elapsed_s, 2),
        }


def _taken(
    program: Program, holding: Used, used: dict[str, Used], settled: Used, records: int
) -> dict[str, object]:
    return {
        "cpu_s_per_million": round(sum(each.cpu_s for each in used.values()) * 1e6 / records, 2),
        "holding_bytes": holding.resident_bytes,
        "peak_bytes": max(holding.peak_bytes, used[program.name].peak_bytes),
        "after_bytes": settled.resident_bytes,
        "programs": {name: each._asdict() for name, each in used.items()},
    }
