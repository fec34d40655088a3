"""What is staged leaves with its turn, in order, and never before."""

from tidegate_linux.endpoint.broker.connection import Connection, Peer, Valve
from tidegate_linux.endpoint.broker.state.turns import Receipts, Turns
from tidegate_linux.endpoint.broker.sys_topics import Counters


def make_connection():
    return Connection(Peer(None, "192.0.2.1", ""), None, Valve(), {}, Counters())


def test_an_empty_turn_takes_no_number():
    turns = Turns()
    assert turns.seal(b"turn", b"1") is None
    turns.note(b"a", b"1")
    turn = turns.seal(b"turn", b"1")
    assert (turn.number, turn.notes) == (1, [(b"a", b"1"), (b"turn", b"1")])
    assert turns.number == 2


def test_of_two_notes_with_one_key_the_last_one_counts():
    turns = Turns()
    turns.note(b"a", b"1")
    turns.note(b"a", None)
    assert dict(turns.seal(b"turn", b"1").notes)[b"a"] is None


def test_what_an_empty_turn_has_staged_rests_on_nothing():
    turns, connection = Turns(), make_connection()
    turns.stage(connection, b"x")
    assert turns.seal(b"turn", b"1") is None
    assert turns.defer() == [connection]


def test_what_an_empty_turn_has_staged_hangs_on_the_turn_under_way():
    turns, connection = Turns(), make_connection()
    turns.note(b"a", b"1")
    turns.seal(b"turn", b"1")
    turns.stage(connection, b"x")
    assert turns.seal(b"turn", b"2") is None
    assert turns.defer() == []
    assert connection.staged[0].number == 1
    assert turns.settle(1) == [connection]


def test_acknowledgements_of_one_kind_are_gathered():
    turns, connection = Turns(), make_connection()
    turns.receipts(connection, 1, is_uplinked=True).append(1)
    turns.receipts(connection, 1, is_uplinked=True).append(2)
    turns.receipts(connection, 1, is_uplinked=False).append(3)
    turns.receipts(connection, 2, is_uplinked=False).append(4)
    parts = connection.staged[0].parts
    assert all(isinstance(part, Receipts) for part in parts)
    assert [part.ids for part in parts] == [[1, 2], [3], [4]]


def test_output_that_rests_on_nothing_does_not_overtake_what_is_staged():
    turns, connection = Turns(), make_connection()
    turns.stage(connection, b"x")
    connection.send(b"y")
    assert connection.take_output() == b""
    assert connection.staged[0].parts == [b"x", b"y"]


def test_output_that_rests_on_nothing_leaves_at_once():
    connection = make_connection()
    connection.send(b"y")
    assert connection.changed == {connection: None}
    assert connection.take_output() == b"y"
    assert connection.take_output() == b""
