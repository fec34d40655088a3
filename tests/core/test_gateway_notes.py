"""Notes of a source are durable with its messages, and one receipt answers for all of it."""

from builders import arrived, message
from gateways import gateway, settle
from scripted import kind_of
from tidegate.effects import Acknowledge, Refuse, Seek
from tidegate.events import Failed, Gathered, Recovered, Sought, Stored
from tidegate.gateway import LISTEN
from tidegate.records.record import RETAIN
from tidegate.store.journal import OVERFLOW, Noted, Usage

LIMIT = 1_000_000
FULL = Usage(LIMIT, 1 << 40)
ROOMY = Usage(0, 1 << 40)


def journal(overflow):
    return {"journal": {"limit_bytes": LIMIT, "reserve_bytes": 0, "overflow": overflow}}


def listening(tree=None):
    return gateway(tree, sources=(LISTEN, "source"))


def turn(number, messages=(), generation=1):
    """Return what the endpoint delivers: its messages have no tokens."""
    return arrived(messages, LISTEN, generation, [(b"turn", b"%d" % number)], number)


def untold(*numbers, **changes):
    return [message(number, token=None, **changes) for number in numbers]


def kinds(effects):
    return [kind_of(effect) for effect in effects]


def entry_kinds(effects):
    return [kind_of(entry) for entry in effects[0].entries]


def gather(one, medium, *arrivals):
    return settle(one, Gathered(list(arrivals)), medium)


def test_a_receipt_waits_for_messages_and_notes_in_one_commit():
    one, medium = listening()
    effects = gather(one, medium, turn(7, untold(1, 2)))
    assert kinds(effects) == ["Append", "Sync", "Acknowledge"]
    assert entry_kinds(effects) == ["Admitted", "Noted"]
    assert effects[0].entries[1] == Noted(LISTEN, [(b"turn", b"7")])
    assert effects[2] == Acknowledge(LISTEN, 1, [7])


def test_all_arrivals_share_one_commit_and_are_answered_in_order():
    one, medium = listening()
    effects = gather(
        one, medium, turn(1, untold(1)), arrived([message(2)]), turn(2), turn(3, untold(3))
    )
    assert kinds(effects) == ["Append", "Sync"] + ["Acknowledge"] * 4
    assert entry_kinds(effects) == ["Admitted", "Noted", "Noted", "Noted"]
    assert [effect.tokens for effect in effects[2:]] == [[1], [2], [2], [3]]
    assert medium.notes == {(LISTEN, b"turn"): b"3"}


def test_notes_alone_are_made_durable():
    one, medium = listening()
    effects = gather(one, medium, turn(1))
    assert kinds(effects) == ["Append", "Sync", "Acknowledge"]
    assert entry_kinds(effects) == ["Noted"]


def test_an_arrival_of_nothing_is_acknowledged_without_a_commit():
    one, medium = listening()
    assert gather(one, medium, arrived([], LISTEN, 1, [], 5)) == [Acknowledge(LISTEN, 1, [5])]


def test_a_full_journal_that_drops_the_newest_refuses_messages_and_keeps_notes():
    one, medium = listening(journal("drop-newest"))
    one.handle(Stored(FULL), 10)
    effects = gather(one, medium, turn(1, untold(1, 2)), turn(2))
    assert entry_kinds(effects) == ["Dropped", "Noted", "Noted"]
    assert effects[2:] == [Refuse(LISTEN, 1, [1], OVERFLOW), Acknowledge(LISTEN, 1, [2])]
    assert medium.notes == {(LISTEN, b"turn"): b"2"}
    assert one.lanes[0].balance.dropped == {OVERFLOW: 2}


def test_what_was_refused_is_no_copy_when_it_comes_again():
    one, medium = listening(journal("drop-newest"))
    one.handle(Stored(FULL), 10)
    named = untold(1, identity=b"x")
    assert kind_of(gather(one, medium, turn(1, named))[-1]) == "Refuse"
    one.handle(Stored(ROOMY), 11)
    assert entry_kinds(gather(one, medium, turn(2, named))) == ["Admitted", "Noted"]
    effects = gather(one, medium, turn(3, named))
    assert entry_kinds(effects) == ["Noted"]
    one.handle(Stored(FULL), 12)
    effects = gather(one, medium, turn(4, named))
    assert effects[-1] == Acknowledge(LISTEN, 1, [4]), "a copy of what is held is not refused"


def test_what_a_barred_connection_brings_is_left_out_as_a_whole():
    one, medium = listening()
    gather(one, medium, turn(1, untold(1)))
    one.handle(Failed("io", "planted"), 10)
    assert gather(one, medium, turn(2, untold(2))) == []
    settle(one, Recovered(medium.state()), medium)
    assert gather(one, medium, turn(2, untold(2))) == []
    effects = gather(one, medium, turn(2, untold(2), generation=2))
    assert effects[-1] == Acknowledge(LISTEN, 2, [2])
    assert medium.lanes["main"].last == 2


def test_a_full_journal_that_blocks_takes_no_turn_in():
    one, medium = listening(journal("block"))
    gather(one, medium, turn(1, untold(1)))
    one.handle(Stored(FULL), 10)
    assert gather(one, medium, turn(2, untold(2))) == []
    one.handle(Stored(ROOMY), 11)
    assert gather(one, medium, turn(2, untold(2))) == [], "it comes again, for it was not settled"
    assert gather(one, medium, turn(2, untold(2), generation=2))[-1].tokens == [2]
    assert medium.lanes["main"].last == 2


def test_notes_are_sought_in_the_journal_while_there_is_one():
    one, _ = listening()
    sought = Sought(LISTEN, 1, b"a", b"b", 10)
    assert one.handle(sought, 0) == [Seek(LISTEN, 1, b"a", b"b", 10)]
    one.handle(Failed("io", "planted"), 10)
    assert one.handle(sought, 11) == []


def test_what_a_device_retains_is_new_each_time():
    one, medium = listening()
    retained = untold(1, flags=RETAIN)
    for number in (1, 2):
        effects = gather(one, medium, turn(number, retained))
        assert entry_kinds(effects) == ["Admitted", "Noted"], number
    gather(one, medium, arrived([message(3, b"t", flags=RETAIN)]))
    effects = gather(one, medium, arrived([message(4, b"t", payload=b"3", flags=RETAIN)]))
    assert kinds(effects) == ["Acknowledge"], "a broker outside only says again what it retains"
