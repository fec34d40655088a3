"""What a node says of itself: the fields of a gateway's `/status.json`, as far as a board has them.

Imported when it is asked for.
"""

import gc
import os
import time

from tidegate.delivery.line import HELD
from tidegate.records.clock import wall_of
from tidegate.version import VERSION
from tidegate_micropython.clock import EPOCH_S
from tidegate_micropython.journal import ASIDE, is_fat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.store.lane import Lane
    from tidegate_micropython.node import Node
    from tidegate_micropython.shell import Shell

QUALITIES = ("unknown", "set", "synchronised")


def status_of(node: "Node") -> "dict[str, Any]":
    """Return the status of a node."""
    gc.collect()  # What follows is 2 KB in small pieces.
    shell, settings, now_ms = node.shell, node.settings, node.clock.now_ms()
    gateway, room = shell.gateway, shell.gateway.room
    held_bytes = sum([lane.held_bytes for lane in gateway.lanes])
    return {
        "node": gateway.node,
        "name": settings.name,
        "version": VERSION,
        "running": True,
        "taken": _text_of(gateway.clock.wall_ms(now_ms)),
        "uptime_s": now_ms // 1000,
        "streams": [_stream(gateway.node, lane) for lane in gateway.lanes],
        "backlog": {
            "records": shell.held_records(),
            "bytes": held_bytes,
            "oldest_age_s": oldest_age_s(shell, now_ms),
        },
        "link": _link(node, now_ms),
        "sources": [dict(shell.source.status(), name=shell.source.name)],
        "samplers": [
            {"topic": one.topic, "errors": one.errors, "missed": one.missed}
            for one in node.samplers
        ],
        "journal": {
            "state": "open" if gateway.node else "failed",
            "shut_reason": gateway.shut_reason,
            "stored_bytes": room.stored_bytes,
            "spare_bytes": room.spare_bytes(held_bytes),
            "limit_bytes": settings.journal.limit_bytes,
            "overflow": settings.journal.overflow,
        },
        "clock": {
            "quality": QUALITIES[gateway.clock.quality],
            "boot": gateway.clock.boot.number,
        },
        "wifi": {"state": shell.wifi.state},
        "board": {
            "name": node.board.name,
            "reset_cause": node.board.reset_cause,
            "temperature_c": node.board.temperature_c,
            "free_memory_bytes": node.board.free_memory_bytes,
            "watchdog_ms": node.board.watchdog_ms,
        },
        "health": {"problems": _problems(shell), "warnings": _warnings(node)},
    }


def oldest_age_s(shell: "Shell", now_ms: int) -> "float | None":
    """Return how long the oldest held record has waited; None where that is not known."""
    clock = shell.gateway.clock
    ages_ms = [0]
    for record in shell.engine.oldest_held(now_ms):
        if record.boot == clock.boot.number:
            ages_ms.append(now_ms - record.ticks_ms)
            continue
        then_ms = wall_of(clock.boot_of(record.boot), record.ticks_ms)[0]
        wall_ms = clock.wall_ms(now_ms)
        if then_ms is None or wall_ms is None:
            return None
        ages_ms.append(wall_ms - then_ms)
    return max(ages_ms) / 1000


def _stream(node: str, lane: "Lane") -> "dict[str, Any]":
    balance = lane.balance
    return {
        "stream": str(lane.stream(node)),
        "lane": lane.name,
        "admitted": balance.admitted,
        "delivered": balance.delivered,
        "held": balance.held,
        "quarantined": balance.quarantined,
        "dropped": balance.dropped,
        "balanced": balance.holds,
        "held_bytes": lane.held_bytes,
    }


def _link(node: "Node", now_ms: int) -> "dict[str, Any]":
    line, uplink = node.shell.gateway.line, node.settings.uplink
    if line is None or uplink is None:
        return {"state": "none", "since": None, "for_s": None, "last_error": "", "target": ""}
    return {
        "state": line.state,
        "since": _text_of(node.shell.gateway.clock.wall_ms(line.since_ms)),
        "for_s": (now_ms - line.since_ms) / 1000,
        "last_error": line.last_error,
        "target": f"{uplink.type}://{uplink.host}:{uplink.port}{uplink.path}",
    }


def _text_of(wall_ms: "int | None") -> "str | None":
    """Return a wall time as ISO 8601 in UTC."""
    if wall_ms is None:
        return None
    year, month, day, hour, minute, second = time.gmtime(wall_ms // 1000 - EPOCH_S)[:6]
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"


def _problems(shell: "Shell") -> "list[str]":
    gateway = shell.gateway
    problems = []
    if not gateway.node:
        problems.append(gateway.shut_reason or "the journal is not open yet")
    elif gateway.shut_reason:
        problems.append("no messages are taken: " + gateway.shut_reason)
    if gateway.line is not None and gateway.line.state == HELD:
        problems.append("the target refuses this node: " + gateway.line.last_error)
    for lane in gateway.lanes:
        if not lane.balance.holds:
            problems.append(f"the balance of lane {lane.name} does not hold")
    return problems


def _warnings(node: "Node") -> "list[str]":
    warnings = []
    if is_fat(node.settings.journal.folder):
        warnings.append("the log lies on FAT, which a power cut may damage as a whole")
    aside = _set_aside(node.settings.journal.folder)
    if aside:
        warnings.append(f"{aside} damaged files of the log were set aside as *{ASIDE}")
    if node.shell.source.refused:
        warnings.append(f"{node.shell.source.refused} messages found the queue full")
    if node.board.reset_cause in ("watchdog", "brown-out"):
        warnings.append("the last reset was by " + node.board.reset_cause)
    for lane in node.shell.gateway.lanes:
        for reason, count in sorted(lane.balance.dropped.items()):
            warnings.append(f"{count} records of lane {lane.name} were dropped: {reason}")
    return warnings


def _set_aside(folder: str) -> int:
    """Return how many damaged segments lie in the log's folder."""
    try:
        names = [entry[0] for entry in os.ilistdir(folder.encode())]
    except OSError:
        return 0  # Why there is no log, `_problems` tells.
    return sum([name.endswith(ASIDE.encode()) for name in names])
