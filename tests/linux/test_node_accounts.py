"""What is known of nodes: notes that come back, bounds that nobody can use against another."""

import pytest

from fixtures.batches import BOOT, Node
from tidegate.limits import TICKS_MS_MAX
from tidegate.records.clock import FLOOR_MS, SET, UNKNOWN, Boot
from tidegate.records.origin import ORIGIN, find_origin, with_origin
from tidegate.records.record import Record, pack_properties, unpack_properties
from tidegate.records.stream import Stream
from tidegate.wire.ledger import NEW_STREAM, examine
from tidegate.wire.receipt import Cursor
from tidegate_linux.nodes import accounts
from tidegate_linux.nodes.accounts import (
    HISTORY_MAX,
    Account,
    Accounts,
    NoRoomError,
    key_of,
    moved,
    pack_account,
    unpack_account,
)
from tidegate_linux.nodes.arrivals import messages_of

EPOCH = "5f3759df5f3759df"


def stream_of(node, lane="main", epoch=EPOCH):
    return Stream(f"{node:016x}", epoch, lane)


def account(owner="site", through=10, used=1, history=b""):
    return Account(owner, Cursor(through, 0xABCD), used, history)


def test_a_note_comes_back_and_nothing_else_does():
    one = moved("größe", account(), Cursor(20, 7), [(s, s) for s in range(11, 21)], 5, 9)
    value = pack_account(one)
    assert unpack_account(value) == one
    for cut in range(len(value)):
        try:
            unpack_account(value[:cut])
        except ValueError:
            continue
        assert (cut - len(value)) % 8 == 0, "only whole pairs may be missing"
    for wrong in (b"\x02" + value[1:], value[:23] + b"\xff" + value[24:], b""):
        with pytest.raises(ValueError):
            unpack_account(wrong)


def test_hashes_are_kept_from_the_senders_doubt_on():
    before = moved("a", None, Cursor(10, 100), [(seq, seq * 10) for seq in range(1, 11)], 0, 1)
    after = moved("a", before, Cursor(15, 150), [(seq, seq * 10) for seq in range(11, 16)], 8, 2)
    known = {seq: after.hash_at(seq) for seq in range(1, 17)}
    assert {seq: value for seq, value in known.items() if value} == {
        seq: seq * 10 for seq in range(8, 16)
    }


def test_a_history_has_an_end():
    hashes = [(seq, seq) for seq in range(1, HISTORY_MAX + 100)]
    one = moved("a", None, Cursor(HISTORY_MAX + 100, 1), hashes, 0, 1)
    assert len(one.history) == HISTORY_MAX * 8
    assert one.hash_at(HISTORY_MAX + 99) == HISTORY_MAX + 99 and one.hash_at(50) is None
    far = moved("a", account(through=1), Cursor(1 << 40, 1), [(1 << 39, 5)], 0, 1)
    assert far.history == b"", "a gap wider than four bytes tell"


def test_histories_of_silent_streams_make_room(monkeypatch):
    monkeypatch.setattr(accounts, "HISTORY_BYTES_MAX", 100)
    book = Accounts()
    for number in range(5):
        book.put(stream_of(number), account(used=number, history=bytes(40)))
    kept = [len(book.find(stream_of(number)).history) for number in range(5)]
    assert kept == [0, 0, 0, 40, 40]
    book.put(stream_of(3), account(used=6, history=bytes(96)))
    assert len(book.find(stream_of(4)).history) == 0


def test_a_node_forgets_its_own_oldest_stream_for_a_new_one(monkeypatch):
    monkeypatch.setattr(accounts, "STREAMS_A_NODE_MAX", 3)
    book = Accounts()
    streams = [stream_of(1, epoch=f"{number:016x}") for number in range(6)]
    for used, one in enumerate(streams[:3], 1):
        assert book.put(one, account(used=used)) == []
    book.put(streams[0], account(used=4))
    assert book.put(streams[3], account(used=5), busy={str(streams[1])}) == [streams[2]]
    assert book.put(streams[4], account(used=6)) == [streams[1]]
    busy = {str(streams[number]) for number in (0, 3, 4)}
    with pytest.raises(NoRoomError):
        book.put(streams[5], account(used=7), busy)
    assert (book.nodes, book.streams) == (1, 3)


def test_an_owner_forgets_his_own_silent_node_and_nobody_elses(monkeypatch):
    monkeypatch.setattr(accounts, "NODES_AN_OWNER_MAX", 2)
    monkeypatch.setattr(accounts, "NODES_MAX", 4)
    book = Accounts()
    for number in (1, 2):
        book.put(stream_of(number), account("a", used=number))
        book.put(stream_of(number, "alarm"), account("a", used=number))
    for number in (3, 4):
        book.put(stream_of(number), account("b", used=number))
    book.put(stream_of(1), account("a", used=9))
    assert book.put(stream_of(5), account("a", used=10)) == [stream_of(2), stream_of(2, "alarm")]
    assert book.owner_of(stream_of(2).node) is None
    with pytest.raises(NoRoomError):
        book.put(stream_of(6), account("c", used=11))
    assert [book.owner_of(stream_of(number).node) for number in (1, 3, 4, 5)] == list("abba")


def test_loading_leaves_out_what_is_of_no_use(monkeypatch):
    monkeypatch.setattr(accounts, "NODES_MAX", 2)
    pairs = [(key_of(stream_of(number)), pack_account(account(used=number))) for number in (2, 1)]
    pairs += [(b"snonsense", pairs[0][1]), (key_of(stream_of(7)), b"x"), (b"s\xff", pairs[0][1])]
    pairs.append((key_of(stream_of(9)), pack_account(account(used=9))))
    book = Accounts()
    assert book.load(pairs) == 4
    assert (book.nodes, book.next_use()) == (2, 3)


def origins_of(records, boots, sent_boot=1, sent_ticks_ms=10_000):
    node = Node(records=len(records), boots=boots)
    for seq, record in enumerate(records, 1):
        node.replace(seq, record)
    batch = node.batch(1, len(records))._replace(sent_boot=sent_boot, sent_ticks_ms=sent_ticks_ms)
    messages = messages_of(batch, examine(NEW_STREAM, batch.span), 5000)
    return [find_origin(message.properties) for message in messages]


def test_times_are_told_as_well_as_they_are_known():
    boots = [
        Boot(1, "0000000000000001", 0, UNKNOWN),
        Boot(2, "0000000000000002", 0, UNKNOWN),
        Boot(3, "0000000000000003", FLOOR_MS, SET),
        Boot(4, "0000000000000004", 2**52, SET),  # No plausible time comes of it.
    ]
    records = [
        Record(boot, ticks_ms, b"t", b"", 0, b"")
        for boot, ticks_ms in ((1, 4000), (1, 10_000), (1, 10_001), (2, 4000), (3, 5), (4, 5))
    ]
    assert [tuple(origin[2:]) for origin in origins_of(records, boots)] == [
        (None, UNKNOWN, 6000),
        (None, UNKNOWN, 0),
        (None, UNKNOWN, None),
        (None, UNKNOWN, None),
        (FLOOR_MS + 5, SET, None),
        (None, UNKNOWN, None),
    ]


FAR = "00000000000000ff.5f3759df5f3759df.main 7"
FORWARDED = (
    (BOOT, f"{FAR} w{FLOOR_MS}:1", (FLOOR_MS, 1, None)),
    (BOOT, f"{FAR} -", (None, 0, None)),
    (BOOT, f"{FAR} a500", (BOOT.offset_ms + 3500, 3, None)),
    (BOOT, f"{FAR} a{TICKS_MS_MAX}", (None, 0, None)),
    (Boot(1, "0000000000000001", 0, UNKNOWN), f"{FAR} a500", (None, 0, 6500)),
    (Boot(1, "0000000000000001", 0, UNKNOWN), f"{FAR} a{TICKS_MS_MAX}", (None, 0, None)),
    (Boot(2, "0000000000000002", 0, UNKNOWN), f"{FAR} a500", (None, 0, None)),
)


@pytest.mark.parametrize(("boot", "value", "expected"), FORWARDED)
def test_the_first_origin_counts_and_its_age_grows(boot, value, expected):
    record = Record(boot.number, 4000, b"t", b"", 0, with_origin(b"", value.encode()))
    (origin,) = origins_of([record], [boot])
    assert (str(origin.stream), origin.seq) == tuple(
        part if index == 0 else int(part) for index, part in enumerate(FAR.split())
    )
    assert tuple(origin[2:]) == expected


def test_what_only_bears_the_name_of_an_origin_is_replaced():
    packed = pack_properties([(ORIGIN, b"nonsense"), (b"a", b"1")])
    node = Node(records=1)
    node.replace(1, Record(1, 1, b"t", b"", 0, packed))
    batch = node.batch(1, 1)
    (message,) = messages_of(batch, examine(NEW_STREAM, batch.span), 5000)
    names = [name for name, _ in unpack_properties(message.properties)]
    assert names == [b"a", ORIGIN]
    assert find_origin(message.properties).stream == node.stream
