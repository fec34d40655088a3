"""The metrics of the nodes that send here, out of the status of the source "nodes"."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Add = Callable[[list[str], str, str, str, list[tuple[dict[str, str], float]]], None]

# Metric (without `tidegate_nodes_`), which is the status's name too -> what it is.
_METRICS = (
    ("nodes", "Nodes that have sent something."),
    ("streams", "Streams of nodes whose cursor is known."),
    ("waiting", "Requests of nodes that have no answer yet."),
    ("batches_total", "Batches of nodes that were taken."),
    ("known_batches_total", "Batches of nodes that had been taken before."),
    ("records_total", "Records of nodes that were taken."),
    ("gaps_total", "Gaps in streams of nodes that were told."),
)


def add_nodes(lines: list[str], sources: list[dict[str, Any]], add: "Add") -> None:
    """Add the metrics of the nodes, where they can send."""
    for source in sources:
        fields = source.get("nodes")
        if fields is None:
            continue
        for name, help_text in _METRICS:
            kind = "counter" if name.endswith("_total") else "gauge"
            add(lines, f"nodes_{name}", kind, help_text, [({}, fields[name])])
        refused = [
            ({"error": word}, float(count))
            for word, count in sorted(fields["refused_total"].items())
        ]
        add(lines, "nodes_refused_total", "counter", "Refused requests, by answer.", refused)
