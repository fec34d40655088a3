"""The systems that are compared, each started from nothing and measured from end to end.

    device --QoS 1--> Mosquitto A --bridge, QoS 1, cleansession false--> Mosquitto B --> subscriber
    device --QoS 1--> Mosquitto A --> tidegate run (SQLite) --HTTP--> tidegate hub --> row in SQLite

A rate is the number of messages divided by the time from the first PUBLISH until the last message
was at the far end: with the subscriber, or committed in the hub's table, as another process sees it
there.  What arrived is counted message by message.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import telemetry
from bench.machine import busy_s
from bench.programs import End, Program, Team, answers, find_mosquitto, free_port, tidegate

TOKEN = "token-of-the-benchmark-3f09c1d27ab4"
IDLE_S = 10.0  # So long without a message, and the rest counts as lost.
LOOK_S = 0.01  # How exactly the end of a run is known.
LEAN = 10  # Slow systems get this part of the messages: they take as long with it.

UNLIMITED = ["max_queued_messages 0"]
# All that Mosquitto offers: its whole database is written anew after every change.
STRONGEST = [*UNLIMITED, "persistence true", "autosave_on_changes true", "autosave_interval 1"]


class System(NamedTuple):
    """One thing to measure; `options` are lines for the brokers' configuration."""

    name: str
    kind: str
    options: list[str]
    share: int = 1  # Of the messages it gets 1 / share.


CEILING = "ceiling"
RELAY = "relay"
BRIDGE = "bridge"
TIDEGATE = "tidegate"

SYSTEMS = [
    System("harness: publisher -> Mosquitto, nobody subscribed", CEILING, UNLIMITED),
    System("harness: publisher -> one Mosquitto -> subscriber", RELAY, UNLIMITED),
    System("bridge, default settings", BRIDGE, []),
    System("bridge, queue without limit", BRIDGE, UNLIMITED),
    System("bridge, strongest persistence", BRIDGE, STRONGEST, LEAN),
    System("tidegate", TIDEGATE, UNLIMITED),
    System("tidegate, broker with strongest persistence", TIDEGATE, STRONGEST, LEAN),
]


def measure(system: System, folder: Path, messages: int, window: int) -> dict[str, object]:
    """Run a system once; return its figures."""
    messages //= system.share
    with Team(folder) as team, contextlib.ExitStack() as ends:
        port = free_port()
        far = _STARTS[system.kind](team, port, system.options, messages, ends)
        publisher = ends.enter_context(End("publish", port, messages, "--window", window))
        team.begin()
        busy_before_s = busy_s()
        began_s = time.monotonic()
        publisher.go()
        sent = publisher.result()
        arrived = {"last_s": sent["acknowledged_s"], **far()}
        used = team.used()
        elapsed_s = time.monotonic() - began_s
        others_s = busy_s() - busy_before_s - sum(each.cpu_s for each in used.values())
        others_s -= sent["busy_s"] + arrived.get("cpu_s", 0)
    took_s = arrived["last_s"] - sent["began_s"]
    return {
        "messages": messages,
        **{name: arrived.get(name, 0) for name in ("arrived", "lost", "twice", "disordered")},
        "took_s": round(took_s, 3),
        "per_s": round(arrived["arrived"] / took_s) if took_s > 0 else 0,
        "acknowledged_per_s": round(sent["acknowledged"] / (sent["acknowledged_s"] - began_s)),
        "cpu_s_per_million": round(sum(each.cpu_s for each in used.values()) * 1e6 / messages, 2),
        "resident_bytes": sum(each.resident_bytes for each in used.values()),
        "peak_bytes": sum(each.peak_bytes for each in used.values()),
        "programs": {name: each._asdict() for name, each in used.items()},
        # Of all processors, what neither this system nor the harness used.
        "others_cpu": round(max(0.0, others_s) / elapsed_s, 2),
    }


def start_broker(team: Team, name: str, port: int, options: list[str]) -> Program:
    """Start a Mosquitto and wait until it answers."""
    program = find_mosquitto()
    assert program is not None, "run.py looks for it first"
    folder = team.folder / name
    folder.mkdir()
    lines = ["user root", f"listener {port} 127.0.0.1", "allow_anonymous true"]
    lines += ["log_dest stderr", f"persistence_location {folder}/", *options]
    path = folder / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n")
    broker = team.start(name, [program, "-c", str(path)])
    broker.wait_for(lambda: answers(port), "listening")
    return broker


def start_hub(team: Team, port: int) -> Program:
    """Start a hub and wait until it listens."""
    path = team.folder / "hub.toml"
    path.write_text(
        f'[hub]\nurl = "http://127.0.0.1:{port}"\ndatabase = "sqlite:///{team.folder}/hub.db"\n'
        f'[[hub.node]]\nname = "bench"\ntoken = "{TOKEN}"\n'
    )
    path.chmod(0o600)
    hub = team.start("hub", tidegate("hub", "-c", str(path)))
    hub.wait_for_log(r"listening on (\S+)")
    return hub


def start_gateway(team: Team, broker_port: int, hub_port: int) -> Program:
    """Start a gateway with default settings and wait until it has subscribed."""
    path = team.folder / "gateway.toml"
    path.write_text(
        f'[node]\nname = "bench"\ndata = "{team.folder}/gateway"\n'
        f'[[source]]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
        f'topics = ["{telemetry.TOPIC_FILTER}"]\n'
        f'[uplink]\ntype = "http"\nurl = "http://127.0.0.1:{hub_port}"\ntoken = "{TOKEN}"\n'
        f'[status]\nurl = "http://127.0.0.1:{free_port()}"\n'
    )
    path.chmod(0o600)
    gateway = team.start("gateway", tidegate("run", "-c", str(path)))
    gateway.wait_for_log("connected to the broker")
    return gateway


class Table:
    """The hub's table, read as its owner would read it, while the hub runs."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(f"file:{folder}/hub.db?mode=ro", uri=True)

    def close(self) -> None:
        self._connection.close()

    def through(self) -> int:
        """Return how many records the hub has committed."""
        query = "SELECT coalesce(sum(through), 0) FROM ledger"
        return int(self._connection.execute(query).fetchone()[0])

    def wait(self, records: int) -> tuple[int, float]:
        """Wait until so many are there, or nothing moves; return how many, and since when."""
        at = self.through()
        since_s = time.monotonic()
        while at < records and time.monotonic() < since_s + IDLE_S:
            time.sleep(LOOK_S)
            now = self.through()
            if now > at:
                at, since_s = now, time.monotonic()
        return at, since_s

    def arrived(self, sent: int) -> dict[str, int]:
        """Look at every row: what is there, once, in order."""
        rows = self._connection.execute("SELECT payload FROM records ORDER BY stream, seq")
        return telemetry.count_arrived([telemetry.number_of(row[0]) for row in rows], sent)


Far = Callable[[], dict[str, float]]  # Waits for the last message; returns what arrived, and when.


def _ceiling(
    team: Team, port: int, options: list[str], messages: int, _ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    # Where nobody subscribed the far end is the broker itself.
    return lambda: {"arrived": messages}


def _relay(
    team: Team, port: int, options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    return _subscriber(port, messages, ends)


def _bridge(
    team: Team, port: int, options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    far_port = free_port()
    far_broker = start_broker(team, "broker-b", far_port, options)
    start_broker(team, "broker-a", port, [*options, *bridge_lines(far_port)])
    far_broker.wait_for_log("New bridge connected")
    return _subscriber(far_port, messages, ends)


def bridge_lines(far_port: int) -> list[str]:
    """Return the bridge's configuration; what is not named has Mosquitto's default."""
    return [
        "connection uplink",
        f"address 127.0.0.1:{far_port}",
        f"topic {telemetry.TOPIC_FILTER} out 1",
        "cleansession false",
    ]


def _subscriber(port: int, messages: int, ends: contextlib.ExitStack) -> Far:
    return ends.enter_context(End("subscribe", port, messages, "--idle-s", IDLE_S)).result


def _tidegate(
    team: Team, port: int, options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    hub_port = free_port()
    start_hub(team, hub_port)
    start_gateway(team, port, hub_port)
    table = ends.enter_context(contextlib.closing(Table(team.folder)))

    def wait() -> dict[str, float]:
        _count, last_s = table.wait(messages)
        return {"last_s": last_s, **table.arrived(messages)}

    return wait


_STARTS = {CEILING: _ceiling, RELAY: _relay, BRIDGE: _bridge, TIDEGATE: _tidegate}
