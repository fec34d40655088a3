"""The survey: what a running gateway says of itself, made by the engine's thread between two steps.

A `Snapshot` is never changed once it is made, so the status server may read it in any thread.  Its
`fields` are what `/status.json` and `tidegate status --json` show; operators' programs rest on the
names, so they only ever grow.
"""

import os
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tidegate.config.settings import GatewaySettings
from tidegate.delivery.line import HELD, UP, WAITING
from tidegate.gateway import Gateway
from tidegate.records.clock import wall_of
from tidegate.records.record import OVERHEAD_BYTES, Record
from tidegate.store.room import DROP_NEWEST
from tidegate.version import VERSION
from tidegate_linux.inbox import Inbox
from tidegate_linux.journal.aside import Salvage, salvages
from tidegate_linux.journal.quarantine_rows import RETRIED
from tidegate_linux.journal.timed import BOUNDS_S, CommitTimes
from tidegate_linux.status.rates import Counts, Rates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.ports import Source
    from tidegate.store.lane import Lane
    from tidegate_linux.board import Board

QUALITIES = ("unknown", "set", "synchronised")


class Snapshot(NamedTuple):
    """What a gateway said of itself at `taken_ms` of the monotonic clock.

    `problems` make it unhealthy: something is refused or lost here, and a restart or a person must
    mend it.  `warnings` do not: a line that is down is what a gateway is for.  A gateway that works
    after it has lost something here, and that nobody has looked at since, `is_degraded`.
    """

    taken_ms: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    fields: dict[str, Any]
    is_degraded: bool = False


class Survey:
    """Makes snapshots of one gateway; for the engine's thread alone."""

    def __init__(
        self,
        settings: GatewaySettings,
        advice: "Sequence[str]",
        gateway: Gateway,
        sources: "Sequence[Source]",
        inbox: Inbox,
        times: CommitTimes,
        now_ms: int,
        board: "Board | None" = None,
    ) -> None:
        """`advice` is what was said about the settings; it stays true while they stand."""
        self._settings = settings
        self._advice = tuple(advice)
        self._gateway = gateway
        self._sources = sources
        self._inbox = inbox
        self._times = times
        self._started_ms = now_ms
        self._board = board
        self._rates = Rates()
        self._node = ""
        self._streams: list[dict[str, Any]] = []

    def take(self, now_ms: int, oldest: "Sequence[Record]") -> Snapshot:
        """Return a snapshot; `oldest` are the oldest held records of the lanes."""
        gateway = self._gateway
        if gateway.node:
            # While the journal is gone the figures are ahead of the medium: the last ones stand.
            self._node = gateway.node
            self._streams = [self._stream(lane) for lane in gateway.lanes]
        admitted = sum(stream["admitted"] for stream in self._streams)
        delivered = sum(stream["delivered"] for stream in self._streams)
        self._rates.add(Counts(now_ms, admitted, delivered))
        sources = [self._source(source, now_ms) for source in self._sources]
        link = self._link(now_ms)
        salvaged = salvages(Path(self._settings.node.data))
        fields: dict[str, Any] = {
            "node": self._node,
            "name": self._settings.node.name,
            "version": VERSION,
            "running": True,
            "taken": self._wall_text(now_ms),
            "uptime_s": round((now_ms - self._started_ms) / 1000, 3),
            "streams": self._streams,
            "backlog": {
                "records": sum(stream["held"] for stream in self._streams),
                "bytes": sum(stream["held_bytes"] for stream in self._streams),
                "oldest_age_s": self._oldest_age_s(now_ms, oldest),
            },
            "link": link,
            "rate": {
                "in_per_s": round(self._rates.in_per_s, 1),
                "out_per_s": round(self._rates.out_per_s, 1),
            },
            "offline_capacity_s": self._offline_capacity_s(),
            "sources": sources,
            "journal": {**self._journal(), "salvaged": salvage_fields(salvaged)},
            "clock": {
                "quality": QUALITIES[gateway.clock.quality],
                "boot": gateway.clock.boot.number,
            },
            "process": process_fields(),
        }
        problems = self._problems()
        warnings = [*self._warnings(link, sources), *map(str, salvaged)]
        if self._board is not None:
            fields["board"] = self._board.fields()
            warnings += self._board.warnings()
        fields["health"] = {"problems": problems, "warnings": warnings}
        return Snapshot(now_ms, tuple(problems), tuple(warnings), fields, bool(salvaged))

    def _stream(self, lane: "Lane") -> dict[str, Any]:
        balance = lane.balance
        return {
            "stream": str(lane.stream(self._gateway.node)),
            "lane": lane.name,
            "admitted": balance.admitted,
            "delivered": balance.delivered,
            "held": balance.held,
            "quarantined": balance.quarantined,
            "dropped": balance.dropped,
            "balanced": balance.holds,
            "held_bytes": lane.held_bytes,
        }

    def _source(self, source: "Source", now_ms: int) -> dict[str, Any]:
        fields = dict(source.status())
        since_ms = fields.get("since")
        if isinstance(since_ms, int):
            fields["since"] = self._wall_text(since_ms)
            fields["for_s"] = round((now_ms - since_ms) / 1000, 1)
        return {"name": source.name, **fields}

    def _link(self, now_ms: int) -> dict[str, Any]:
        line, uplink = self._gateway.line, self._settings.uplink
        if line is None or uplink is None:
            return {"state": "none", "since": None, "for_s": None, "last_error": "", "target": ""}
        since_ms = line.since_ms or self._started_ms
        return {
            "state": line.state,
            "since": self._wall_text(since_ms),
            "for_s": round((now_ms - since_ms) / 1000, 1),
            "last_error": line.last_error,
            "target": str(uplink.url),
        }

    def _journal(self) -> dict[str, Any]:
        gateway, settings, times = self._gateway, self._settings.journal, self._times
        return {
            "state": "open" if gateway.node else "failed",
            "shut_reason": gateway.shut_reason,
            "stored_bytes": gateway.room.stored_bytes,
            "spare_bytes": gateway.room.spare_bytes(self._held_bytes()),
            "limit_bytes": settings.limit_bytes,
            "overflow": settings.overflow,
            "commits": sum(times.counts),
            "commit_s": round(times.sum_s, 6),
            "commits_within_s": dict(zip(map(str, BOUNDS_S), times.counts, strict=False)),
        }

    def _held_bytes(self) -> int:
        return sum(lane.held_bytes for lane in self._gateway.lanes)

    def _oldest_age_s(self, now_ms: int, oldest: "Sequence[Record]") -> float | None:
        """Return how long the oldest held record has waited; None where that is not known.

        A record of an earlier boot has an age only if that boot's wall clock was known.
        """
        clock = self._gateway.clock
        ages_ms = [0]
        for record in oldest:
            if record.boot == clock.boot.number:
                ages_ms.append(now_ms - record.ticks_ms)
                continue
            then_ms = wall_of(clock.boot_of(record.boot), record.ticks_ms)[0]
            wall_ms = clock.wall_ms(now_ms)
            if then_ms is None or wall_ms is None:
                return None
            ages_ms.append(wall_ms - then_ms)
        return round(max(ages_ms) / 1000, 3)

    def _offline_capacity_s(self) -> int | None:
        """Return how long the journal still takes what comes in, at the rate of the last minutes.

        None while nothing comes in: then there is no end to it.
        """
        in_per_s = self._rates.in_per_s_long
        if in_per_s <= 0 or not self._inbox.messages:
            return None
        record_bytes = OVERHEAD_BYTES + self._inbox.message_bytes / self._inbox.messages
        return int(self._gateway.room.spare_bytes(self._held_bytes()) / (in_per_s * record_bytes))

    def _problems(self) -> list[str]:
        gateway = self._gateway
        problems = []
        if not gateway.node:
            problems.append(gateway.shut_reason or "the journal is not open yet")
        elif gateway.shut_reason:
            problems.append(f"no messages are taken: {gateway.shut_reason}")
        elif gateway.room.overflow == DROP_NEWEST and gateway.room.short_bytes > 0:
            problems.append("new messages are dropped: the journal is full")
        for stream in self._streams:
            if not stream["balanced"]:
                problems.append(f"the balance of {stream['stream']} does not hold")
        return problems

    def _warnings(self, link: dict[str, Any], sources: "Sequence[dict[str, Any]]") -> list[str]:
        warnings = list(self._advice)
        state = link["state"]
        if state == HELD:
            warnings.append(f"the hub refuses us: {link['last_error']}")
        elif state not in (UP, WAITING, "none"):
            warnings.append(f"the line is {state}: {link['last_error']}".removesuffix(": "))
        for source in sources:
            if source["state"] != "connected":
                detail = f"source {source['name']} is {source['state']}: {source['last_error']}"
                warnings.append(detail.removesuffix(": "))
        for stream in self._streams:
            for reason, count in stream["dropped"].items():
                if reason != RETRIED:  # Those were admitted again.
                    warnings.append(f"{count} records of {stream['stream']} were dropped: {reason}")
            if stream["quarantined"]:
                count = stream["quarantined"]
                warnings.append(f"{count} records of {stream['stream']} are in quarantine")
        return warnings

    def _wall_text(self, at_ms: int) -> str | None:
        wall_ms = self._gateway.clock.wall_ms(at_ms)
        return None if wall_ms is None else wall_text(wall_ms)


def wall_text(wall_ms: int) -> str:
    """Return a wall time as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def salvage_fields(salvaged: "Sequence[Salvage]") -> list[dict[str, Any]]:
    """Return what was set aside as damaged; None is a count that nobody knows."""
    return [
        {
            "folder": str(one.folder),
            "carried_over": one.records,
            "lost": one.lost,
            "notes_lost": one.notes_lost,
        }
        for one in salvaged
    ]


def process_fields() -> dict[str, Any]:
    """Return what this process takes of the machine."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    return {
        "pid": os.getpid(),
        "resident_bytes": _memory_bytes(lines, "VmRSS:"),
        # Not the ru_maxrss of getrusage, which begins with what our parent took.
        "resident_bytes_max": _memory_bytes(lines, "VmHWM:"),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
    }


def _memory_bytes(lines: list[str], name: str) -> int:
    """Return a figure of proc_pid_status(5), which is in kilobytes; 0 where there is none."""
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdigit():
            return int(words[1]) * 1024
    return 0
