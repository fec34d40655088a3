"""Requests of nodes and their answers: taken from a PUBLISH, and brought back to who asked alone.

An answer goes to the connection that asked, if its client has subscribed to where it is published;
nobody else gets it, whatever they have subscribed to.
"""

import json
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import OPEN
from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.handling import delivering
from tidegate_linux.endpoint.broker.requests import Request, answer_topic, parse_place
from tidegate_linux.endpoint.broker.state.routes import Route, plan

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State

DROPPED_UNASKED = "answer to nobody"
# MQTT 3.1.1 has no word for it, and a node would take silence for a bad line.
REFUSAL = {"status": 403, "error": "not-allowed", "detail": "the access rules do not allow it"}


def ask(
    state: "State", connection: "Connection", session: "Session", topic: bytes, payload: bytes
) -> None:
    """Take a request; its route has said that it is one."""
    place = parse_place(topic)
    assert place is not None
    state.requests.append(Request(place, payload, connection.user, connection, session))


def refuse(
    state: "State", connection: "Connection", session: "Session", topic: bytes, now_ms: int
) -> None:
    """Tell a client that listens to its answers that it may not ask, if `topic` is a request."""
    place = parse_place(topic)
    if place is not None:
        request = Request(place, b"", connection.user, connection, session)
        payload = json.dumps({"token": place.token, **REFUSAL}, separators=(",", ":"))
        answer(state, request, payload.encode(), now_ms)


def answer(state: "State", request: Request, payload: bytes, now_ms: int) -> None:
    """Bring an answer to who asked, if he is still there and listens."""
    session, connection = request.session, request.connection
    topic = answer_topic(request.place.node)
    if session.connection is connection and connection.phase == OPEN:
        for subscriber, wanted in state.subscriptions.match(topic).direct:
            if subscriber is session:
                delivery = Delivery(topic, payload, 0, False, b"", None, "")
                route = Route(0, False, (plan(session, wanted),), ())
                delivering.spread(state, None, route, delivery, now_ms)
                return
    state.counters.drop(DROPPED_UNASKED)
