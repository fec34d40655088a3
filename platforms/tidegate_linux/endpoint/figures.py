"""What an endpoint tells of itself in the status: names that operators' programs rest on."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate_linux.endpoint.transport.server import Server
    from tidegate_linux.endpoint.turn_queue import TurnQueue


def figures(server: "Server", turn_queue: "TurnQueue") -> dict[str, Any]:
    """Return the figures of an endpoint; those that end in _total only grow."""
    counters = server.broker.counters
    return {
        # As of the other kind of source: connections that were made.
        "connections": counters.connections_total,
        "endpoint": {
            "connections": counters.connections,
            "connections_max": counters.connections_max,
            "sockets": server.count,
            "sessions": counters.sessions,
            "sessions_expired_total": counters.sessions_expired,
            "subscriptions": counters.subscriptions,
            "retained": counters.retained,
            "retained_bytes": counters.retained_bytes,
            "messages_received_total": counters.messages_received,
            "messages_sent_total": counters.messages_sent,
            "bytes_received_total": counters.bytes_received,
            "bytes_sent_total": counters.bytes_sent,
            "logins_refused_total": server.login_checks.refused,
            "connections_refused_total": server.connection_log.refused_links,
            "dropped_total": dict(counters.dropped),
            "unsettled_messages": turn_queue.messages,
            "unsettled_bytes": turn_queue.size_bytes,
        },
    }
