"""Effects meet ports in order: what fails stops the rest, and nothing overtakes a commit (P1)."""

from builders import BOOT_IDENTITY, arrived, chance, gateway_settings, message, record_of
from scripted import Medium, ScriptedLink, ScriptedObserver, ScriptedSource
from scripted_hub import ScriptedHub
from tidegate.composition import compose
from tidegate.delivery.sender import IDLE_ASK_MS
from tidegate.engine import REOPEN_MS_MAX, REOPEN_MS_MIN, Engine
from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate.events import Answered, Sought, Unanswered
from tidegate.gateway import lane_names
from tidegate.records.record import fold_all


class Shell:
    """An engine with scripted ports; `log` has the order of everything that reached one."""

    def __init__(self, tree=None, sources=("source",), medium=None):
        settings = gateway_settings(tree)
        self.medium = medium or Medium(lane_names(settings))
        self.log = self.medium.log
        self.sources = [ScriptedSource(self.log, name) for name in sources]
        self.link = None if settings.uplink is None else ScriptedLink(self.log)
        self.hub = ScriptedHub()
        gateway = compose(settings, list(sources), BOOT_IDENTITY, chance())
        observer = ScriptedObserver(self.log)
        self.engine = Engine(gateway, self.medium.open, self.sources, self.link, observer)
        self.gateway = gateway
        self.now_ms = 0
        self.delivered = []

    def start(self):
        self.engine.start(self.delivered.append, self.now_ms)
        for source in self.sources:
            source.generation = 1
        return self

    def step(self, *events):
        self.engine.step(list(events), self.now_ms)

    def wait(self):
        """Go to the deadline and step; return how long it was."""
        at_ms = self.engine.deadline_ms(self.now_ms)
        waited_ms = at_ms - self.now_ms
        self.now_ms = at_ms
        self.step()
        return waited_ms

    def answers(self):
        """Return what the hub says to all requests."""
        requests, self.link.requests = self.link.requests, []
        events = []
        for request in requests:
            if len(request) == 3:
                status, fields = self.hub.query(request[1], request[2])
            else:
                status, fields = self.hub.receive(request[1])
            events.append(Answered(request[0], status, fields, None, 100))
        return events

    def clear(self):
        self.log[:] = []

    def words(self):
        """Return the first word of each line of the log."""
        return [line[0] for line in self.log]


LOCAL = {"uplink": None}  # Holds everything: only sources and journal speak.


def test_sources_come_in_when_there_is_a_journal_to_hold_what_they_bring():
    shell = Shell().start()
    assert shell.log[:6] == [
        ("link_started",),
        ("open",),
        ("recover",),
        ("append", "Booted"),
        ("sync",),
        ("start", "source"),
    ]


def test_a_whole_way_from_arrival_to_release():
    shell = Shell().start()
    shell.step(*shell.answers())
    shell.clear()
    shell.step(arrived([message(1), message(2)]))
    assert shell.log == [
        ("append", "Admitted"),
        ("sync",),
        ("acknowledge", "source", 1, [1, 2]),
    ]
    shell.clear()
    assert shell.wait() == 200
    assert shell.log == [("read", "main", 1), ("send", "main", 1, 2)]
    shell.clear()
    shell.step(*shell.answers())
    assert shell.log == [("append", "Released", "Spent"), ("sync",)]
    assert shell.engine.deadline_ms(shell.now_ms) == shell.now_ms + IDLE_ASK_MS


def test_puback_waits_for_sync():
    for method in ("append", "sync"):
        shell = Shell(LOCAL, ("one", "two")).start()
        shell.clear()
        shell.medium.failing = {method: 1}
        shell.step(arrived([message(1)], "one"), arrived([message(2)], "two"))
        report = [("kind", "io"), ("detail", "planted at " + method)]
        assert shell.log == [("append", "Admitted"), ("sync",)][: 1 + (method == "sync")] + [
            ("close",),
            ("report", "error", "journal_failed", report),
            ("pause", "one", "the journal failed: io"),
            ("pause", "two", "the journal failed: io"),
        ], method
        shell.clear()
        assert shell.wait() == REOPEN_MS_MIN
        assert shell.log == [
            ("open",),
            ("recover",),
            ("append", "Booted"),
            ("sync",),
            ("resume", "one"),
            ("resume", "two"),
        ], method
        assert shell.gateway.lanes[0].last == 0


def test_a_failed_commit_takes_everything_behind_it_along():
    # The release's commit fails: the batch that would follow is not even read.
    shell = Shell({"uplink": {"batch_records": 8}}).start()
    shell.step(*shell.answers())
    shell.step(arrived([message(number) for number in range(1, 7)]))
    answers = shell.answers()
    shell.clear()
    shell.medium.failing = {"sync": 1}
    shell.step(*answers)
    assert shell.words() == ["append", "sync", "close", "report", "pause"]
    assert shell.link.requests == []


def test_after_a_failure_the_receiver_is_asked_first_and_nothing_comes_twice():
    for method in ("append", "sync", "read", "hash_at"):
        for nth in range(1, 5):
            shell = Shell({"uplink": {"batch_records": 16}}).start()
            shell.medium.failing = {method: nth}
            for number in range(1, 30):
                shell.step(*shell.answers())
                source = shell.sources[0]
                if source.generation == 0 and shell.gateway.node:
                    source.generation = number + 1  # The broker sends again what it must.
                last = shell.gateway.lanes[0].last if shell.gateway.node else 99
                if source.generation and last < 6:
                    shell.step(arrived([message(last + 1)], generation=source.generation))
                if shell.engine.deadline_ms(shell.now_ms) is not None:
                    shell.wait()
            place = (method, nth)
            assert shell.hub.payloads == [str(number).encode() for number in range(1, 7)], place
            assert shell.gateway.lanes[0].balance == (6, 6, 0, 0, {}), place


def test_a_journal_that_was_given_up_is_opened_anew():
    shell = Shell(LOCAL).start()
    shell.step(arrived([message(1)]))
    shell.clear()
    shell.engine.give_up(StorageError(STORAGE_IO, "out of memory"), shell.now_ms)
    assert shell.words() == ["close", "report", "pause"]
    shell.now_ms += REOPEN_MS_MIN
    shell.step()
    assert shell.gateway.lanes[0].balance.admitted == 1
    assert shell.words()[-1] == "resume"


def test_a_late_answer_of_before_a_failure_counts_for_nothing():
    shell = Shell().start()
    early = shell.answers()
    shell.medium.failing = {"append": 1}
    shell.step(arrived([message(1)]))
    shell.wait()
    shell.clear()
    shell.step(*early)
    shell.step(Unanswered(early[0].token, "timeout", 0))
    assert shell.log == []


def test_a_journal_that_stays_broken_is_tried_again_at_growing_intervals():
    for method in ("open", "recover", "append", "sync"):
        shell = Shell(LOCAL)
        shell.medium.failing = {method: 1}
        shell.start()
        delays = []
        for _ in range(10):
            shell.medium.failing = {method: 1}
            delays.append(shell.wait())
        assert delays == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000], method
        assert "start" not in shell.words(), method
        shell.medium.failing = {}
        shell.wait()
        assert shell.words()[-5:] == ["open", "recover", "append", "sync", "start"], method


def test_a_journal_that_opens_and_takes_nothing_is_not_opened_ten_times_a_second():
    # A disk with room for a boot's entry and for no message: each time the sources reconnect.
    shell = Shell(LOCAL).start()
    delays = []
    for number in range(9):
        shell.sources[0].generation = number + 1
        shell.medium.kind = STORAGE_FULL
        shell.medium.failing = {"append": 1}
        shell.step(arrived([message(1)], generation=number + 1))
        delays.append(shell.wait())
    assert delays == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]
    # A journal that held for long is trusted again.
    shell.now_ms += REOPEN_MS_MAX
    shell.sources[0].generation = 77
    shell.medium.failing = {"append": 1}
    shell.step(arrived([message(1)], generation=77))
    assert shell.wait() == REOPEN_MS_MIN


def test_two_connections_arrivals_share_one_commit():
    shell = Shell(LOCAL, ("one", "two")).start()
    shell.clear()
    shell.step(
        arrived([message(1)], "one"), arrived([message(2)], "two"), arrived([message(3)], "one")
    )
    assert shell.log == [
        ("append", "Admitted"),
        ("sync",),
        ("acknowledge", "one", 1, [1]),
        ("acknowledge", "two", 1, [2]),
        ("acknowledge", "one", 1, [3]),
    ]


def test_what_a_dead_connection_brought_is_admitted_a_copy_is_better_than_a_loss():
    # It comes again only if the broker still has the session: it may have lost it just now.
    shell = Shell(LOCAL).start()
    shell.sources[0].generation = 2
    shell.clear()
    shell.step(arrived([message(1), message(2, token=None)], generation=1))
    assert shell.words() == ["append", "sync", "acknowledge"]
    rows = shell.medium.lanes["main"].rows
    assert [rows[seq][1].payload for seq in sorted(rows)] == [b"1", b"2"]


def test_answers_of_one_step_come_after_its_arrivals():
    shell = Shell().start()
    answers = shell.answers()
    shell.clear()
    shell.step(answers[0], arrived([message(1)]))
    assert shell.words() == ["append", "sync", "acknowledge", "report"]
    assert shell.wait() == 200


def test_closing_lets_go_of_the_sources_before_the_journal():
    shell = Shell(sources=("one", "two")).start()
    shell.clear()
    shell.engine.close()
    assert shell.log == [
        ("source_closed", "one"),
        ("source_closed", "two"),
        ("link_closed",),
        ("close",),
    ]
    shell.clear()
    shell.engine.close()
    assert "close" not in shell.words()


def test_an_engine_without_a_journal_can_be_closed():
    shell = Shell()
    shell.medium.failing = {"open": 1}
    shell.start()
    shell.engine.close()
    assert shell.words()[-1] == "link_closed"


def test_a_running_hash_can_be_asked_for():
    shell = Shell()
    assert shell.engine.hash_at("main", 1, 0) is None
    shell.start().step(arrived([message(1), message(2)]))
    hashes = [shell.engine.hash_at("main", seq, 0) for seq in (1, 2, 3)]
    assert hashes == fold_all(0, [record_of(number) for number in (1, 2)]) + [None]
    shell.medium.failing = {"hash_at": 1}
    assert shell.engine.hash_at("main", 1, 0) is None
    assert shell.wait() == REOPEN_MS_MIN


def test_the_oldest_held_records_can_be_asked_for():
    shell = Shell({"lane": [{"name": "alarm", "topics": ["x"]}]}).start()
    assert shell.engine.oldest_held(0) == []
    shell.step(arrived([message(1), message(2), message(3, b"x")]))
    assert [record.payload for record in shell.engine.oldest_held(0)] == [b"3", b"1"]
    shell.medium.failing = {"read": 1}
    assert shell.engine.oldest_held(0) == []
    assert shell.engine.oldest_held(0) == []  # There is no journal now.
    assert shell.wait() == REOPEN_MS_MIN


def listener(tree):
    shell = Shell(tree, sources=("listen",)).start()
    shell.clear()
    return shell


def turn(number, generation=1):
    messages = [message(number, token=None)]
    return arrived(messages, "listen", generation, [(b"turn", b"%d" % number)], number)


def test_notes_and_messages_are_durable_before_the_receipt_leaves():
    shell = listener(LOCAL)
    shell.step(turn(1), turn(2))
    assert shell.log == [
        ("append", "Admitted", "Noted", "Noted"),
        ("sync",),
        ("acknowledge", "listen", 1, [1]),
        ("acknowledge", "listen", 1, [2]),
    ]


def test_a_source_gets_the_notes_that_it_seeks():
    shell = listener(LOCAL)
    shell.step(turn(1))
    shell.clear()
    shell.step(Sought("listen", 1, b"t", b"u", 9), Sought("listen", 1, b"u", b"v", 9))
    assert shell.log == [
        ("notes", "listen", b"t"),
        ("found", "listen", 1, [(b"turn", b"1")]),
        ("notes", "listen", b"u"),
        ("found", "listen", 1, []),
    ]


def test_after_a_failed_commit_a_source_finds_out_which_of_its_turns_are_durable():
    shell = listener(LOCAL)
    shell.step(turn(1))
    shell.medium.failing = {"sync": 1}
    shell.clear()
    shell.step(turn(2))
    assert "acknowledge" not in shell.words()
    shell.step(Sought("listen", 1, b"turn", b"turn\x00", 1))
    assert "found" not in shell.words(), "without a journal nobody knows"
    shell.wait()
    assert shell.words()[-1] == "resume"
    shell.clear()
    shell.step(Sought("listen", 2, b"turn", b"turn\x00", 1), turn(2, 2))
    assert shell.log == [
        ("append", "Admitted", "Noted"),
        ("sync",),
        ("acknowledge", "listen", 2, [2]),
        ("notes", "listen", b"turn"),
        ("found", "listen", 2, [(b"turn", b"2")]),
    ]


def test_a_journal_that_fails_while_notes_are_sought_is_opened_anew():
    shell = listener(LOCAL)
    shell.medium.failing = {"notes": 1}
    shell.step(Sought("listen", 1, b"a", b"b", 1))
    assert "found" not in shell.words()
    assert "pause" in shell.words()
    shell.wait()
    assert shell.words()[-1] == "resume"


def test_a_source_is_told_what_was_dropped_for_want_of_room():
    tree = dict(LOCAL, journal={"limit_bytes": 1_000_000, "overflow": "drop-newest"})
    tree["journal"]["reserve_bytes"] = 0
    shell = listener(tree)
    shell.medium.foreign_bytes = 1_000_000
    shell.step(turn(1))
    shell.clear()
    shell.step(turn(2))
    assert ("refuse", "listen", 1, [2], "overflow") in shell.log


def test_a_settling_that_fails_gives_the_journal_up():
    shell = Shell().start()
    shell.medium.failing = {"sync": 1}
    shell.log[:] = []
    shell.engine.settle(0)
    assert shell.log[:2] == [("sync",), ("close",)]
    assert shell.gateway.node == ""
    shell.engine.settle(0)  # There is none now, and nothing to say.
    shell.wait()
    assert shell.gateway.node
