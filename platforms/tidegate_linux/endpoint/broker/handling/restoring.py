"""The start: memory from notes; and queues that are read on from them later.

A note that is damaged, of a later version or of a session that is not there is left out, told and
deleted: the gateway always starts (P5).
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker import notes
from tidegate_linux.endpoint.broker.handling import delivering, publishing, wills
from tidegate_linux.endpoint.broker.limits import PACKET_ID_BYTES, WINDOW_ENTRIES
from tidegate_linux.endpoint.broker.session import Session

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.notes import WillNote
    from tidegate_linux.endpoint.broker.state.state import State


class Restoring:
    """What is known only between the first page of notes and the last."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self._sessions: dict[int, Session] = {}
        # Of those whose client was away: what was queued from here on was never sent.
        self._unsent: dict[int, int] = {}
        self._wills: list[tuple[int, WillNote]] = []
        self._last_session = 0
        self._cut_off: list[Session] = []  # Were connected when the crash came.
        self._lost: list[bytes] = []

    def take(self, pairs: "list[tuple[bytes, bytes]]", now_ms: int) -> None:
        """Take a page of notes, in the order of their keys."""
        for key, value in pairs:
            try:
                self._take_one(key, value, now_ms)
            except (ValueError, KeyError):
                self._lost.append(key)

    def finish(self, now_ms: int) -> None:
        """All notes were taken: connections are lost since the crash, so wills are due."""
        state = self._state
        state.next_session = self._last_session + 1
        for key in self._lost:
            state.turns.note(key, None)
        if self._lost:
            state.report("warning", "notes_lost", count=len(self._lost))
        for number, will in self._wills:
            session = self._sessions.get(number)
            if session is not None:
                session.will = will
                state.queued.total_bytes += will.size_bytes
                wills.await_delay(state, session, now_ms)
            else:
                # Its session ended with its connection, and that with the crash.
                state.turns.note(notes.will_key(number), None)
                publishing.publish_will(state, None, will, now_ms)
        for session in self._sessions.values():
            if session.ends_at_ms is not None:
                state.timers.arm(session, session.ends_at_ms)
        for session in self._cut_off:
            # From now on its absence is counted, whatever crashes follow.
            state.notes.session(session, now_ms)
        self._cut_off = []
        self._sessions = {}

    def _take_one(self, key: bytes, value: bytes, now_ms: int) -> None:
        state, kind, offset_ms = self._state, key[:1], self._state.notes.offset_ms
        if key == notes.TURN_KEY:
            state.settled = notes.unpack_turn(value)
            state.turns.number = state.settled + 1
        elif kind == notes.SESSION:
            self._take_session(key, value, now_ms)
        elif kind == notes.FILTER:
            number, filter = notes.split_filter_key(key)
            session = self._sessions[number]
            subscription = notes.unpack_subscription(filter, value)
            session.filters[filter] = subscription
            state.subscriptions.add(session, subscription)
        elif kind == notes.INBOUND:
            number, packet_id = notes.split_inbound_key(key)
            notes.check_inbound(value)
            self._sessions[number].received.add(packet_id)
            state.queued.total_bytes += PACKET_ID_BYTES
        elif kind == notes.PRINTS:
            number, turn = notes.split_prints_key(key)
            self._sessions[number].repeats.restore(turn, notes.unpack_prints(value), now_ms)
        elif kind == notes.QUEUED:
            number, entry_number = notes.split_queued_key(key)
            entry = notes.unpack_entry(entry_number, value, offset_ms)
            outbox = self._sessions[number].outbox
            outbox.restore(entry, WINDOW_ENTRIES, self._unsent.get(number))
        elif kind == notes.RETAINED:
            if not state.retained.put(notes.unpack_delivery(value, offset_ms)):
                state.counters.drop(publishing.DROPPED_NO_ROOM)
                raise ValueError("the limits are lower than they were")
        elif kind == notes.WILL:
            number = notes.split_will_key(key)
            self._wills.append((number, notes.unpack_will(value)))
            self._last_session = max(self._last_session, number)
        else:
            raise ValueError("a note of no known kind")

    def _take_session(self, key: bytes, value: bytes, now_ms: int) -> None:
        state = self._state
        note = notes.unpack_session(value)
        client_id = notes.split_session_key(key)
        session = Session(
            client_id, note.number, note.expiry_s, True, state.settings, state.queued,
            state.remembered,
        )  # fmt: skip
        session.user = note.user
        session.outbox.next_number = note.next_number
        left_ms = whole_ms = note.expiry_s * 1000
        if note.disconnected_wall_ms:
            self._unsent[note.number] = note.next_number
            # A clock that was set back or on meanwhile neither lengthens a session's life nor
            # makes it older than the clock says now.
            away_ms = now_ms + state.notes.offset_ms - note.disconnected_wall_ms
            left_ms = min(max(whole_ms - away_ms, 0), whole_ms)
        else:
            self._cut_off.append(session)
        session.ends_at_ms = now_ms + left_ms
        self._sessions[note.number] = session
        self._last_session = max(self._last_session, note.number)
        state.add_session(session)


def seek(state: "State") -> "list[tuple[bytes, bytes, int]]":
    """Return which range of notes to read for a queue, one at a time."""
    if state.is_asked:
        return []
    if state.sought is None:
        ready = (one for one, turn in state.seeking.items() if turn <= state.settled)
        state.sought = next(ready, None)
    session = state.sought
    if session is None:
        return []
    state.seeking.pop(session, None)
    wanted = session.outbox.wanted()
    if wanted is None:
        state.sought = None
        return []
    first, count = wanted
    state.is_asked = True
    _, stop = notes.session_range(notes.QUEUED, session.number)
    return [(notes.queued_key(session.number, first), stop, count)]


def found(state: "State", pairs: "list[tuple[bytes, bytes]]", now_ms: int) -> None:
    """Take what was read, and send it on."""
    session, state.sought, state.is_asked = state.sought, None, False
    if session is None or state.sessions.get(session.client_id) is not session:
        return
    outbox, entries = session.outbox, []
    for key, value in pairs:
        number, entry_number = notes.split_queued_key(key)
        if number != session.number:
            return  # The answer to a question from before the journal failed.
        try:
            entries.append(notes.unpack_entry(entry_number, value, state.notes.offset_ms))
        except ValueError:
            outbox.refill(entries)
            entries = []
            if outbox.lost(entry_number):
                state.counters.drop("damaged")
            state.turns.note(key, None)
    outbox.refill(entries)
    if not pairs:
        missing = outbox.forget_tail()
        state.counters.drop("damaged", missing)
        state.report("warning", "queue_lost", client_id=session.client_id, count=missing)
    delivering.pump(state, session, now_ms)
