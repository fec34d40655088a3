"""Planted bugs of the endpoint: mistakes that are easy to make, which the simulation must find.

As in `simulation/mutants.py`, this is the one place where code of the project is patched.  The
number is of seeds, from 0 on, within which it has to be found.
"""

from typing import Any

from simulation.mutants import Mutant, Patch
from tidegate_linux.endpoint.broker import notes
from tidegate_linux.endpoint.broker.handling import delivering, restoring, subscribing
from tidegate_linux.endpoint.broker.outbox import Outbox
from tidegate_linux.endpoint.broker.state.notebook import Notebook
from tidegate_linux.endpoint.broker.state.repeats import Repeats
from tidegate_linux.endpoint.broker.state.turns import Turns
from tidegate_linux.endpoint.codec import reasons
from tidegate_linux.endpoint.codec.packets import PUBREL
from tidegate_linux.endpoint.codec.writer import acknowledgement, pubacks
from tidegate_linux.endpoint.turn_queue import TurnQueue


class _HastyIds(list):
    """Acknowledges each message as it comes."""

    def __init__(self, connection) -> None:
        super().__init__()
        self._connection = connection

    def append(self, packet_id) -> None:
        connection = self._connection
        connection.in_flight -= 1
        connection.output.append(pubacks(connection.version, [packet_id]))
        connection.changed[connection] = None


def _puback_at_once(original):
    def receipts(self, connection, qos, is_uplinked):
        if qos == 1:
            return _HastyIds(connection)
        return original(self, connection, qos, is_uplinked)

    return receipts


def _id_not_noted(original):
    def received(self, session, packet_id, is_there):
        if not is_there:
            original(self, session, packet_id, is_there)

    return received


def _pubrel_at_once(_original):
    def release(state, session, connection, packet_id):
        entry = session.outbox.received(packet_id)
        if entry is not None:
            state.notes.released(session, entry)
        data = acknowledgement(PUBREL, connection.version, packet_id, reasons.SUCCESS)
        connection.output.append(data)
        state.changed[connection] = None

    return release


def _does_nothing(_original):
    def nothing(*_arguments):
        return None

    return nothing


def _next_number_not_restored(original):
    def restore(self, *arguments):
        next_number = self.next_number
        original(self, *arguments)
        self.next_number = next_number

    return restore


def _takes_any_id(_original):
    def free_number(self):
        return self.next_number

    return free_number


def _knows_by_id_alone(_original):
    def is_known(self, packet_id, _mark):
        return packet_id in self._marks

    return is_known


def _delivers_all_again(original):
    def go_on(self, _durable):
        original(self, 0)

    return go_on


def _takes_all_as_durable(original):
    def go_on(self, _durable):
        original(self, 1 << 62)

    return go_on


def _same_generation(original):
    def resume(self):
        self.generation -= 1
        original(self)

    return resume


def _clearing_not_noted(original):
    def retained(self, topic, delivery):
        if delivery is not None:
            original(self, topic, delivery)

    return retained


def _restores_all_but(kind):
    def make(original):
        def take_one(self, key, value, now_ms):
            if key[:1] != kind:
                original(self, key, value, now_ms)

        return take_one

    return make


def _overtakes_the_tail(_original):
    def queue(self, entry):
        if self._has_room_ahead() or not self.is_kept:
            self._put_ahead(entry)
            return
        if not self._tail_count:
            self._tail_first = entry.number
        self._tail_count += 1
        self._tail_bytes += entry.size_bytes
        self.total_bytes += entry.size_bytes

    return queue


def _leaves_from_an_empty_turn(_original):
    def defer(self):
        waiting = list(self.waiting)
        self.waiting = {}
        return waiting

    return defer


def _suback_at_once(_original):
    def answer(_state, connection, _session, data):
        connection.send(data)

    return answer


def _forgets_what_was_sent(_original):
    def rewind(self):
        for entry in list(self._flight.values()):
            if entry.state == 1:
                del self._flight[entry.packet_id]
                self._ids.discard(entry.packet_id)

    return rewind


def _sends_again_after_pubrec(original):
    def received(self, packet_id):
        entry = self._flight.get(packet_id)
        delivery = None if entry is None else entry.delivery
        done = original(self, packet_id)
        if done is not None and delivery is not None:
            done.state, done.delivery = 1, delivery
        return done

    return received


def _single(name: str, owner: Any, attribute: str, make: Any) -> Mutant:
    return Mutant(name, (Patch(owner, attribute, make),))


# Each with its number of seeds.
MUTANTS: tuple[tuple[Mutant, int], ...] = (
    (_single("PUBACK before it is durable", Turns, "receipts", _puback_at_once), 20),
    (_single("PUBREC without its packet id noted", Notebook, "received", _id_not_noted), 20),
    (_single("PUBREL before its marker is durable", delivering, "_release", _pubrel_at_once), 20),
    (_single("PUBREC leaves no marker", Notebook, "released", _does_nothing), 20),
    (
        Mutant(
            "a packet id is used twice after a crash",
            (
                Patch(Outbox, "restore", _next_number_not_restored),
                Patch(Outbox, "_free_number", _takes_any_id),
            ),
        ),
        300,
    ),
    (_single("a session is not noted", Notebook, "session", _does_nothing), 20),
    (_single("DUP is believed without the content", Repeats, "is_known", _knows_by_id_alone), 300),
    (_single("a message that came again is soon forgotten", Repeats, "doubt", _does_nothing), 1500),
    (_single("QoS 1 taken before a crash is forgotten", Repeats, "restore", _does_nothing), 300),
    (_single("a durable turn is delivered again", TurnQueue, "_go_on", _delivers_all_again), 300),
    (_single("a lost turn counts as durable", TurnQueue, "_go_on", _takes_all_as_durable), 300),
    (_single("a pause does not end a generation", TurnQueue, "resume", _same_generation), 300),
    (
        _single(
            "a cleared retained message is not noted", Notebook, "retained", _clearing_not_noted
        ),
        300,
    ),
    (
        _single(
            "a subscription is lost at a start",
            restoring.Restoring,
            "_take_one",
            _restores_all_but(notes.FILTER),
        ),
        300,
    ),
    (
        _single(
            "packet ids are lost at a start",
            restoring.Restoring,
            "_take_one",
            _restores_all_but(notes.INBOUND),
        ),
        300,
    ),
    (_single("new messages overtake the tail", Outbox, "_queue", _overtakes_the_tail), 300),
    (
        _single(
            "output of an empty turn leaves at once", Turns, "defer", _leaves_from_an_empty_turn
        ),
        300,
    ),
    (_single("SUBACK before it is durable", subscribing, "_answer", _suback_at_once), 20),
    (_single("a will is not noted", Notebook, "will", _does_nothing), 300),
    (_single("notes of a queue are not deleted", Notebook, "done", _does_nothing), 20),
    (_single("what was in flight is forgotten", Outbox, "rewind", _forgets_what_was_sent), 300),
    (
        _single(
            "a message goes out again after PUBREC", Outbox, "received", _sends_again_after_pubrec
        ),
        300,
    ),
)
