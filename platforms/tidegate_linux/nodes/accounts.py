"""What a gateway knows of the nodes that send to it: a cursor for each of their streams.

An account is a note of the source, key "s" and the name of the stream.  All of them are in memory,
so that an answer never waits for the disk; what is bounded is therefore the number of streams.

A stream is forgotten only for another one of the same node, a node only for another one of the same
owner: nobody can push out what belongs to somebody else.  A forgotten stream is a new one if it
ever comes back, and what its node still keeps would be taken once more; so the one that was silent
for longest goes, and only at bounds that a site does not come near.
"""

import struct
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from tidegate.errors import ProtocolError
from tidegate.records.stream import Stream, parse_stream
from tidegate.wire.receipt import Cursor

# A node has up to 8 lanes, and a new epoch whenever its journal starts afresh.
STREAMS_A_NODE_MAX = 32
# Far more than one site has.  One user name or token for all of them is one owner.
NODES_AN_OWNER_MAX = 1000
# Of all owners; 4 MB of memory, and of notes.  A new node beyond it is turned away.
NODES_MAX = 4096

# Hashes behind the cursor, for a sender whose own gap hides where the two agree: those of its last
# batch, which is all that it can be unsure of.  The default batch of a gateway has 5,000 records;
# of a longer one the older hashes are left out, and the sender then begins a new epoch.
HISTORY_MAX = 8192
HISTORY_BYTES_MAX = 16 * 1024 * 1024  # In memory, of all streams; of silent ones it is let go.

KEY = b"s"
KEY_STOP = b"t"
_VERSION = 1
_HEAD = struct.Struct("<BQIQH")  # Version, through, hash, used, length of the owner's name.
_PAIR = struct.Struct("<II")  # How far behind the cursor, and the running hash there.
_DISTANCE_MAX = (1 << 32) - 1


class NoRoomError(Exception):
    """Report that no further node can be taken."""


class Account(NamedTuple):
    """How far a stream was taken, and for whom.

    `used` orders accounts by their last batch.  `history` are packed pairs of a distance behind the
    cursor and the running hash there.
    """

    owner: str
    cursor: Cursor
    used: int
    history: bytes

    def hash_at(self, seq: int) -> int | None:
        """Return the running hash at `seq`, None where it is not known."""
        if seq == self.cursor.through:
            return self.cursor.hash_at
        for distance, running in _PAIR.iter_unpack(self.history):
            if self.cursor.through - distance == seq:
                return int(running)
        return None


def moved(
    owner: str,
    before: Account | None,
    cursor: Cursor,
    hashes: Sequence[tuple[int, int]],
    keep_from: int,
    used: int,
) -> Account:
    """Return the account after a batch.

    `hashes` are (seq, running hash) of what was taken, in order; of what was known before, numbers
    from `keep_from` on are kept: the sender has proved that it needs nothing older.
    """
    known = list(_known(before, keep_from)) if before is not None else []
    known.extend(pair for pair in hashes if pair[0] < cursor.through)
    packed = [
        _PAIR.pack(cursor.through - seq, running)
        for seq, running in known[-HISTORY_MAX:]
        if cursor.through - seq <= _DISTANCE_MAX
    ]
    return Account(owner, cursor, used, b"".join(packed))


def _known(account: Account, keep_from: int) -> Iterable[tuple[int, int]]:
    through = account.cursor.through
    for distance, running in _PAIR.iter_unpack(account.history):
        if through - distance >= keep_from:
            yield through - distance, running
    if through >= keep_from and account.cursor.hash_at is not None:
        yield through, account.cursor.hash_at


def key_of(stream: Stream) -> bytes:
    """Return the key of a stream's note."""
    return KEY + str(stream).encode()


def pack_account(account: Account) -> bytes:
    """Return an account as a note's value."""
    cursor, owner = account.cursor, account.owner.encode()
    assert cursor.hash_at is not None
    head = _HEAD.pack(_VERSION, cursor.through, cursor.hash_at, account.used, len(owner))
    return head + owner + account.history


def unpack_account(value: bytes) -> Account:
    """Return the account in a note; raise `ValueError` for what none of ours can be."""
    if len(value) < _HEAD.size:
        raise ValueError("the note of a node is too short")
    version, through, running, used, owner_bytes = _HEAD.unpack_from(value)
    end = _HEAD.size + owner_bytes
    history = value[end:]
    if version != _VERSION or end > len(value) or len(history) % _PAIR.size:
        raise ValueError("the note of a node is not one that this program writes")
    owner = value[_HEAD.size : end].decode()
    return Account(owner, Cursor(through, running), used, history)


class Accounts:
    """The accounts of all streams, within their bounds."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._streams: dict[str, dict[str, None]] = {}  # By node.
        self._owners: dict[str, str] = {}  # By node.
        self._nodes: dict[str, OrderedDict[str, None]] = {}  # By owner, the silent ones first.
        self._histories: OrderedDict[str, int] = OrderedDict()  # Bytes, the silent ones first.
        self._history_bytes = 0
        self._used = 0

    @property
    def streams(self) -> int:
        """Return how many streams are known."""
        return len(self._accounts)

    @property
    def nodes(self) -> int:
        """Return how many nodes are known."""
        return len(self._owners)

    def load(self, pairs: Sequence[tuple[bytes, bytes]]) -> int:
        """Take all notes, in any order; return how many of them are of no use."""
        damaged = 0
        accounts = []
        for key, value in pairs:
            try:
                account = unpack_account(value)
                stream = parse_stream(key[len(KEY) :].decode())
            except (ValueError, ProtocolError):
                damaged += 1
                continue
            accounts.append((account.used, stream, account))
        for _, stream, account in sorted(accounts, key=lambda one: one[0]):
            try:
                self.put(stream, account)
            except NoRoomError:
                damaged += 1  # Written when the bounds were wider.
        return damaged

    def find(self, stream: Stream) -> Account | None:
        """Return the account of a stream, None for a new one."""
        return self._accounts.get(str(stream))

    def owner_of(self, node: str) -> str | None:
        """Return to whom a node belongs, None for a new one."""
        return self._owners.get(node)

    def next_use(self) -> int:
        """Return the number of the next batch that is taken."""
        return self._used + 1

    def put(
        self, stream: Stream, account: Account, busy: Container[str] = frozenset()
    ) -> list[Stream]:
        """Know a stream by this account; return those that it pushes out, none of the `busy` ones.

        Raises `NoRoomError` where a new one finds no room.
        """
        name, node = str(stream), stream.node
        gone: list[Stream] = []
        if name not in self._accounts:
            gone = self._make_room(node, account.owner, busy)
        known = self._owners.get(node)
        if known is not None and known != account.owner:
            self._nodes[known].pop(node)
        self._owners[node] = account.owner
        nodes = self._nodes.setdefault(account.owner, OrderedDict())
        nodes[node] = None
        nodes.move_to_end(node)
        self._streams.setdefault(node, {})[name] = None
        self._accounts[name] = account
        self._used = max(self._used, account.used)
        self._count_history(name, len(account.history))
        self._bound_histories()
        return gone

    def _make_room(self, node: str, owner: str, busy: Container[str]) -> list[Stream]:
        if node in self._owners:
            streams = self._streams[node]
            if len(streams) < STREAMS_A_NODE_MAX:
                return []
            idle = [name for name in streams if name not in busy]
            if not idle:
                raise NoRoomError
            return [self._forget(min(idle, key=lambda name: self._accounts[name].used))]
        own = self._nodes.get(owner, OrderedDict())
        if len(own) >= NODES_AN_OWNER_MAX:
            for silent in own:
                names = list(self._streams[silent])
                if not any(name in busy for name in names):
                    return [self._forget(name) for name in names]
            raise NoRoomError
        if len(self._owners) >= NODES_MAX:
            raise NoRoomError
        return []

    def _forget(self, name: str) -> Stream:
        stream = parse_stream(name)
        node = stream.node
        del self._accounts[name]
        self._count_history(name, 0)
        streams = self._streams[node]
        del streams[name]
        if not streams:
            del self._streams[node]
            self._nodes[self._owners.pop(node)].pop(node)
        return stream

    def _count_history(self, name: str, size_bytes: int) -> None:
        self._history_bytes += size_bytes - self._histories.pop(name, 0)
        if size_bytes:
            self._histories[name] = size_bytes

    def _bound_histories(self) -> None:
        while self._history_bytes > HISTORY_BYTES_MAX:
            name = next(iter(self._histories))
            self._count_history(name, 0)
            self._accounts[name] = self._accounts[name]._replace(history=b"")
