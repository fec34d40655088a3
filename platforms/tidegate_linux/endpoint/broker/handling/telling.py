"""What the broker tells of itself below `$SYS/broker/`: retained, in memory, never uplinked."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.handling import delivering
from tidegate_linux.endpoint.broker.state.routes import Route, plan
from tidegate_linux.endpoint.broker.sys_topics import sys_messages

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.state.state import State


def count(state: "State") -> None:
    """Bring up to date what the counters say of the present."""
    counters = state.counters
    counters.sessions = len(state.sessions)
    counters.subscriptions = state.subscriptions.count
    counters.retained = state.retained.count
    counters.retained_bytes = state.retained.total_bytes


def tell(state: "State", uptime_s: int, now_ms: int) -> None:
    """Publish what has changed since the last time."""
    count(state)
    for topic, payload in sys_messages(state.counters, uptime_s):
        if state.told_payloads.get(topic) == payload:
            continue
        state.told_payloads[topic] = payload
        delivery = Delivery(topic, payload, 0, True, b"", None, "")
        state.told.put(delivery)
        found = state.subscriptions.match(topic)
        if found.direct or found.groups:
            copies = tuple([plan(session, wanted) for session, wanted in found.direct])
            route = Route(0, False, copies, tuple(found.groups))
            delivering.spread(state, None, route, delivery, now_ms)
