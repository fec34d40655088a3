"""A site: the broker without sockets, its journal in memory, and raw clients that speak bytes.

    site = Site()
    reader = site.client("reader", clean_start=False, expiry_s=60)
    reader.subscribe("a/#", qos=1)
    site.client("device").publish("a/b", b"1", qos=1)
    assert reader.message().payload == b"1"

Turns are settled at once, unless `hold_commits` was said; then `commit` settles them.  `restart` is
a crash: what was not committed is gone, except for what it is told had just become durable.  Time
stands still until `advance`.

`Remote` offers `client` alone, over TCP to any broker (`pytest --endpoint-url mqtt://host:port`):
a test that uses nothing else can be tried against the brokers of others.
"""

import contextlib
import itertools
import socket
import time
from typing import Any, NamedTuple

import pytest

from endpoint.raw_client import Client, SocketWire
from tidegate.config.settings import AccessSettings, EndpointSettings, ListenerSettings
from tidegate_linux.endpoint.access.rules import Rules
from tidegate_linux.endpoint.broker.broker import Broker, Connection, Peer, Turn

WALL_AT_START_MS = 1_700_000_000_000
NOTES_PAGE = 50  # Small, so that restoring has to turn pages.

DEFAULTS = EndpointSettings(
    users_file="",
    packet_bytes_max=1_048_576,
    topic_bytes_max=65_535,
    topic_levels_max=128,
    connections_max=10_000,
    sessions_max=10_000,
    receive_maximum=1000,
    inflight_max=100,
    subscriptions_max=1000,
    queue_messages_max=10_000,
    queue_bytes_max=10_000_000,
    queued_bytes_max=100_000_000,
    retained_messages_max=10_000,
    retained_bytes_max=10_000_000,
    messages_per_s_max=0,
    bytes_per_s_max=0,
    topic_alias_max=16,
    session_expiry_s_max=604_800,
    keepalive_s_max=60,
    connect_timeout_s=10,
    login_failures_per_minute=10,
    sys_interval_s=0,
)


class Pending(NamedTuple):
    """A turn on its way to the journal."""

    broker: Broker
    turn: Turn


class Site:
    """One broker, its journal and its clock.

    `settings` are those of `[endpoint]`; `access` are (users, client_ids, publish, subscribe);
    `users` (name -> password) are let in by password, all others only while `anonymous`.
    """

    def __init__(
        self,
        access: tuple[tuple[tuple[str, ...], ...], ...] = (),
        users: dict[str, bytes] | None = None,
        anonymous: bool = True,
        topics: tuple[str, ...] = ("#",),
        message_id: str = "",
        **settings: Any,
    ) -> None:
        self.now_ms = 1_000_000
        self.committed: dict[bytes, bytes] = {}
        self.uplinked: list[Any] = []  # Messages that became durable, in order.
        self.reports: list[Any] = []
        self.is_refusing = False  # The journal has no room: messages are dropped, notes kept.
        self.listener = ListenerSettings(None, topics, anonymous, "off", "", "", "", message_id)
        self._users = users or {}
        self._settings = DEFAULTS._replace(**settings)
        self._access = tuple(AccessSettings(*each) for each in access)
        self._ids = itertools.count(1)
        self._pending: list[Pending] = []
        self._is_held = False
        self._wires: dict[Connection, MemoryWire] = {}
        self.broker = self._start()

    def client(self, client_id: str | bytes = "", version: int = 5, **options: Any) -> Client:
        """Return a client that has connected; see `Client.connect` for the options."""
        client = self.open(version)
        client.connect(client_id, **options)
        return client

    def open(self, version: int = 5) -> Client:
        """Return a client that has sent nothing yet."""
        connection = self.broker.opened(Peer(self.listener, "192.0.2.1", ""), self.now_ms)
        wire = MemoryWire(self, connection)
        self._wires[connection] = wire
        return Client(wire, version)

    def advance(self, span_ms: int) -> None:
        """Let time go by, with every deadline on its way kept."""
        end_ms = self.now_ms + span_ms
        while self.now_ms < end_ms:
            due_ms = self.broker.deadline_ms()
            step_ms = end_ms if due_ms is None else max(due_ms, self.now_ms + 1)
            self.now_ms = min(step_ms, end_ms)
            self.broker.tick(self.now_ms, self.wall_ms)
            self.run()

    @property
    def wall_ms(self) -> int:
        """The time of day."""
        return WALL_AT_START_MS + self.now_ms

    def hold_commits(self) -> None:
        """From now on turns wait for `commit`, or for `restart` to lose them."""
        self._is_held = True

    def commit(self, count: int | None = None) -> None:
        """Make the first `count` turns that wait durable (all, without a count), and settle them.

        Without a count later turns no longer wait either.
        """
        if count is None:
            self._is_held = False
        while self._pending and (count is None or count > 0):
            self._settle(self._pending.pop(0))
            count = None if count is None else count - 1
        self.run()

    @property
    def waiting(self) -> int:
        """How many turns wait for `commit`."""
        return len(self._pending)

    def restart(self, durable: int = 0, away_ms: int = 1000) -> None:
        """Crash, and start again; `durable` turns of those that wait had reached the disk."""
        for pending in self._pending[:durable]:
            self._keep(pending.turn)
        self._pending.clear()
        self._is_held = False
        for wire in self._wires.values():
            wire.has_ended = True
        self._wires.clear()
        self.now_ms += away_ms
        self.broker = self._start()

    def run(self) -> None:
        """Do what the event loop and the engine do until nothing is left to do."""
        has_more = True
        while has_more:
            has_more = False
            turn = self.broker.take_turn()
            if turn is not None:
                self._pending.append(Pending(self.broker, turn))
                if not self._is_held:
                    self._settle(self._pending.pop(0))
                has_more = True
            for first, stop, count_max in self.broker.take_sought():
                found = [pair for pair in sorted(self.committed.items()) if first <= pair[0] < stop]
                self.broker.found(found[:count_max], self.now_ms)
                has_more = True
            for connection in self.broker.take_changed():
                has_more |= self._serve(connection)
            self.reports += self.broker.take_reports()

    def lost(self, connection: Connection) -> None:
        """The client's end of a connection went away."""
        if self._wires.pop(connection, None) is not None:
            self.broker.lost(connection, self.now_ms)
            self.run()

    def _start(self) -> Broker:
        broker = Broker(self._settings, Rules(self._access), lambda: f"new-{next(self._ids)}")
        pairs = sorted(self.committed.items())
        for at in range(0, len(pairs), NOTES_PAGE):
            broker.restore(pairs[at : at + NOTES_PAGE], self.now_ms, self.wall_ms)
        broker.restored(self.now_ms)
        self.broker = broker
        broker.tick(self.now_ms, self.wall_ms)
        self.run()
        return broker

    def _settle(self, pending: Pending) -> None:
        assert pending.broker is self.broker
        self._keep(pending.turn)
        self.broker.settled(pending.turn.number, self.is_refusing, self.now_ms)

    def _keep(self, turn: Turn) -> None:
        assert all(type(key) is bytes for key, _ in turn.notes)
        for key, value in turn.notes:
            if value is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = bytes(value)
        if not self.is_refusing:
            self.uplinked += turn.messages

    def _serve(self, connection: Connection) -> bool:
        """Do for one connection what a transport does; tell whether anything happened."""
        wire = self._wires.get(connection)
        if wire is None:
            return False
        if connection.login is not None:
            login = connection.login
            is_right = self._users.get(login.username) == login.password
            self.broker.judged(connection, is_right, self.now_ms)
            return True
        output = connection.take_output()
        wire.deliver(output)
        if connection.is_ending and not wire.is_blocked:
            wire.has_ended = True
            self._wires.pop(connection)
            self.broker.lost(connection, self.now_ms)
            return True
        return bool(output) or wire.feed()


class MemoryWire:
    """A network connection to a site, from the client's end."""

    def __init__(self, site: Site, connection: Connection) -> None:
        self.site = site
        self.connection = connection
        self.has_ended = False
        self.is_blocked = False
        self._to_client = bytearray()
        self._unsent = bytearray()
        self._to_broker: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Send bytes to the broker."""
        self._to_broker.append(data)
        self.feed()
        self.site.run()

    def receive(self, wait_s: float) -> bytes:
        """Return what has come; nothing has to be waited for."""
        data = bytes(self._to_client)
        self._to_client.clear()
        return data

    def close(self) -> None:
        """Go away without a word."""
        self.has_ended = True
        self.site.lost(self.connection)

    def block(self) -> None:
        """Read nothing from now on: what the broker sends piles up at its end."""
        self.is_blocked = True

    def unblock(self) -> None:
        """Read all that has piled up, and go on reading."""
        self.is_blocked = False
        while self._unsent:
            self._to_client += self._unsent
            self._unsent.clear()
            self.connection.unsent_bytes = 0
            self.site.broker.drained(self.connection, self.site.now_ms)
            self.site.run()

    def deliver(self, data: bytes) -> None:
        """Take what the broker sends."""
        if self.is_blocked:
            self._unsent += data
            self.connection.unsent_bytes = len(self._unsent)
        else:
            self._to_client += data

    def feed(self) -> bool:
        """Give the broker what it may read; tell whether there was anything."""
        if not self._to_broker or self.connection.is_held or self.has_ended:
            return False
        if self.connection.is_ending:
            return False
        data = b"".join(self._to_broker)
        self._to_broker.clear()
        self.site.broker.received(self.connection, data, self.site.now_ms)
        return True


class Remote:
    """Another broker, over TCP."""

    def __init__(self, url: str) -> None:
        address = url.rpartition("//")[2]
        host, _, port = address.partition(":")
        self._address = host, int(port or 1883)
        self._wires: list[SocketWire] = []

    def open(self, version: int = 5) -> Client:
        """Return a client that has sent nothing yet."""
        wire = SocketWire(socket.create_connection(self._address, timeout=5))
        self._wires.append(wire)
        return Client(wire, version)

    def client(self, client_id: str | bytes = "", version: int = 5, **options: Any) -> Client:
        """Return a client that has connected."""
        client = self.open(version)
        client.connect(client_id, **options)
        return client

    def advance(self, span_ms: int) -> None:
        """Let time go by, where it is a short time."""
        if span_ms > 4000:
            pytest.skip("takes too long where time cannot be turned on")
        time.sleep(span_ms / 1000)

    def close(self) -> None:
        """End all connections."""
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.close()

    def __getattr__(self, name: str) -> Any:
        pytest.skip(f"only a site of our own has {name}")
