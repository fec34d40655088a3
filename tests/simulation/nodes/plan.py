"""The plan of one seed: how nodes, gateway and hub are set up, and which faults there are.

As in `simulation.plan` every seed has only some kinds of fault.  Fields that the gateway's line and
the hub read bear the names that they have there.
"""

from random import Random
from typing import Any, NamedTuple

from tidegate.config.node_settings import NodeSettings
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.node_reader import read_node
from tidegate.config.settings import GatewaySettings

OVERFLOWS = ("drop-oldest", "drop-newest", "block")

# Where the process on a node may die, and that on the gateway.
NODE_SITES = (
    "open", "recover", "append", "sync", "sync flash", "append flash", "remove", "read", "locate",
    "usage", "query", "send", "report",
)  # fmt: skip
GATEWAY_SITES = (
    "open", "recover", "append", "sync", "usage", "read", "locate", "acknowledge", "refuse",
    "found", "query", "send", "pause", "resume", "report",
)  # fmt: skip

ROOMY_BYTES = 1 << 30
LANES = ("alarm", "main")


class NodePlan(NamedTuple):
    """Of the nodes and the line between them and the gateway."""

    settings: NodeSettings
    count: int
    messages: int
    nowait_rate: float
    retain_rate: float
    property_rate: float
    payload_bytes_max: int
    crash_rates: dict[str, float]
    crash_faults: int
    reboot_rate: float
    flash_rate: float
    heap_rate: float
    rot_faults: int
    full_flash_faults: int
    wifi_faults: int
    clock_rate: float
    latency_ms: int
    request_loss_rate: float
    answer_loss_rate: float
    duplicate_rate: float
    stale_rate: float
    flip_rate: float
    cut_faults: int
    intruders: int
    clone: bool
    restore_image: bool

    @property
    def is_cramped(self) -> bool:
        """Tell whether a node may have to drop records."""
        return self.settings.journal.limit_bytes < ROOMY_BYTES or self.full_flash_faults > 0

    @property
    def has_copies(self) -> bool:
        """Tell whether one stream may have two histories."""
        return self.clone or self.restore_image


class Plan(NamedTuple):
    """Rates are probabilities a time; 0 turns a kind of fault off."""

    nodes: NodePlan
    settings: GatewaySettings
    chaos_ms: int
    loop_ms: int
    latency_ms: int
    sync_ms: int
    crash_rates: dict[str, float]
    crash_faults: int
    storage_rate: float
    open_rate: float
    full_disk_faults: int
    restore_gateway: bool
    page_notes: int
    clock_is_late: bool
    request_loss_rate: float
    reply_loss_rate: float
    duplicate_rate: float
    flip_rate: float
    mixed_rate: float
    cut_faults: int
    receiver_crash_rate: float
    receiver_faults: int
    backup_faults: int
    receiver_bytes_max: int
    lowers_limit: bool
    real_bytes: bool

    @property
    def is_cramped(self) -> bool:
        """Tell whether the gateway may have to drop records."""
        return self.settings.journal.limit_bytes < ROOMY_BYTES or self.full_disk_faults > 0


def make_plan(seed: int) -> Plan:
    """Return the plan of `seed`."""
    chance = Random(seed * 2 + 1)
    return Plan(nodes=_node_plan(chance), **_gateway(chance), **_uplink(chance))


def _maybe(chance: Random, probability: float, value: Any, otherwise: Any = 0) -> Any:
    """Return `value` for this share of the seeds, and else no fault of this kind."""
    return value if chance.random() < probability else otherwise


def _crash_rates(chance: Random, sites: tuple[str, ...]) -> dict[str, float]:
    has_crashes = chance.random() < 0.5
    return {
        site: _maybe(chance, 0.3 * has_crashes, chance.choice((0.01, 0.03, 0.1))) for site in sites
    }


def _node_plan(chance: Random) -> NodePlan:
    has_copies = chance.random() < 0.2
    return NodePlan(
        settings=_node_settings(chance),
        clone=has_copies and chance.random() < 0.7,
        restore_image=has_copies and chance.random() < 0.7,
        **_node_work(chance),
        **_node_faults(chance),
        **_node_line(chance),
    )


def _node_work(chance: Random) -> dict[str, Any]:
    return {
        "count": chance.choice((1, 1, 2, 3)),
        "messages": chance.randint(15, 70),
        "nowait_rate": chance.choice((0, 0.3, 0.7)),
        "retain_rate": _maybe(chance, 0.3, 0.3),
        "property_rate": _maybe(chance, 0.3, 0.3),
        "payload_bytes_max": chance.choice((10, 60, 400)),
    }


def _node_faults(chance: Random) -> dict[str, Any]:
    return {
        "crash_rates": _crash_rates(chance, NODE_SITES),
        "crash_faults": _maybe(chance, 0.4, chance.randint(1, 5)),
        "reboot_rate": chance.choice((0.2, 0.7, 1)),
        "flash_rate": _maybe(chance, 0.3, chance.choice((0.003, 0.01, 0.03))),
        "heap_rate": _maybe(chance, 0.2, chance.choice((0.002, 0.01))),
        "rot_faults": _maybe(chance, 0.15, chance.randint(1, 3)),
        "full_flash_faults": _maybe(chance, 0.15, chance.randint(1, 3)),
        "wifi_faults": _maybe(chance, 0.3, chance.randint(1, 4)),
        "clock_rate": chance.choice((0, 0.5, 1)),
    }


def _node_line(chance: Random) -> dict[str, Any]:
    return {
        "latency_ms": chance.choice((1, 20, 300)),
        "request_loss_rate": _maybe(chance, 0.4, chance.choice((0.02, 0.1, 0.3))),
        "answer_loss_rate": _maybe(chance, 0.5, chance.choice((0.02, 0.1, 0.3))),
        "duplicate_rate": _maybe(chance, 0.4, chance.choice((0.05, 0.2))),
        "stale_rate": _maybe(chance, 0.3, chance.choice((0.05, 0.3))),
        "flip_rate": _maybe(chance, 0.1, 0.05),
        "cut_faults": _maybe(chance, 0.4, chance.randint(1, 4)),
        "intruders": _maybe(chance, 0.2, chance.randint(1, 4)),
    }


def _node_settings(chance: Random) -> NodeSettings:
    is_cramped = chance.random() < 0.25
    lane = {"name": "alarm", "topics": ["+/alarm"], "urgent": chance.random() < 0.5}
    uplink = {
        "type": "mqtt",
        "url": "mqtt://gateway",
        "timeout_s": chance.choice((2, 5)),
        "batch_records": chance.choice((1, 3, 10, 64)),
        "batch_bytes": chance.choice((256, 1024, 4096)),
        "batch_age_ms": chance.choice((0, 100, 1000)),
        "retry_max_s": chance.choice((1, 5)),
    }
    settings = read_node({"lane": [lane], "uplink": uplink})
    limit_bytes = chance.choice((2500, 4000, 8000)) if is_cramped else ROOMY_BYTES
    journal = settings.journal._replace(
        limit_bytes=limit_bytes,
        reserve_bytes=0,
        overflow=chance.choice(OVERFLOWS),
        keep_delivered_bytes=chance.choice((0, 1000, 1 << 20)),
        # The smallest that the schema takes is more than a run writes.
        segment_bytes=chance.choice((400, 400, 1000, 4096)),
        sync_records=chance.choice((1, 4, 16)),
        sync_interval_ms=chance.choice((50, 500, 2000)),
    )
    return settings._replace(journal=journal)


def _gateway(chance: Random) -> dict[str, Any]:
    return {
        "settings": _gateway_settings(chance),
        "chaos_ms": chance.choice((4_000, 10_000, 30_000)),
        "loop_ms": chance.choice((0, 2, 50)),
        "sync_ms": _maybe(chance, 0.6, chance.choice((5, 50, 400, 3000))),
        "crash_rates": _crash_rates(chance, GATEWAY_SITES),
        "crash_faults": _maybe(chance, 0.4, chance.randint(1, 4)),
        "storage_rate": _maybe(chance, 0.35, chance.choice((0.01, 0.03, 0.1))),
        "open_rate": _maybe(chance, 0.2, 0.3),
        "full_disk_faults": _maybe(chance, 0.2, chance.randint(1, 3)),
        "restore_gateway": chance.random() < 0.12,
        "page_notes": chance.choice((1, 2, 500)),
        "clock_is_late": chance.random() < 0.4,
    }


def _gateway_settings(chance: Random) -> GatewaySettings:
    source = {"type": "listen", "url": "mqtt://127.0.0.1"}
    uplink = {
        "type": "http",
        "url": "http://hub",
        "token": "t",
        "batch_records": chance.choice((1, 4, 64, 500)),
        "batch_bytes": chance.choice((1024, 100_000)),
        "batch_age_ms": chance.choice((0, 100)),
        "retry_max_s": chance.choice((1, 5)),
    }
    lane = {"name": "alarm", "topics": ["+/alarm"], "urgent": chance.random() < 0.5}
    settings = read_gateway({"source": [source], "lane": [lane], "uplink": uplink})
    is_cramped = chance.random() < 0.2
    limit_bytes = chance.choice((4000, 8000)) if is_cramped else ROOMY_BYTES
    journal = settings.journal._replace(
        limit_bytes=limit_bytes,
        reserve_bytes=500,
        overflow=chance.choice(OVERFLOWS),
        keep_delivered_bytes=chance.choice((0, limit_bytes // 4)),
    )
    return settings._replace(journal=journal)


def _uplink(chance: Random) -> dict[str, Any]:
    return {
        "latency_ms": chance.choice((1, 20, 300)),
        "request_loss_rate": _maybe(chance, 0.2, 0.1),
        "reply_loss_rate": _maybe(chance, 0.3, chance.choice((0.05, 0.3))),
        "duplicate_rate": _maybe(chance, 0.2, 0.1),
        "flip_rate": 0,
        "mixed_rate": 0,
        "cut_faults": _maybe(chance, 0.4, chance.randint(1, 3)),
        "receiver_crash_rate": _maybe(chance, 0.2, 0.05),
        "receiver_faults": _maybe(chance, 0.2, 1),
        "backup_faults": _maybe(chance, 0.15, chance.randint(1, 2)),
        "receiver_bytes_max": 1 << 30,
        "lowers_limit": False,
        "real_bytes": chance.random() < 0.15,
    }
