"""Will messages: kept with the session, published when its connection ends without goodbye.

A will is a note of its own, for clean sessions too, so that a crash of the gateway does not swallow
the news that a device is gone: it is published after the next start [MQTT-3.1.2-8].
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.handling import delivering, publishing
from tidegate_linux.endpoint.broker.limits import DELIVERY_OVERHEAD_BYTES
from tidegate_linux.endpoint.broker.notes import WillNote

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Will


def find_room(state: "State", will: "Will", now_ms: int) -> bool:
    """Tell whether a will can be kept: ten thousand of them may have 64 KB each."""
    size_bytes = len(will.topic) + len(will.payload) + DELIVERY_OVERHEAD_BYTES
    if will.extra is not None:
        size_bytes += len(will.extra.forwarded)
    return delivering.find_room(state, size_bytes, now_ms)


def keep(state: "State", connection: "Connection", session: "Session", will: "Will") -> None:
    """Keep the will of a client that has connected [MQTT-3.1.2-7]."""
    topic, payload, qos, retain, delay_s, extra = will
    forwarded, expiry_s, pairs = b"", None, []
    if extra is not None:
        forwarded, expiry_s, pairs = extra.forwarded, extra.expiry_s, list(extra.pairs)
    delivery = Delivery(topic, payload, qos, bool(retain), forwarded, None, session.client_id)
    is_uplinked = state.routes.is_uplinked(connection.peer.listener, topic)
    session.will = WillNote(delivery, connection.user, is_uplinked, delay_s, expiry_s, pairs)
    state.queued.total_bytes += session.will.size_bytes
    state.notes.will(session)


def forget(state: "State", session: "Session") -> None:
    """Delete the will of `session`: its client left in good order, or is back in time."""
    if session.will is not None:
        state.queued.total_bytes -= session.will.size_bytes
        session.will = None
        session.will_at_ms = None
        state.notes.will(session)


def await_delay(state: "State", session: "Session", now_ms: int) -> None:
    """Publish the will when its delay has passed, or at once if there is none [MQTT-3.1.3-9]."""
    assert session.will is not None
    # It waits no longer than the session lives, which `discard` sees to.
    delay_ms = session.will.delay_s * 1000
    session.will_at_ms = now_ms + delay_ms
    if delay_ms == 0:
        publish(state, session, now_ms)
    else:
        state.timers.arm(session, session.will_at_ms)


def publish(state: "State", session: "Session", now_ms: int) -> None:
    """Publish the will, if its client may publish there, and forget it."""
    will = session.will
    assert will is not None
    forget(state, session)
    publishing.publish_will(state, session, will, now_ms)
