"""The plan of one seed: who the clients are, how the gateway is set up, which faults there are.

Every seed has only some kinds of fault, at rates of its own ("swarm testing").
"""

from random import Random
from typing import Any, NamedTuple

from endpoint.rig import DEFAULTS
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.settings import EndpointSettings, GatewaySettings

OVERFLOWS = ("drop-oldest", "drop-newest", "block")
WIDE = 1 << 30

# Where the process may die by itself; it is killed from outside besides.
CRASH_SITES = (
    "open", "recover", "append", "sync", "usage", "notes", "acknowledge", "refuse", "found",
    "pause", "resume", "words", "turn", "flush", "read",
)  # fmt: skip


class ClientPlan(NamedTuple):
    """One client: what it publishes and what it subscribes to."""

    name: str
    version: int
    is_kept: bool
    messages: int
    qos: tuple[int, ...]  # It chooses from these.
    topics: tuple[str, ...]
    retain_rate: float
    clear_rate: float
    filters: tuple[tuple[str, int], ...]
    will_qos: int | None
    will_delay_s: int
    receive_maximum: int
    window: int  # How many QoS 1 and 2 it sends ahead.
    pause_ms_max: int  # Between two messages.
    payload_bytes: int
    away_ms_max: int
    goodbye_rate: float
    clean_start_rate: float
    ack_ms_max: int

    @property
    def share(self) -> str:
        """The filter of its shared subscription, or ""."""
        return next((name for name, _ in self.filters if name.startswith("$share/")), "")


class Plan(NamedTuple):
    """Rates are probabilities a time; 0 turns a kind of fault off."""

    gateway: GatewaySettings
    endpoint: EndpointSettings
    clients: tuple[ClientPlan, ...]
    chaos_ms: int
    latency_ms: int
    cut_rate: float  # Of a write: it arrives in pieces.
    loop_ms: int  # By which the loop's thread may be late.
    kernel_bytes: int  # That a connection takes before its reader is slow.
    slow_faults: int
    slow_ms_max: int
    connection_faults: int
    flaky_rate: float  # Of new connections: lost again at once.
    untold_rate: float  # Of lost connections: the gateway hears nothing of it.
    kills: int
    crash_rates: dict[str, float]
    storage_rate: float
    open_rate: float
    sync_ms: int
    full_disk_faults: int
    is_cramped: bool
    window_entries: int
    turn_messages_max: int
    page_notes: int
    wall_faults: int

    @property
    def may_drop(self) -> bool:
        """Tell whether queues are so short that they may have to drop something."""
        return self.endpoint.queue_messages_max < 1000


def make_plan(seed: int) -> Plan:
    """Return the plan of `seed`."""
    chance = Random(seed * 2 + 1)
    is_cramped = chance.random() < 0.3
    journal = read_gateway({"source": [{"type": "listen", "url": "mqtt://127.0.0.1"}]})
    limit_bytes = chance.choice((6000, 12_000)) if is_cramped else WIDE
    gateway = journal._replace(
        journal=journal.journal._replace(
            limit_bytes=limit_bytes, reserve_bytes=100, overflow=chance.choice(OVERFLOWS)
        )
    )
    endpoint = DEFAULTS._replace(
        receive_maximum=20,
        inflight_max=chance.choice((1, 3, 10)),
        queue_messages_max=_maybe(chance, 0.1, 8, 10_000),
        topic_alias_max=chance.choice((0, 2, 16)),
        keepalive_s_max=20,
        messages_per_s_max=_maybe(chance, 0.1, 40),
    )
    plan = Plan(
        gateway=gateway,
        endpoint=endpoint,
        clients=tuple(_clients(chance)),
        is_cramped=is_cramped,
        **_network(chance),
        **_machine(chance),
    )
    return _with_bad_lines(plan) if plan.flaky_rate else plan


def _with_bad_lines(plan: Plan) -> Plan:
    """Have clients away for so long that their messages could count as old, and lost once more."""
    clients = [client._replace(away_ms_max=25_000, window=5) for client in plan.clients]
    return plan._replace(
        clients=tuple(clients),
        chaos_ms=60_000,
        latency_ms=min(plan.latency_ms, 100),
        connection_faults=max(plan.connection_faults, 10),
    )


def _maybe(chance: Random, probability: float, value: Any, otherwise: Any = 0) -> Any:
    """Return `value` for this share of the seeds, and else no fault of this kind."""
    return value if chance.random() < probability else otherwise


def _network(chance: Random) -> dict[str, Any]:
    return {
        "chaos_ms": chance.choice((3_000, 10_000, 40_000)),
        "latency_ms": chance.choice((0, 1, 20, 200)),
        "cut_rate": _maybe(chance, 0.6, 0.5),
        "loop_ms": chance.choice((0, 0, 3, 30)),
        "kernel_bytes": chance.choice((100, 4096, WIDE)),
        "slow_faults": _maybe(chance, 0.3, chance.randint(1, 6)),
        "slow_ms_max": chance.choice((500, 5_000)),
        "connection_faults": _maybe(chance, 0.7, chance.randint(1, 25)),
        "flaky_rate": _maybe(chance, 0.3, 0.5),
        "untold_rate": chance.choice((0.0, 0.3, 0.8)),
    }


def _machine(chance: Random) -> dict[str, Any]:
    sites = chance.sample(CRASH_SITES, chance.randint(1, 4))
    rate = _maybe(chance, 0.5, chance.choice((0.005, 0.02, 0.05)))
    return {
        "kills": _maybe(chance, 0.5, chance.randint(1, 6)),
        "crash_rates": {site: rate if site in sites else 0.0 for site in CRASH_SITES},
        "storage_rate": _maybe(chance, 0.4, chance.choice((0.003, 0.02, 0.06))),
        "open_rate": _maybe(chance, 0.2, 0.3),
        "sync_ms": chance.choice((0, 2, 10, 100)),
        "full_disk_faults": _maybe(chance, 0.15, chance.randint(1, 2)),
        "window_entries": chance.choice((2, 5, 256)),
        "turn_messages_max": chance.choice((3, 20, 8000)),
        "page_notes": chance.choice((1, 3, 1000)),
        "wall_faults": _maybe(chance, 0.2, 2),
    }


def _clients(chance: Random) -> list[ClientPlan]:
    topics = tuple(f"t/{number}" for number in range(chance.randint(1, 3)))
    clients = []
    for number in range(chance.randint(1, 3)):
        filters = _filters(chance) if chance.random() < 0.3 else ()
        clients.append(_client(chance, f"p{number}", topics, chance.randint(5, 40), filters))
    for number in range(chance.randint(0, 2)):
        clients.append(_client(chance, f"s{number}", topics, 0, _filters(chance)))
    if chance.random() < 0.35:
        for number in range(2):
            shared = (("$share/g/t/#", 2),)
            client = _client(chance, f"g{number}", topics, 0, shared)
            clients.append(client._replace(is_kept=True, clean_start_rate=0.0))
    return clients


def _filters(chance: Random) -> tuple[tuple[str, int], ...]:
    known = ("t/#", "t/0", "t/+", "+/0", "r/#", "w/#", "#")
    chosen = chance.sample(known, chance.randint(1, 3))
    return tuple((name, chance.choice((0, 1, 2, 2, 2))) for name in chosen)


def _client(
    chance: Random,
    name: str,
    topics: tuple[str, ...],
    messages: int,
    filters: tuple[tuple[str, int], ...],
) -> ClientPlan:
    own = (f"u/{name}",)  # That almost nobody subscribes to.
    return ClientPlan(
        name=name,
        version=chance.choice((4, 5)),
        is_kept=chance.random() < 0.8,
        messages=messages,
        qos=chance.choice(((0, 1, 2), (1,), (2,), (1, 2), (1, 2))),
        topics=chance.choice((topics, topics[:1], topics + own)),
        retain_rate=_maybe(chance, 0.4, 0.3),
        clear_rate=_maybe(chance, 0.5, 0.4),
        filters=filters,
        will_qos=_maybe(chance, 0.3, chance.choice((0, 1, 2)), None),
        will_delay_s=_maybe(chance, 0.3, 2),
        receive_maximum=chance.choice((1, 2, 8, 65535)),
        window=chance.choice((1, 2, 5, 20)),
        pause_ms_max=chance.choice((0, 30, 300, 1000)),
        payload_bytes=_maybe(chance, 0.3, chance.choice((300, 3000)), 10),
        away_ms_max=chance.choice((10, 1000, 15_000)),
        goodbye_rate=_maybe(chance, 0.3, 0.3),
        clean_start_rate=_maybe(chance, 0.1, 0.2),
        ack_ms_max=chance.choice((0, 0, 50, 500)),
    )
