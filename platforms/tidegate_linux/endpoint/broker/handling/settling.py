"""Turns go to the journal, and what hangs on them leaves when they are back."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker import notes
from tidegate_linux.endpoint.broker.connection import ENDED
from tidegate_linux.endpoint.broker.state.turns import Receipts, Turn
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PUBACK, PUBREC
from tidegate_linux.endpoint.codec.writer import acknowledgement, pubacks, pubrecs

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.state import State


def seal(state: "State") -> Turn | None:
    """Close the open turn; where nothing in it must become durable, let its output go."""
    turns = state.turns
    for session in state.remembering:
        state.notes.taken(session, session.repeats.last())
        state.arriving.append((session, 0))
    state.remembering.clear()
    turn = turns.seal(notes.TURN_KEY, notes.pack_turn(turns.number))
    if turn is None:
        for connection in turns.defer():
            _release(state, connection, turns.number, is_refused=False)
    elif state.arriving:
        state.arrived[turn.number] = state.arriving
    state.arriving = []
    return turn


def settle(state: "State", number: int, is_refused: bool) -> None:
    """Turn `number` is durable: let go what hangs on it."""
    state.settled = number
    arrived = state.arrived.pop(number, ())
    for session, packet_id in arrived:
        if is_refused:
            _take_back(state, session, packet_id, number)
        elif not packet_id:
            session.repeats.answered(number, state.now_ms)
    for connection in state.turns.settle(number):
        _release(state, connection, number, is_refused)


def _take_back(state: "State", session: "Session", packet_id: int, number: int) -> None:
    """Forget that a dropped message was here, or it would be told delivered when it comes again."""
    if state.sessions.get(session.client_id) is not session:
        return
    if packet_id:
        # A PUBREC that refuses ends the exchange: the packet id is free again (4.3.3).
        state.free_id(session, packet_id)
    elif session.repeats.forget(number):
        state.notes.forget_taken(session, number)


def _release(state: "State", connection: "Connection", number: int, is_refused: bool) -> None:
    if connection.phase == ENDED:
        return
    queue, output = connection.staged, connection.output
    if is_refused or (queue and queue[0].number > number):
        _decide(state, connection, number, is_refused)
    size_bytes = 0
    while queue and queue[0].number <= number:
        for part in queue.pop(0).parts:
            if isinstance(part, Receipts):
                data = _receipts(connection, part, is_refused)
            else:
                data = part
                connection.staged_bytes -= len(data)
            output.append(data)
            size_bytes += len(data)
    connection.output_bytes += size_bytes
    state.changed[connection] = None


def _decide(state: "State", connection: "Connection", number: int, is_refused: bool) -> None:
    """Encode what turn `number` acknowledges, as long as it is known whether it was refused.

    A PUBREC that refuses waits, with all that is behind it, until its packet id is noted as free:
    the client may use the id again as soon as it reads it, and after a crash that left the old note
    its next message would be taken for this one, and lost.
    """
    session, turns = connection.session, state.turns
    is_stored = session is not None and session.is_stored
    for staged in connection.staged:
        if staged.number != number:
            continue
        is_freeing = False
        for at, part in enumerate(staged.parts):
            if isinstance(part, Receipts):
                is_freeing |= part.qos == 2 and part.is_uplinked
                data = staged.parts[at] = _receipts(connection, part, is_refused)
                connection.staged_bytes += len(data)
        if is_refused and is_freeing and is_stored and connection.version == 5 and turns.notes:
            staged.number = turns.number
            turns.waiting[connection] = None


def _receipts(connection: "Connection", receipts: Receipts, is_refused: bool) -> bytes:
    """Encode acknowledgements; MQTT 5 has words for it when there was no room."""
    ids, version = receipts.ids, connection.version
    reason = reasons.SUCCESS
    if is_refused and receipts.is_uplinked and version == 5:
        reason = reasons.QUOTA_EXCEEDED
    if receipts.qos == 1:
        connection.in_flight -= len(ids)
        if reason == reasons.SUCCESS:
            return pubacks(version, ids)
        return b"".join([acknowledgement(PUBACK, version, one, reason) for one in ids])
    if reason == reasons.SUCCESS:
        return pubrecs(version, ids)
    connection.open_ids.difference_update(ids)
    return b"".join([acknowledgement(PUBREC, version, one, reason) for one in ids])
