"""The broker for one site: MQTT 3.1.1 and 5.0, without I/O.

It is told what happens (`opened`, `received`, `lost`, `tick`, …), never waits, and reads no clock.
Once per pass of the event loop its caller asks, in this order, for `take_turn` (what must become
durable), `take_sought`, `take_requests` (what nodes ask), `take_changed` (the connections to look
at) and `take_reports`.  Turns are given to the journal in order and come back by `settled` in
order; only then does what hangs on them leave (see `state.turns`).
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import ENDED, OPEN, Connection, Login, Peer
from tidegate_linux.endpoint.broker.handling import (
    asking,
    braking,
    delivering,
    ending,
    inbound,
    restoring,
    settling,
    telling,
    wills,
)
from tidegate_linux.endpoint.broker.session import Session
from tidegate_linux.endpoint.broker.state.state import State
from tidegate_linux.endpoint.broker.state.turns import Turn
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PacketError
from tidegate_linux.endpoint.codec.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import EndpointSettings
    from tidegate_linux.endpoint.access.rules import Rules
    from tidegate_linux.endpoint.broker.requests import Request
    from tidegate_linux.endpoint.broker.sys_topics import Counters

__all__ = ["Broker", "Connection", "Login", "Peer", "Turn"]


class Broker:
    """All connections and sessions of all listeners."""

    def __init__(
        self,
        settings: "EndpointSettings",
        rules: "Rules",
        new_client_id: "Callable[[], str]",
        takes_nodes: bool = False,
    ) -> None:
        """`takes_nodes`: the caller fetches `take_requests` and brings each one's answer."""
        self._state = State(settings, rules, new_client_id, takes_nodes)
        self._restoring: restoring.Restoring | None = restoring.Restoring(self._state)
        self._sys_at_ms: int | None = None
        self._started_ms: int | None = None

    def restore(self, pairs: "list[tuple[bytes, bytes]]", now_ms: int, wall_ms: int) -> None:
        """Take a page of notes at the start; pages come in the order of their keys."""
        assert self._restoring is not None, "notes are restored before anything else happens"
        self._state.notes.offset_ms = wall_ms - now_ms
        self._restoring.take(pairs, now_ms)

    def restored(self, now_ms: int) -> None:
        """All notes were given."""
        assert self._restoring is not None
        self._state.now_ms = now_ms
        self._restoring.finish(now_ms)
        self._restoring = None

    def opened(self, peer: Peer, now_ms: int) -> Connection:
        """Take a new network connection."""
        state = self._state
        reader = Reader(state.settings.packet_bytes_max)
        connection = Connection(peer, reader, state.valve, state.changed, state.counters)
        connection.heard_ms = now_ms
        state.connections[connection] = None
        state.timers.arm(connection, now_ms + state.settings.connect_timeout_s * 1000)
        return connection

    def received(self, connection: Connection, data: bytes, now_ms: int) -> None:
        """Take what was read from a connection."""
        self._state.now_ms = now_ms
        inbound.received(self._state, connection, data, now_ms)

    def know_users(self, has_users: bool) -> None:
        """Learn whether there are users: where there are none, an anonymous listener asks for no
        password, whatever name a client gives."""
        self._state.has_users = has_users

    def judged(self, connection: Connection, is_right: bool, now_ms: int) -> None:
        """Take the answer to `connection.login`."""
        inbound.judged(self._state, connection, is_right, now_ms)

    def lost(self, connection: Connection, now_ms: int) -> None:
        """The transport of a connection has ended."""
        ending.lose(self._state, connection, now_ms)

    def drained(self, connection: Connection, now_ms: int) -> None:
        """The transport of a connection has sent what it had."""
        delivering.send_on(self._state, connection, now_ms)
        self._state.changed[connection] = None

    def tick(self, now_ms: int, wall_ms: int) -> None:
        """Do what is due."""
        state = self._state
        state.now_ms = now_ms
        state.notes.offset_ms = wall_ms - now_ms
        for timed in state.timers.take_due(now_ms):
            if isinstance(timed, Session):
                _look_at_session(state, timed, now_ms)
            elif isinstance(timed, Connection):
                _look_at_connection(state, timed, now_ms)
        for connection in [one for one in state.paced if one.free_at_ms <= now_ms]:
            del state.paced[connection]
            connection.is_paced = False
            connection.heard_ms = now_ms  # It may have been talking all the time.
            state.changed[connection] = None
        braking.look(state, now_ms)
        for topic in state.retained.take_expired(now_ms):
            state.notes.retained(topic, None)
        self._tell(now_ms)

    def deadline_ms(self) -> int | None:
        """Return when `tick` is due; None where nothing waits."""
        state = self._state
        if not all(connection.is_slow for connection in state.stalled):
            return state.now_ms
        times = [state.timers.deadline_ms(), state.retained.deadline_ms(), self._sys_at_ms]
        times.extend([int(connection.free_at_ms) + 1 for connection in state.paced])
        times.extend([brake.until_ms for brake in state.brakes.values()])
        return min([time for time in times if time is not None], default=None)

    def take_turn(self) -> Turn | None:
        """Return what came in since the last time, or None where nothing must become durable."""
        state = self._state
        if state.stalled:
            # Some may have sent all they had without ever being told that they were behind.
            for connection in [one for one in state.stalled if not one.is_slow]:
                delivering.send_on(state, connection, state.now_ms)
        return settling.seal(state)

    def settled(self, number: int, refused: bool, now_ms: int) -> None:
        """Turn `number` is durable; `refused`: its messages were dropped for want of room."""
        self._state.now_ms = now_ms
        settling.settle(self._state, number, refused)

    def take_sought(self) -> "list[tuple[bytes, bytes, int]]":
        """Return the ranges of notes that are to be read: first, stop, at most how many."""
        return restoring.seek(self._state)

    def found(self, pairs: "list[tuple[bytes, bytes]]", now_ms: int) -> None:
        """Take the notes that were asked for last."""
        restoring.found(self._state, pairs, now_ms)

    def hold(self, is_held: bool) -> None:
        """Take nothing in, or take it in again."""
        state = self._state
        if state.valve.is_shut == is_held:
            return
        state.valve.is_shut = is_held
        state.changed.update(state.connections)
        if not is_held:
            state.opened_ms = state.now_ms
            state.is_asked = False  # What was asked meanwhile may have had no answer.
            for connection in state.connections:
                connection.heard_ms = state.now_ms

    def take_requests(self) -> "list[Request]":
        """Return what nodes have asked; each is answered by `answered`."""
        requests, self._state.requests = self._state.requests, []
        return requests

    def answered(self, request: "Request", payload: bytes, now_ms: int) -> None:
        """Bring the answer to a node's request."""
        asking.answer(self._state, request, payload, now_ms)

    def take_changed(self) -> list[Connection]:
        """Return the connections with output, or whose hold, end or login has changed."""
        changed = list(self._state.changed)
        self._state.changed.clear()
        return changed

    def take_reports(self) -> "list[tuple[str, str, list[tuple[str, object]]]]":
        """Return what the operator is to be told: (level, event, fields)."""
        return self._state.take_reports()

    @property
    def counters(self) -> "Counters":
        """Return what was counted, and how many there are now."""
        telling.count(self._state)
        return self._state.counters

    def close(self, now_ms: int) -> None:
        """Send all clients away; sessions and wills stay for the next start."""
        ending.close(self._state, now_ms)

    def _tell(self, now_ms: int) -> None:
        interval_ms = self._state.settings.sys_interval_s * 1000
        if self._started_ms is None:
            self._started_ms = now_ms
        if interval_ms and (self._sys_at_ms is None or now_ms >= self._sys_at_ms):
            self._sys_at_ms = now_ms + interval_ms
            telling.tell(self._state, (now_ms - self._started_ms) // 1000, now_ms)


def _look_at_session(state: State, session: Session, now_ms: int) -> None:
    """Do what is due for a session without a connection, and wait for the rest."""
    if session.connection is not None or state.sessions.get(session.client_id) is not session:
        return
    if session.will_at_ms is not None and session.will_at_ms <= now_ms:
        wills.publish(state, session, now_ms)
    assert session.ends_at_ms is not None
    if session.ends_at_ms <= now_ms:
        state.counters.sessions_expired += 1
        ending.discard(state, session, now_ms)
        return
    state.timers.arm(session, session.ends_at_ms)
    if session.will_at_ms is not None:
        state.timers.arm(session, session.will_at_ms)


def _look_at_connection(state: State, connection: Connection, now_ms: int) -> None:
    """End a connection that is silent for too long [MQTT-3.1.2-22]."""
    if connection.phase == ENDED:
        return
    if connection.phase != OPEN and state.valve.is_shut:
        state.timers.arm(connection, now_ms + state.settings.connect_timeout_s * 1000)
        return
    if connection.phase != OPEN:
        fault = PacketError(reasons.KEEP_ALIVE_TIMEOUT, "no CONNECT in time")
        ending.fail(state, connection, fault, now_ms)
        return
    if not connection.keepalive_ms:
        return
    if state.valve.is_shut or connection.is_paced:
        connection.heard_ms = now_ms  # It is us who do not listen.
    silent_at_ms = connection.heard_ms + connection.keepalive_ms
    if silent_at_ms <= now_ms:
        fault = PacketError(reasons.KEEP_ALIVE_TIMEOUT, "silent for longer than its keep alive")
        ending.fail(state, connection, fault, now_ms)
        return
    state.timers.arm(connection, silent_at_ms)
