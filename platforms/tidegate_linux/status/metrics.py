"""A snapshot as text for Prometheus (text format 0.0.4).

A dozen lines of format need no library.  Counters are per stream, and a stream never starts over:
a restart goes on from the journal, a new epoch is a new stream.
"""

from typing import Any

from tidegate_linux.journal.timed import BOUNDS_S
from tidegate_linux.status.board_metrics import add_board
from tidegate_linux.status.endpoint_metrics import add_endpoint
from tidegate_linux.status.nodes_metrics import add_nodes
from tidegate_linux.status.survey import QUALITIES, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LINK_STATES = ("none", "connecting", "up", "down", "held", "waiting")

Sample = tuple[dict[str, str], float]


def metrics_text(snapshot: Snapshot, age_s: float, is_healthy: bool) -> str:
    """Return all metrics; `age_s` is how old the snapshot is."""
    fields = snapshot.fields
    info = {"node": fields["node"], "name": fields["name"], "version": fields["version"]}
    lines: list[str] = []
    _add(lines, "info", "gauge", "Which gateway this is.", [(info, 1)])
    _add(lines, "healthy", "gauge", "1 while nothing is refused or lost here.", [({}, is_healthy)])
    _add(lines, "snapshot_age_seconds", "gauge", "Age of these figures.", [({}, age_s)])
    _add(lines, "uptime_seconds", "gauge", "Since the start.", [({}, fields["uptime_s"])])
    _add_streams(lines, fields)
    _add_line(lines, fields)
    _add_sources(lines, fields["sources"])
    add_endpoint(lines, fields["sources"], _add)
    add_nodes(lines, fields["sources"], _add)
    _add_journal(lines, fields["journal"])
    quality = QUALITIES.index(fields["clock"]["quality"])
    _add(lines, "clock_quality", "gauge", "0 unknown, 1 set, 2 synchronised.", [({}, quality)])
    if "board" in fields:
        add_board(lines, fields["board"], _add)
    process = fields["process"]
    _add(lines, "resident_bytes", "gauge", "Memory in use.", [({}, process["resident_bytes"])])
    _add(lines, "cpu_seconds_total", "counter", "Processor time.", [({}, process["cpu_s"])])
    return "\n".join(lines) + "\n"


def _add_streams(lines: list[str], fields: dict[str, Any]) -> None:
    streams = fields["streams"]
    for key, kind, help_text in (
        ("admitted", "counter", "Records admitted."),
        ("delivered", "counter", "Records that the hub holds durably."),
        ("quarantined", "counter", "Records that the hub cannot take."),
        ("held", "gauge", "Records that wait."),
        ("held_bytes", "gauge", "Bytes of records that wait."),
    ):
        name = f"stream_{key}" + ("_total" if kind == "counter" else "")
        _add(lines, name, kind, help_text, [(_of(stream), stream[key]) for stream in streams])
    dropped = [
        ({**_of(stream), "reason": reason}, count)
        for stream in streams
        for reason, count in sorted(stream["dropped"].items())
    ]
    _add(lines, "stream_dropped_total", "counter", "Records dropped, by reason.", dropped)


def _of(stream: dict[str, Any]) -> dict[str, str]:
    return {"stream": stream["stream"], "lane": stream["lane"]}


def _add_line(lines: list[str], fields: dict[str, Any]) -> None:
    backlog, link = fields["backlog"], fields["link"]
    _add(lines, "backlog_records", "gauge", "Records that wait.", [({}, backlog["records"])])
    _add(lines, "backlog_bytes", "gauge", "Bytes that wait.", [({}, backlog["bytes"])])
    age_s, capacity_s = backlog["oldest_age_s"], fields["offline_capacity_s"]
    _add(lines, "backlog_oldest_seconds", "gauge", "Age of the oldest record.", _known(age_s))
    help_text = "How long the journal takes what comes in, with the line down."
    _add(lines, "offline_capacity_seconds", "gauge", help_text, _known(capacity_s))
    states: list[Sample] = [({"state": state}, link["state"] == state) for state in _LINK_STATES]
    _add(lines, "link_state", "gauge", "1 for the state of the line.", states)


def _add_sources(lines: list[str], sources: list[dict[str, Any]]) -> None:
    connected: list[Sample] = []
    connections: list[Sample] = []
    for source in sources:
        labels = {"source": source["name"]}
        connected.append((labels, source["state"] == "connected"))
        connections.append((labels, source.get("connections", 0)))
    _add(lines, "source_connected", "gauge", "1 while connected.", connected)
    _add(lines, "source_connections_total", "counter", "Connections made.", connections)


def _add_journal(lines: list[str], journal: dict[str, Any]) -> None:
    _add(lines, "journal_open", "gauge", "1 while it works.", [({}, journal["state"] == "open")])
    for key, help_text in (
        ("stored_bytes", "Bytes that the journal takes."),
        ("spare_bytes", "Bytes that it still takes."),
        ("limit_bytes", "Bytes that it may take."),
    ):
        _add(lines, f"journal_{key}", "gauge", help_text, [({}, journal[key])])
    name = "tidegate_commit_seconds"
    lines += [f"# HELP {name} How long commits took.", f"# TYPE {name} histogram"]
    total = 0
    for bound_s in BOUNDS_S:
        total += journal["commits_within_s"][str(bound_s)]
        lines.append(f'{name}_bucket{{le="{bound_s}"}} {total}')
    lines.append(f'{name}_bucket{{le="+Inf"}} {journal["commits"]}')
    lines.append(f"{name}_sum {journal['commit_s']}")
    lines.append(f"{name}_count {journal['commits']}")


def _known(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _add(lines: list[str], name: str, kind: str, help_text: str, samples: list[Sample]) -> None:
    lines += [f"# HELP tidegate_{name} {help_text}", f"# TYPE tidegate_{name} {kind}"]
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        number = int(value) if float(value).is_integer() else value
        lines.append(
            f"tidegate_{name}{{{pairs}}} {number}" if pairs else f"tidegate_{name} {number}"
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
