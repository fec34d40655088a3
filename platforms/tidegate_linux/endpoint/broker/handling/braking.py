"""Back-pressure: who publishes faster than a subscriber reads is read a little later.

Without it a publisher at full speed fills the queue of a subscriber that reads as fast as it can,
and copies are dropped though nobody is slow.  So while a queue is over half full its publishers are
not read, but never for longer than BRAKE_MS at a time, and only while their subscriber shows that
it takes its messages: one that is slow or has stopped holds nobody up, and loses its copies.

Never held is a publisher that has something to acknowledge itself: two that answer each other would
wait for each other.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.limits import ENTRIES_LIVE_MAX

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State

# A publisher may send one read (64 KiB) each time, so it is never held below some thousand messages
# a second; and no device notices a PUBACK or a PINGRESP that is so late.
BRAKE_MS = 100
TAKEN_MIN = 100  # What a subscriber has to take meanwhile, or it counts as slow,
REST_MS = 5_000  # and holds nobody up for so long.
PROOF_MS = 1_000  # Who has taken nothing for so long is not reading: fifty of them would add up.
BRAKES_MAX = 100  # Subscribers at a time: all are looked at in each pass of the event loop.


class Brake:
    """What one subscriber's queue does to those who fill it."""

    __slots__ = ("is_off", "publishers", "taken", "until_ms")

    def __init__(self, now_ms: int) -> None:
        self.until_ms = now_ms + BRAKE_MS
        self.taken = 0
        self.publishers: list[Connection] = []
        self.is_off = False  # The subscriber proved to be slow.


def press(state: "State", session: "Session", publisher: "Session | None", now_ms: int) -> None:
    """Hold the publisher whose message has just filled the session's queue over its half."""
    if publisher is None or publisher is session or not _is_crowded(state, session):
        return
    connection = publisher.connection
    if connection is None or connection.is_braked or publisher.outbox.in_flight:
        return
    brake = state.brakes.get(session)
    if brake is None:
        is_reading = session.connection is not None and now_ms - session.taken_ms <= PROOF_MS
        if not is_reading or len(state.brakes) >= BRAKES_MAX:
            return
        brake = state.brakes[session] = Brake(now_ms)
    if not brake.is_off:
        connection.is_braked = True
        brake.publishers.append(connection)


def taken(state: "State", session: "Session") -> None:
    """The subscriber has taken a message: go on with its publishers if there is room again."""
    session.taken_ms = state.now_ms
    brake = state.brakes.get(session)
    if brake is None or brake.is_off:
        return
    brake.taken += 1
    if not _is_crowded(state, session):
        del state.brakes[session]
        _let_go(state, brake)


def look(state: "State", now_ms: int) -> None:
    """Hold nobody for longer, and know the subscribers that are slow."""
    for session, brake in list(state.brakes.items()):
        if brake.until_ms > now_ms:
            continue
        _let_go(state, brake)
        if brake.is_off or brake.taken >= TAKEN_MIN:
            del state.brakes[session]
        else:
            brake.is_off = True
            brake.until_ms = now_ms + REST_MS


def _let_go(state: "State", brake: Brake) -> None:
    for connection in brake.publishers:
        connection.is_braked = False
        state.changed[connection] = None
    brake.publishers.clear()


def _is_crowded(state: "State", session: "Session") -> bool:
    settings, outbox = state.settings, session.outbox
    messages_max = min(settings.queue_messages_max, ENTRIES_LIVE_MAX)
    return outbox.count * 2 > messages_max or outbox.total_bytes * 2 > settings.queue_bytes_max
