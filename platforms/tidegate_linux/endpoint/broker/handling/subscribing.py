"""SUBSCRIBE and UNSUBSCRIBE: each filter gets its own answer, and retained messages follow it."""

from typing import TYPE_CHECKING

from tidegate.records.filters import shared
from tidegate_linux.endpoint.broker.handling import delivering
from tidegate_linux.endpoint.broker.limits import SUBSCRIPTIONS_BYTES_MAX
from tidegate_linux.endpoint.broker.subscriptions import Subscription, cost_of
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PacketError
from tidegate_linux.endpoint.codec.writer import suback, unsuback

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State
    from tidegate_linux.endpoint.codec.packets import Request, Subscribe, Unsubscribe

# Values of Retain Handling [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11].
SEND_ALWAYS = 0
SEND_IF_NEW = 1

FILTER_SHOWN_BYTES = 256  # A filter may have 64 KB, a line in the log should not.


def subscribe(state: "State", connection: "Connection", packet: "Subscribe", now_ms: int) -> None:
    """Handle a SUBSCRIBE; what is retained leaves behind its SUBACK."""
    session = connection.session
    assert session is not None
    answers: list[int] = []
    wanted: list[Subscription] = []
    for request in packet.requests:
        refusal = _refusal(state, connection, session, request)
        if refusal:
            answers.append(refusal)
            _tell_refusal(state, connection, request, refusal)
            continue
        subscription = Subscription(
            request.filter,
            request.qos,
            request.no_local,
            request.retain_as_published,
            request.retain_handling,
            packet.identifier,
        )
        is_new = _add(state, session, subscription)
        answers.append(request.qos)
        handling = request.retain_handling
        if handling == SEND_ALWAYS or (handling == SEND_IF_NEW and is_new):
            wanted.append(subscription)
    data = suback(connection.version, packet.packet_id, answers)
    _answer(state, connection, session, data)
    for subscription in wanted:
        _send_retained(state, connection, session, subscription, now_ms)


def unsubscribe(state: "State", connection: "Connection", packet: "Unsubscribe") -> None:
    """Handle an UNSUBSCRIBE; what is in flight already is still delivered [MQTT-3.10.4-3]."""
    session = connection.session
    assert session is not None
    answers = []
    for filter in packet.filters:
        if session.filters.pop(filter, None) is None:
            answers.append(reasons.NO_SUBSCRIPTION_EXISTED)
            continue
        state.subscriptions.remove(session, filter)
        state.notes.filter(session, filter, None)
        answers.append(reasons.SUCCESS)
    state.routes.forget()
    data = unsuback(connection.version, packet.packet_id, answers)
    _answer(state, connection, session, data)


def _answer(state: "State", connection: "Connection", session: "Session", data: bytes) -> None:
    if connection.bytes_max and len(data) > connection.bytes_max:
        # [MQTT-3.1.2-24]: the client would wait for it in vain.
        raise PacketError(reasons.PACKET_TOO_LARGE, "the answer is larger than the client takes")
    if session.is_stored:
        state.turns.stage(connection, data)
    else:
        connection.send(data)


def _refusal(
    state: "State", connection: "Connection", session: "Session", request: "Request"
) -> int:
    """Return the reason code why this filter is refused, or 0."""
    settings, filter = state.settings, request.filter
    if request.no_local and shared(filter) is not None:
        # [MQTT-3.8.3-4]
        raise PacketError(reasons.PROTOCOL_ERROR, "a shared subscription with no local")
    if filter.count(b"/") >= settings.topic_levels_max or len(filter) > settings.topic_bytes_max:
        return reasons.TOPIC_FILTER_INVALID
    if not state.rules.may_subscribe(connection.user, connection.client_id, filter):
        return reasons.NOT_AUTHORIZED
    if filter not in session.filters and len(session.filters) >= settings.subscriptions_max:
        return reasons.QUOTA_EXCEEDED
    if filter not in session.filters and (
        state.subscriptions.total_bytes + cost_of(filter) > SUBSCRIPTIONS_BYTES_MAX
    ):
        state.report("warning", "subscriptions_full", client_id=connection.client_id)
        return reasons.QUOTA_EXCEEDED
    return 0


def _tell_refusal(
    state: "State", connection: "Connection", request: "Request", refusal: int
) -> None:
    state.report(
        "info",
        "subscription_refused",
        client_id=connection.client_id,
        filter=request.filter[:FILTER_SHOWN_BYTES],
        reason=reasons.name_of(refusal),
    )


def _add(state: "State", session: "Session", subscription: Subscription) -> bool:
    """Add or replace a subscription [MQTT-3.8.4-3]; tell whether it is new."""
    before = session.filters.get(subscription.filter)
    if before == subscription:
        return False
    session.filters[subscription.filter] = subscription
    state.subscriptions.add(session, subscription)
    state.routes.forget()
    state.notes.filter(session, subscription.filter, subscription)
    return before is None


def _send_retained(
    state: "State",
    connection: "Connection",
    session: "Session",
    subscription: Subscription,
    now_ms: int,
) -> None:
    """Send the retained messages that a subscription matches [MQTT-3.3.1-9]."""
    filter = subscription.filter
    if shared(filter) is not None:
        return  # 4.8.2: a shared subscription gets none when it is made.
    identifiers = (subscription.identifier,) if subscription.identifier else ()
    found = state.retained.find(filter, now_ms)
    if filter.startswith(b"$SYS"):
        found.extend(state.told.find(filter, now_ms))
    for delivery in found:
        if subscription.no_local and delivery.publisher == session.client_id:
            continue
        qos = min(delivery.qos, subscription.qos)
        if qos:
            delivering.enqueue(state, session, delivery, qos, identifiers, now_ms)
        else:
            connection.backlog.append((delivery, identifiers))
    delivering.send_backlog(state, connection, now_ms)
