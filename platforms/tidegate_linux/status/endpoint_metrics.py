"""The metrics of our own endpoint, out of the status of the source behind all listeners."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Add = Callable[[list[str], str, str, str, list[tuple[dict[str, str], float]]], None]

# Metric (without `tidegate_endpoint_`), which is the status's name too -> what it is.
_METRICS = (
    ("connections", "Clients that are connected."),
    ("connections_max", "The most that were at once."),
    ("sockets", "Network connections, with those that only begin or end."),
    ("sessions", "Sessions, those of clients that are away too."),
    ("subscriptions", "Subscriptions of all sessions."),
    ("retained", "Retained messages."),
    ("retained_bytes", "Bytes of retained messages."),
    ("messages_received_total", "Messages that clients published."),
    ("messages_sent_total", "Messages that were sent to clients."),
    ("bytes_received_total", "Bytes of MQTT that came in."),
    ("bytes_sent_total", "Bytes of MQTT that went out."),
    ("logins_refused_total", "Logins that were wrong, or not looked at."),
    ("connections_refused_total", "Connections that did not come as far as MQTT, or were cut."),
    ("sessions_expired_total", "Sessions that were given up."),
    ("unsettled_messages", "Messages on their way into the journal."),
    ("unsettled_bytes", "Bytes on their way into the journal."),
)


def add_endpoint(lines: list[str], sources: list[dict[str, Any]], add: "Add") -> None:
    """Add the metrics of the endpoint, where there is one."""
    for source in sources:
        fields = source.get("endpoint")
        if fields is None:
            continue
        for name, help_text in _METRICS:
            kind = "counter" if name.endswith("_total") else "gauge"
            add(lines, f"endpoint_{name}", kind, help_text, [({}, fields[name])])
        dropped = [
            ({"reason": reason}, float(count))
            for reason, count in sorted(fields["dropped_total"].items())
        ]
        help_text = "Messages that did not reach a client, by reason."
        add(lines, "endpoint_dropped_total", "counter", help_text, dropped)
