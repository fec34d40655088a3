"""The systems that are compared, each started from nothing and measured from end to end.

    device --QoS 1--> Mosquitto A --bridge, QoS 1, cleansession false--> Mosquitto B --> subscriber
    device --QoS 1--> Mosquitto A --> tidegate run (SQLite) --HTTP--> tidegate hub --> row in SQLite
    device --QoS 1--> tidegate run with its own endpoint --HTTP--> tidegate hub --> row in SQLite

Taken in is what one broker acknowledges to the device: Mosquitto when it has it in memory, NATS
with `sync_interval: always` and Tidegate's endpoint when it is synced to the medium.

A rate is the number of messages divided by the time from the first PUBLISH until the last message
was at the far end: with the subscriber, or committed in the hub's table, as another process sees it
there.  What arrived is counted message by message.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import telemetry
from bench.machine import busy_s
from bench.programs import (
    End,
    Program,
    Team,
    answers,
    find_mosquitto,
    find_nats,
    free_port,
    tidegate,
)

TOKEN = "token-of-the-benchmark-3f09c1d27ab4"
IDLE_S = 10.0  # So long without a message, and the rest counts as lost.
LOOK_S = 0.01  # How exactly the end of a run is known.
PACED_PER_S = 1000
PACED_S = 10  # How long a device goes on that sends at a rate.
LEAN = 10  # Slow systems get this part of the messages: they take as long with it.

UNLIMITED = ["max_queued_messages 0"]
# All that Mosquitto offers: its whole database is written anew after every change.
STRONGEST = [*UNLIMITED, "persistence true", "autosave_on_changes true", "autosave_interval 1"]


Far = Callable[[], dict[str, float]]  # Waits for the last message; returns what arrived, and when.
Start = Callable[[Team, int, list[str], int, contextlib.ExitStack], Far]


class System(NamedTuple):
    """One thing to measure; `options` are lines for the brokers' configuration."""

    name: str
    group: str  # Only systems of one group are compared.
    start: "Start"
    options: list[str]
    share: int = 1  # Of the messages it gets 1 / share.
    per_s: int = 0  # How many messages a second the device sends; 0: as many as it can.


def measure(system: System, folder: Path, messages: int, window: int) -> dict[str, object]:
    """Run a system once; return its figures."""
    messages //= system.share
    if system.per_s:
        messages = min(messages, system.per_s * PACED_S)
    pace = ["--per-s", system.per_s] if system.per_s else []
    with Team(folder) as team, contextlib.ExitStack() as ends:
        port = free_port()
        far = system.start(team, port, system.options, messages, ends)
        publisher = ends.enter_context(End("publish", port, messages, "--window", window, *pace))
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
        "group": system.group,
        "messages": messages,
        **{name: arrived.get(name, 0) for name in ("arrived", "lost", "twice", "disordered")},
        "took_s": round(took_s, 3),
        "per_s": round(arrived["arrived"] / took_s) if took_s > 0 else 0,
        "acknowledged_per_s": round(sent["acknowledged"] / (sent["acknowledged_s"] - began_s)),
        **{name: sent[name] for name in ("wait_ms_50", "wait_ms_99", "wait_ms_max")},
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


def start_gateway(
    team: Team, source: list[str], hub_port: int, log: str, more: Sequence[str] = ()
) -> Program:
    """Start a gateway with default settings and wait until it logs `log`; 0: it has no hub."""
    path = team.folder / "gateway.toml"
    lines = ["[node]", 'name = "bench"', f'data = "{team.folder}/gateway"', "[[source]]", *source]
    if hub_port:
        lines += ["[uplink]", 'type = "http"', f'token = "{TOKEN}"']
        lines += [f'url = "http://127.0.0.1:{hub_port}"']
    lines += ["[status]", f'url = "http://127.0.0.1:{free_port()}"', *more]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    gateway = team.start("gateway", tidegate("run", "-c", str(path)))
    gateway.wait_for_log(log)
    return gateway


def start_endpoint(team: Team, port: int, hub_port: int) -> Program:
    """Start a gateway that devices connect to."""
    source = ['type = "listen"', f'url = "mqtt://127.0.0.1:{port}"']
    # As Mosquitto is set here: a subscriber that is slower than the publisher misses nothing.
    more = ["[endpoint]", "queue_messages_max = 1_000_000", "queue_bytes_max = 1_000_000_000"]
    return start_gateway(team, source, hub_port, "listening: url=mqtt://", more)


def start_nats(team: Team, port: int) -> Program:
    """Start a NATS server that syncs before it acknowledges, and wait until it answers."""
    program = find_nats()
    assert program is not None, "run.py looks for it first"
    path = team.folder / "nats.conf"
    path.write_text(
        f'server_name: bench\nlisten: "127.0.0.1:{free_port()}"\n'
        f'mqtt {{ host: "127.0.0.1", port: {port} }}\n'
        f'jetstream {{ store_dir: "{team.folder}/nats", sync_interval: always }}\n'
    )
    server = team.start("nats", [program, "-c", str(path)])
    server.wait_for(lambda: answers(port), "listening")
    return server


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


def _mosquitto(
    team: Team, port: int, options: list[str], messages: int, _ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    # Where nobody subscribed the far end is the broker itself.
    return lambda: {"arrived": messages}


def _mosquitto_relay(
    team: Team, port: int, options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    return _subscriber(port, messages, ends)


def _nats(
    team: Team, port: int, _options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_nats(team, port)
    # A session that wants everything and is away: without it nothing would be stored.
    with End("subscribe", port, messages):
        pass
    return lambda: {"arrived": messages}


def _endpoint_alone(
    team: Team, port: int, _options: list[str], messages: int, _ends: contextlib.ExitStack
) -> Far:
    start_endpoint(team, port, 0)
    return lambda: {"arrived": messages}


def _endpoint_relay(
    team: Team, port: int, _options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_endpoint(team, port, 0)
    return _subscriber(port, messages, ends)


def _endpoint(
    team: Team, port: int, _options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    hub_port = free_port()
    start_hub(team, hub_port)
    start_endpoint(team, port, hub_port)
    return _rows(team, messages, ends)


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
    end = End("subscribe", port, messages, "--clean", "--idle-s", IDLE_S)
    return ends.enter_context(end).result


def _tidegate(
    team: Team, port: int, options: list[str], messages: int, ends: contextlib.ExitStack
) -> Far:
    start_broker(team, "broker-a", port, options)
    hub_port = free_port()
    start_hub(team, hub_port)
    source = ['type = "mqtt"', f'url = "mqtt://127.0.0.1:{port}"']
    source += [f'topics = ["{telemetry.TOPIC_FILTER}"]']
    start_gateway(team, source, hub_port, "connected to the broker")
    return _rows(team, messages, ends)


def _rows(team: Team, messages: int, ends: contextlib.ExitStack) -> Far:
    table = ends.enter_context(contextlib.closing(Table(team.folder)))

    def wait() -> dict[str, float]:
        _count, last_s = table.wait(messages)
        return {"last_s": last_s, **table.arrived(messages)}

    return wait


TAKEN_IN = "taken in, nobody subscribed"
RELAYED = "taken in and handed to one subscriber"
END_TO_END = "device to the far end"
PACED = f"a PUBACK at {PACED_PER_S:,} messages a second"

SYSTEMS = [
    System("Mosquitto", TAKEN_IN, _mosquitto, UNLIMITED),
    System("NATS, sync_interval always", TAKEN_IN, _nats, [], LEAN),
    System("tidegate endpoint", TAKEN_IN, _endpoint_alone, []),
    System("Mosquitto, a subscriber", RELAYED, _mosquitto_relay, UNLIMITED),
    System("tidegate endpoint, a subscriber", RELAYED, _endpoint_relay, []),
    System("bridge, default settings", END_TO_END, _bridge, []),
    System("bridge, queue without limit", END_TO_END, _bridge, UNLIMITED),
    System("bridge, strongest persistence", END_TO_END, _bridge, STRONGEST, LEAN),
    System("tidegate, devices straight to it", END_TO_END, _endpoint, []),
    System("tidegate behind Mosquitto", END_TO_END, _tidegate, UNLIMITED),
    System("tidegate behind Mosquitto at its strongest", END_TO_END, _tidegate, STRONGEST, LEAN),
    System("Mosquitto, paced", PACED, _mosquitto, UNLIMITED, per_s=PACED_PER_S),
    System("NATS, paced", PACED, _nats, [], per_s=PACED_PER_S),
    System("tidegate endpoint, paced", PACED, _endpoint_alone, [], per_s=PACED_PER_S),
]
