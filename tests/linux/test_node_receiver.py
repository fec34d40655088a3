"""The thread around the machine: one answer each, whatever happens, and nobody who asks waits."""

import threading
import time

import pytest

from endpoint.listening import Reports
from fixtures.batches import Node
from tidegate.events import Arrived, Sought
from tidegate_linux.nodes import receiver as module
from tidegate_linux.nodes.machine import NodeMachine
from tidegate_linux.nodes.receiver import NodeReceiver

WAIT_S = 10.0


class Journal:
    """What an engine and a journal do, at once or when it is told to."""

    def __init__(self):
        self.notes = {}
        self.taken = []
        self.is_stuck = False
        self.receiver = None

    def deliver(self, event):
        if isinstance(event, Sought):
            pairs = sorted(self.notes.items())
            pairs = [pair for pair in pairs if event.first <= pair[0] < event.stop]
            self.receiver.found(event.generation, pairs[: event.count_max])
        elif not self.is_stuck:
            assert isinstance(event, Arrived)
            self.notes.update(event.notes)
            self.taken.extend(event.messages)
            self.receiver.acknowledge(event.generation, [event.receipt])


class Answers:
    """Gathers answers from any thread."""

    def __init__(self):
        self.all = []

    def __call__(self, answer):
        self.all.append(answer)

    def wait(self, count):
        until = time.monotonic() + WAIT_S
        while len(self.all) < count:
            assert time.monotonic() < until, self.all
            time.sleep(0.002)
        return [answer.status for answer in self.all]


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def receiver(journal, reports):
    one = NodeReceiver(lambda: 1000, reports, "mqtt://127.0.0.1")
    journal.receiver = one
    one.start(journal.deliver)
    until = time.monotonic() + WAIT_S
    while one.status()["state"] != "connected":
        assert time.monotonic() < until
        time.sleep(0.002)
    yield one
    one.close()


def test_many_threads_at_once(receiver, journal):
    answers = Answers()
    nodes = [Node(f"{number:016x}", records=20) for number in range(8)]

    def send(node):
        for first in range(1, 21):
            body = node.body(first, first)
            before = len([one for one in answers.all if one.fields["stream"] == str(node.stream)])
            receiver.receive(str(node.stream), "site", body, answers)
            until = time.monotonic() + WAIT_S
            while time.monotonic() < until:
                mine = [
                    one for one in list(answers.all) if one.fields["stream"] == str(node.stream)
                ]
                if len(mine) > before:
                    break
                time.sleep(0.001)

    threads = [threading.Thread(target=send, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.wait(160) == [200] * 160
    assert len(journal.taken) == 160
    status = receiver.status()["nodes"]
    assert (status["nodes"], status["records_total"], status["waiting"]) == (8, 160, 0)


def test_before_the_start_and_after_the_end(journal):
    node = Node(records=3)
    one = NodeReceiver(lambda: 1000)
    journal.receiver = one
    answers = Answers()
    one.receive(str(node.stream), "site", node.body(1, 3), answers)
    assert answers.wait(1) == [503]
    one.start(journal.deliver)
    one.close()
    one.standing(str(node.stream), "site", "", answers)
    assert answers.wait(2) == [503, 503]
    assert one.status()["state"] == "closed"


def test_the_end_answers_who_waits(receiver, journal):
    node = Node(records=9)
    answers = Answers()
    journal.is_stuck = True
    receiver.receive(str(node.stream), "site", node.body(1, 5), answers)
    receiver.standing(str(node.stream), "site", "", answers)
    time.sleep(0.05)
    assert answers.all == []
    receiver.close()
    assert answers.wait(2) == [503, 503]


def test_who_comes_when_too_many_wait_is_put_off(receiver, journal, monkeypatch):
    monkeypatch.setattr(module, "REQUESTS_MAX", 3)
    journal.is_stuck = True
    answers, late = Answers(), Answers()
    nodes = [Node(f"{number:016x}", records=2) for number in range(4)]
    for node in nodes[:3]:
        receiver.receive(str(node.stream), "site", node.body(1, 2), answers)
    receiver.receive(str(nodes[3].stream), "site", nodes[3].body(1, 2), late)
    assert late.wait(1) == [503]
    receiver.pause("the journal failed")
    assert answers.wait(3) == [503] * 3
    journal.is_stuck = False
    receiver.resume()
    until = time.monotonic() + WAIT_S
    while len(late.all) < 2 or late.all[-1].status != 200:
        receiver.receive(str(nodes[3].stream), "site", nodes[3].body(1, 2), late)
        time.sleep(0.01)
        assert time.monotonic() < until
    assert len(journal.taken) == 2


def test_too_many_bytes_wait(receiver, monkeypatch):
    monkeypatch.setattr(module, "BYTES_MAX", 10)
    answers = Answers()
    receiver.receive("x", "site", b"x" * 11, answers)
    assert answers.wait(1) == [503]


def test_a_bug_is_answered_and_told_and_the_others_are_served_on(
    receiver, journal, reports, monkeypatch
):
    node, other = Node(records=9), Node("00000000000000aa", records=9)
    answers = Answers()
    receiver.receive(str(node.stream), "site", node.body(1, 5), answers)
    assert answers.wait(1) == [200]

    def broken(*_arguments, **_options):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(NodeMachine, "_apply", broken)
        receiver.receive(str(other.stream), "site", other.body(1, 5), answers)
        assert answers.wait(2) == [200, 500]
    assert reports.of("nodes_bug") and "a bug" in receiver.status()["last_error"]
    until = time.monotonic() + WAIT_S
    while receiver.status()["state"] != "connected":
        assert time.monotonic() < until
    receiver.receive(str(node.stream), "site", node.body(1, 9), answers)
    receiver.receive(str(other.stream), "site", other.body(1, 9), answers)
    assert answers.wait(4) == [200, 500, 200, 200]
    assert len(journal.taken) == 18
