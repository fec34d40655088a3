"""What the hub has counted since it started, as text for Prometheus.

The reasons are the fixed words of this package and of the core, so their number is bounded.
Increments happen under a lock, because several threads apply batches.
"""

import threading

_HELP = {
    "batches": ("outcome", "Batches answered with a receipt, by what they changed."),
    "records": ("", "Records applied."),
    "gaps": ("", "Gaps applied."),
    "received_bytes": ("", "Bytes of request bodies read, as they travelled."),
    "refused": ("reason", "Requests refused, by reason."),
}


class Metrics:
    """Counters by name and, where there is one, label."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        assert name in _HELP and bool(_HELP[name][0]) == bool(label), name
        with self._lock:
            self._counts[name, label] = self._counts.get((name, label), 0) + amount

    def value(self, name: str, label: str = "") -> int:
        with self._lock:
            return self._counts.get((name, label), 0)

    def text(self) -> str:
        """Return all counters in Prometheus' text format."""
        with self._lock:
            counts = dict(self._counts)
        lines = []
        for name, (label_name, help_text) in _HELP.items():
            metric = f"tidegate_hub_{name}_total"
            lines.append(f"# HELP {metric} {help_text}")
            lines.append(f"# TYPE {metric} counter")
            if not label_name:
                lines.append(f"{metric} {counts.get((name, ''), 0)}")
            for (counted, label), value in sorted(counts.items()):
                if label_name and counted == name:
                    lines.append(f'{metric}{{{label_name}="{label}"}} {value}')
        return "\n".join(lines) + "\n"
