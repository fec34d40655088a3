"""The plan of one seed: how the node is set up, and which faults there are how often.

Every seed has only some kinds of fault ("swarm testing"): if all were always there, none would ever
get far enough to meet the others.
"""

from random import Random
from typing import Any, NamedTuple

from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.settings import GatewaySettings

POISON = b"poison"  # A payload that says so is refused by the receiver, always.
BIG_BYTES = 3000  # Payload of a record that is over the receiver's limit, where it has a small one.
IDENTITY_NAME = "id"

OVERFLOWS = ("drop-oldest", "drop-newest", "block")
# Only gaps in the middle of what is held can hide from one copy what the other has sent.
OVERFLOWS_OF_COPIES = ("drop-newest", "drop-newest", "drop-oldest", "block")

# What may happen after every effect: the process dies.
CRASH_SITES = (
    "open", "recover", "append", "sync", "usage", "read", "locate",
    "acknowledge", "send", "query", "pause", "resume", "report",
)  # fmt: skip


class Plan(NamedTuple):
    """Rates are probabilities a time; 0 turns a kind of fault off."""

    settings: GatewaySettings
    chaos_ms: int
    messages: int
    topics: int
    qos_0_rate: float
    retain_rate: float
    poison_rate: float
    big_rate: float
    too_large: bool
    receive_maximum: int
    queue_max: int
    retained_replay: bool
    latency_ms: int
    sync_ms: int
    flush_fault_rate: float
    crash_rates: dict[str, float]
    crash_faults: int
    storage_rate: float
    open_rate: float
    rot_faults: int
    full_disk_faults: int
    connection_faults: int
    broker_faults: int
    forget_session_rate: float
    request_loss_rate: float
    reply_loss_rate: float
    duplicate_rate: float
    flip_rate: float
    mixed_rate: float
    cut_faults: int
    mood_faults: int
    receiver_crash_rate: float
    receiver_faults: int
    backup_faults: int
    receiver_bytes_max: int
    lowers_limit: bool
    wall_faults: int
    real_bytes: bool
    clone: bool
    restore_image: bool

    @property
    def is_cramped(self) -> bool:
        """Tell whether the journal's limit can be met, so that records may be dropped."""
        return self.settings.journal.limit_bytes < 1_000_000 or self.full_disk_faults > 0


def make_plan(seed: int) -> Plan:
    """Return the plan of `seed`."""
    chance = Random(seed * 2 + 1)
    has_copies = chance.random() < 0.3
    # Copies that also drop records hide from each other what they have.
    is_cramped = chance.random() < (0.7 if has_copies else 0.25)
    settings = _settings(chance, is_cramped, has_copies)
    # Nothing empties the quarantine but the owner: with poison, a journal that blocks at its limit
    # would stay full.
    has_room = not is_cramped or settings.journal.overflow != "block"
    return Plan(
        settings=settings,
        clone=chance.random() < 0.8 and has_copies,
        restore_image=chance.random() < 0.6 and has_copies,
        **_workload(chance, has_room),
        **_node_faults(chance),
        **_line_faults(chance, has_copies),
        **_receiver_faults(chance),
    )


def _maybe(chance: Random, probability: float, value: Any, otherwise: Any = 0) -> Any:
    """Return `value` for this share of the seeds, and else no fault of this kind."""
    return value if chance.random() < probability else otherwise


def _workload(chance: Random, has_room: bool) -> dict[str, Any]:
    return {
        "chaos_ms": chance.choice((4_000, 10_000, 30_000)),
        "messages": chance.randint(20, 110),
        "topics": chance.randint(1, 4),
        "qos_0_rate": _maybe(chance, 0.3, 0.2),
        "retain_rate": _maybe(chance, 0.5, 0.2),
        "poison_rate": _maybe(chance, 0.4 * has_room, chance.choice((0.02, 0.1, 0.3))),
        "big_rate": _maybe(chance, 0.3 * has_room, 0.1),
        "too_large": _maybe(chance, 0.002, True, False),
        "receive_maximum": chance.choice((1, 3, 20, 100)),
        "queue_max": _maybe(chance, 0.15, 20, 1000),
        "retained_replay": chance.random() < 0.5,
        "latency_ms": chance.choice((1, 10, 40, 300)),
    }


def _node_faults(chance: Random) -> dict[str, Any]:
    crash_rates = {}
    has_crashes = chance.random() < 0.5
    for site in CRASH_SITES:
        rate = chance.choice((0.01, 0.02, 0.05))
        crash_rates[site] = _maybe(chance, 0.3 * has_crashes, rate)
    return {
        "sync_ms": _maybe(chance, 0.5, chance.choice((5, 50, 400, 3000))),
        "flush_fault_rate": _maybe(chance, 0.5, chance.choice((0.05, 0.3))),
        "crash_rates": crash_rates,
        "crash_faults": _maybe(chance, 0.3, chance.randint(1, 3)),
        "storage_rate": _maybe(chance, 0.35, chance.choice((0.01, 0.03, 0.1))),
        "open_rate": _maybe(chance, 0.2, 0.3),
        "rot_faults": _maybe(chance, 0.1, chance.randint(1, 3)),
        "full_disk_faults": _maybe(chance, 0.2, chance.randint(1, 4)),
        "connection_faults": _maybe(chance, 0.4, chance.randint(1, 8)),
        "broker_faults": _maybe(chance, 0.4, chance.randint(1, 4)),
        "forget_session_rate": chance.choice((0, 0.7, 1)),
        "wall_faults": _maybe(chance, 0.3, chance.randint(1, 5)),
    }


def _line_faults(chance: Random, has_copies: bool) -> dict[str, Any]:
    mixed_rate = chance.choice((0.1, 0.5))
    return {
        "request_loss_rate": _maybe(chance, 0.3, chance.choice((0.02, 0.1, 0.3))),
        "reply_loss_rate": _maybe(chance, 0.4, chance.choice((0.02, 0.1, 0.3))),
        "duplicate_rate": _maybe(chance, 0.3, 0.1),
        "flip_rate": _maybe(chance, 0.15, chance.choice((0.02, 0.2))),
        "mixed_rate": _maybe(chance, 0.5 if has_copies else 0.1, mixed_rate),
        "cut_faults": _maybe(chance, 0.8 if has_copies else 0.4, chance.randint(1, 4)),
        "mood_faults": _maybe(chance, 0.4, chance.randint(1, 4)),
        "real_bytes": chance.random() < 0.15,
    }


def _receiver_faults(chance: Random) -> dict[str, Any]:
    return {
        "receiver_crash_rate": _maybe(chance, 0.3, 0.05),
        "receiver_faults": _maybe(chance, 0.2, 1),
        "backup_faults": _maybe(chance, 0.25, chance.randint(1, 2)),
        "receiver_bytes_max": _maybe(chance, 0.3, chance.choice((400, 1500, 2500)), 1 << 30),
        "lowers_limit": chance.random() < 0.5,
    }


def _settings(chance: Random, is_cramped: bool, has_copies: bool) -> GatewaySettings:
    source = {"type": "mqtt", "url": "mqtt://a", "topics": ["#"], "message_id": IDENTITY_NAME}
    plain = {"type": "mqtt", "url": "mqtt://b", "topics": ["#"]}
    uplink: dict[str, Any] = {
        "type": "http",
        "url": "http://hub",
        "token": "t",
        "batch_records": chance.choice((1, 4, 16, 64, 500)),
        "batch_bytes": chance.choice((1024, 4096, 100_000)),
        "batch_age_ms": chance.choice((0, 100, 1000)),
        "retry_max_s": chance.choice((1, 5)),
    }
    if chance.random() < 0.08 and not is_cramped:
        uplink["windows"] = ["01:00-05:30", "22:00-24:00"]
    if chance.random() < 0.08 and not is_cramped:
        uplink["bytes_per_day"] = chance.choice((2000, 10_000))
    lane = {"name": "alarm", "topics": ["+/alarm"], "urgent": chance.random() < 0.5}
    settings = read_gateway({"source": [source, plain], "lane": [lane], "uplink": uplink})
    limit_bytes = chance.choice((1500, 3000, 6000)) if is_cramped else 1 << 30
    journal = settings.journal._replace(
        limit_bytes=limit_bytes,
        reserve_bytes=1000,
        overflow=chance.choice(OVERFLOWS_OF_COPIES if has_copies else OVERFLOWS),
        keep_delivered_bytes=chance.choice((0, limit_bytes // 4)),
    )
    return settings._replace(journal=journal)
