"""What the broker writes down, and when: each method is one change that must survive a crash.

Notes of a session that ends with its connection are not written, but for its will.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker import notes

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.delivery import Delivery
    from tidegate_linux.endpoint.broker.outbox import Entry
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.repeats import Taken
    from tidegate_linux.endpoint.broker.state.turns import Turns
    from tidegate_linux.endpoint.broker.subscriptions import Subscription


class Notebook:
    """Writes notes into the open turn."""

    def __init__(self, turns: "Turns") -> None:
        self._turns = turns
        self.offset_ms = 0  # What to add to the clock of `now_ms` to get the wall clock.

    def session(self, session: "Session", now_ms: int) -> None:
        """Write what a session is."""
        if not session.is_stored:
            return
        is_connected = session.connection is not None
        note = notes.SessionNote(
            session.number,
            session.outbox.next_number,
            session.expiry_s,
            0 if is_connected else max(1, now_ms + self.offset_ms),
            session.user,
        )
        self._turns.note(notes.session_key(session.client_id), notes.pack_session(note))

    def will(self, session: "Session") -> None:
        """Write a session's will, or delete it."""
        value = None if session.will is None else notes.pack_will(session.will)
        self._turns.note(notes.will_key(session.number), value)

    def end(self, session: "Session") -> None:
        """Delete everything of a session but its will."""
        if not session.is_stored:
            return
        note, number = self._turns.note, session.number
        note(notes.session_key(session.client_id), None)
        for filter in session.filters:
            note(notes.filter_key(number, filter), None)
        for packet_id in session.received:
            note(notes.inbound_key(number, packet_id), None)
        for turn in session.repeats.turns():
            note(notes.prints_key(number, turn), None)
        for entry in session.outbox.live_numbers():
            note(notes.queued_key(number, entry), None)

    def filter(
        self, session: "Session", filter: bytes, subscription: "Subscription | None"
    ) -> None:
        """Write a subscription, or delete it."""
        if session.is_stored:
            value = None if subscription is None else notes.pack_subscription(subscription)
            self._turns.note(notes.filter_key(session.number, filter), value)

    def received(self, session: "Session", packet_id: int, is_there: bool) -> None:
        """Write that a QoS 2 message was taken in, or that it was released."""
        if session.is_stored:
            value = notes.pack_inbound() if is_there else None
            self._turns.note(notes.inbound_key(session.number, packet_id), value)

    def taken(self, session: "Session", taken: "Taken") -> None:
        """Write which QoS 1 messages a session has brought in one turn."""
        key = notes.prints_key(session.number, taken.turn)
        self._turns.note(key, notes.pack_prints(taken.marks))

    def forget_taken(self, session: "Session", turn: int) -> None:
        """Delete what a session brought in an old turn."""
        self._turns.note(notes.prints_key(session.number, turn), None)

    def queued(self, session: "Session", entry: "Entry") -> None:
        """Write an entry of a session's queue."""
        if session.is_stored:
            session.noted_turn = self._turns.number
            key = notes.queued_key(session.number, entry.number)
            self._turns.note(key, notes.pack_entry(entry, self.offset_ms))

    def released(self, session: "Session", entry: "Entry") -> None:
        """Put the marker in the place of an entry: from now on only PUBREL may be sent."""
        if session.is_stored:
            key = notes.queued_key(session.number, entry.number)
            self._turns.note(key, notes.pack_released())

    def done(self, session: "Session", entry: "Entry") -> None:
        """Delete an entry of a session's queue."""
        if session.is_stored:
            self._turns.note(notes.queued_key(session.number, entry.number), None)

    def retained(self, topic: bytes, delivery: "Delivery | None") -> None:
        """Write the retained message of a topic, or delete it."""
        value = None if delivery is None else notes.pack_delivery(delivery, self.offset_ms)
        self._turns.note(notes.retained_key(topic), value)
