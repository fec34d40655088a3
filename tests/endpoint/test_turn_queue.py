"""Turns on their way to the journal and back, without a thread."""

import pytest

from tidegate.events import Arrived, Message, Sought
from tidegate_linux.endpoint.broker.notes import pack_turn
from tidegate_linux.endpoint.broker.state.turns import Turn
from tidegate_linux.endpoint.turn_queue import MESSAGES_MAX, PAGE_NOTES, TurnQueue


class Hearer:
    def __init__(self):
        self.heard = []

    def loaded(self, pairs):
        self.heard.append(("loaded", len(pairs)))

    def settled(self, number, refused):
        self.heard.append(("settled", number, refused))

    def found(self, pairs):
        self.heard.append(("found", pairs))

    def running(self):
        self.heard.append(("running",))

    def hold(self, is_held):
        self.heard.append(("hold", is_held))

    def take(self):
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def hearer():
    return Hearer()


@pytest.fixture
def sent():
    return []


@pytest.fixture
def box(hearer, sent):
    made = TurnQueue("listen", sent.append, hearer)
    made.load()
    made.found(1, [])
    sent.clear()
    hearer.take()
    return made


def turn(number, count=1):
    message = Message(b"t", b"x", 0, b"", b"", 0, None)
    return Turn(number, [message] * count, [(b"turn", pack_turn(number))], 100)


def numbers(sent):
    return [event.receipt for event in sent if isinstance(event, Arrived)]


def test_notes_come_in_pages_and_then_it_runs(hearer, sent):
    box = TurnQueue("listen", sent.append, hearer)
    box.load()
    page = [(b"%05d" % number, b"") for number in range(PAGE_NOTES)]
    box.found(1, page)
    box.found(1, page[:3])
    assert sent == [
        Sought("listen", 1, b"", b"\xff", PAGE_NOTES),
        Sought("listen", 1, b"00999\0", b"\xff", PAGE_NOTES),
    ]
    assert hearer.take() == [
        ("loaded", PAGE_NOTES), ("loaded", 3), ("running",), ("hold", False)
    ]  # fmt: skip


def test_a_pause_while_it_loads_goes_on_behind_what_came(hearer, sent):
    box = TurnQueue("listen", sent.append, hearer)
    box.load()
    box.found(1, [(b"%05d" % number, b"") for number in range(PAGE_NOTES)])
    box.pause()
    box.resume()
    box.found(1, [(b"late", b"")])
    box.found(2, [])
    assert sent[-1] == Sought("listen", 2, b"00999\0", b"\xff", PAGE_NOTES)
    assert hearer.take() == [("loaded", PAGE_NOTES), ("running",), ("hold", False)]


def test_turns_are_settled_in_order(box, hearer, sent):
    for number in (1, 2, 3):
        box.send(turn(number))
    box.acknowledged(1, [1, 2], False)
    box.acknowledged(1, [3], True)
    assert numbers(sent) == [1, 2, 3]
    assert hearer.take() == [("settled", 1, False), ("settled", 2, False), ("settled", 3, True)]
    assert (box.messages, box.size_bytes) == (0, 0)


@pytest.mark.parametrize("durable", [None, 1, 2, 3, 4])
def test_after_a_pause_what_is_not_durable_is_delivered_again(box, hearer, sent, durable):
    for number in (1, 2, 3, 4):
        box.send(turn(number))
    box.acknowledged(1, [1], False)
    box.pause()
    box.acknowledged(1, [2], False)  # Too late: the question that follows will tell.
    box.send(turn(5))
    box.resume()
    assert sent[-1] == Sought("listen", 2, b"turn", b"turn\0", 1)
    box.found(2, [] if durable is None else [(b"turn", pack_turn(durable))])
    again = [number for number in (2, 3, 4, 5) if number > (durable or 0)]
    assert numbers(sent) == [1, 2, 3, 4, *again]
    assert all(event.generation == 2 for event in sent[-len(again) :])
    box.acknowledged(2, again, False)
    settled = [word[1] for word in hearer.take() if word[0] == "settled"]
    assert settled == [1, 2, 3, 4, 5]


def test_a_second_pause_before_the_answer_asks_again(box, sent):
    box.send(turn(1))
    box.pause()
    box.resume()
    box.pause()
    box.resume()
    box.found(2, [(b"turn", pack_turn(1))])  # The answer to the first question.
    assert numbers(sent) == [1]
    box.found(3, [])
    assert numbers(sent) == [1, 1]


def test_a_damaged_note_counts_for_none(box, sent):
    box.send(turn(1))
    box.pause()
    box.resume()
    box.found(2, [(b"turn", b"?")])
    assert numbers(sent) == [1, 1]


def test_too_much_unsettled_holds_until_half_of_it_is_settled(box, hearer):
    box.send(turn(1, MESSAGES_MAX // 2))
    box.send(turn(2, MESSAGES_MAX // 2))
    assert hearer.take() == []
    box.send(turn(3))
    assert hearer.take() == [("hold", True)]
    box.acknowledged(1, [1], False)
    assert hearer.take() == [("settled", 1, False)]
    box.acknowledged(1, [2], False)
    assert hearer.take() == [("settled", 2, False), ("hold", False)]


def test_what_was_sought_is_sought_again_after_a_pause(box, hearer, sent):
    box.seek(b"Q1", b"Q2", 10)
    box.pause()
    box.resume()
    box.found(2, [])
    assert sent[-1] == Sought("listen", 2, b"Q1", b"Q2", 10)
    box.found(1, [(b"Q1", b"old")])
    box.found(2, [(b"Q1", b"new")])
    assert ("found", [(b"Q1", b"new")]) in hearer.take()
    box.seek(b"Q1", b"Q2", 10)


def test_who_asks_for_something_else_gets_no_answer_to_the_first(box, hearer):
    box.seek(b"Q1", b"Q2", 10)
    box.seek(b"Q5", b"Q6", 10)
    box.found(1, [(b"Q1", b"")])
    box.found(1, [(b"Q5", b"")])
    assert hearer.take() == [("found", [(b"Q5", b"")])]


def test_who_asks_twice_for_the_same_gets_one_answer(box, hearer, sent):
    box.seek(b"Q1", b"Q2", 10)
    box.seek(b"Q1", b"Q2", 10)
    assert len(sent) == 1
    box.found(1, [(b"Q1", b"")])
    assert hearer.take() == [("found", [(b"Q1", b"")])]
