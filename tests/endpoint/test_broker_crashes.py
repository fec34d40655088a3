"""Whatever moment the gateway crashes at: what was acknowledged is there, and QoS 2 is there once.

A publisher and a subscriber with kept sessions, QoS 1 and 2, a journal that is behind, lost
connections and crashes, in a random order whose seed is in the test's name.
"""

import random
from typing import NamedTuple

import pytest

from endpoint import client_codec as codec
from tidegate.config.settings import EndpointSettings
from tidegate_linux.endpoint.access.rules import Rules
from tidegate_linux.endpoint.broker.broker import Broker, Peer

SETTINGS = EndpointSettings(
    users_file="",
    packet_bytes_max=1_048_576,
    topic_bytes_max=65_535,
    topic_levels_max=128,
    connections_max=100,
    sessions_max=100,
    receive_maximum=1000,
    inflight_max=5,
    subscriptions_max=100,
    queue_messages_max=10_000,
    queue_bytes_max=10_000_000,
    queued_bytes_max=100_000_000,
    retained_messages_max=100,
    retained_bytes_max=1_000_000,
    messages_per_s_max=0,
    bytes_per_s_max=0,
    topic_alias_max=16,
    session_expiry_s_max=604_800,
    keepalive_s_max=60,
    connect_timeout_s=10,
    login_failures_per_minute=10,
    sys_interval_s=0,
)
WALL_MS = 1_800_000_000_000


class Listener(NamedTuple):
    topics: tuple[str, ...] = ("#",)
    anonymous: bool = True
    message_id: str = ""


class World:
    """A broker, a journal that may be behind, and two clients."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.listener = Listener()
        self.now_ms = 1000
        self.notes = {}
        self.uplinked = []
        self.broker = None
        self.crash()

    def crash(self):
        self.turns = []
        self.broker = Broker(SETTINGS, Rules(()), lambda: "auto")
        pairs = sorted(self.notes.items())
        for at in range(0, len(pairs), 7):  # In pages.
            self.broker.restore(pairs[at : at + 7], self.now_ms, WALL_MS + self.now_ms)
        self.broker.restored(self.now_ms)

    def open(self):
        return self.broker.opened(Peer(self.listener, "192.0.2.1", ""), self.now_ms)

    def collect(self):
        turn = self.broker.take_turn()
        if turn is not None:
            self.turns.append(turn)

    def commit(self):
        self.collect()
        if not self.turns:
            return
        turn = self.turns.pop(0)
        for key, value in turn.notes:
            if value is None:
                self.notes.pop(key, None)
            else:
                self.notes[key] = value
        self.uplinked.extend(message.payload for message in turn.messages)
        self.broker.settled(turn.number, False, self.now_ms)
        for first, stop, count in self.broker.take_sought():
            found = [pair for pair in sorted(self.notes.items()) if first <= pair[0] < stop]
            self.broker.found(found[:count], self.now_ms)


class Client:
    """A client that keeps its side of the protocol, and forgets nothing."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.connection = None
        self.rest = b""
        self.is_ready = False
        self.unacknowledged = {}  # packet id -> (qos, payload, was sent), in order; None: PUBREL.
        self.acknowledged = []
        self.next_payload = 0
        self.received = []
        self.open_ids = set()
        self.is_subscribed = False

    def connect(self):
        self.rest, self.is_ready = b"", False
        self.connection = self.world.open()
        self.send(codec.connect(self.name, 5, clean_start=False, properties=[(0x11, 1000)]))

    def lose(self, is_told):
        if self.connection is not None and is_told:
            self.world.broker.lost(self.connection, self.world.now_ms)
        self.connection, self.is_ready = None, False

    def send(self, data):
        self.world.broker.received(self.connection, data, self.world.now_ms)

    def publish(self):
        free = next(one for one in range(1, 20) if one not in self.unacknowledged)
        qos, payload = self.world.chance.choice((1, 2)), b"%d" % self.next_payload
        self.next_payload += 1
        self.unacknowledged[free] = (qos, payload)
        self.send(codec.publish(b"t", payload, qos, packet_id=free))

    def hear(self):
        if self.connection is None:
            return
        self.world.collect()
        packets, self.rest = codec.decode(self.rest + self.connection.take_output(), 5)
        for packet in packets:
            getattr(self, f"_take_{packet.kind}")(packet)

    def _take_2(self, packet):
        assert packet.reason == 0
        self.is_ready = True
        if not packet.session_present:
            assert not self.is_subscribed, "the session of a SUBACK is lost"
            assert not self.acknowledged, "the session of an acknowledgement is lost"
        if self.name == "subscriber" and not self.is_subscribed:
            self.send(codec.subscribe(1, [(b"t", 2)]))
        for packet_id, sent in self.unacknowledged.items():
            if sent is None:
                self.send(codec.acknowledge(codec.PUBREL, packet_id))
            else:
                qos, payload = sent
                data = codec.publish(b"t", payload, qos, packet_id=packet_id, dup=True)
                self.send(data)

    def _take_9(self, packet):
        self.is_subscribed = True

    def _take_4(self, packet):
        self.acknowledged.append(self.unacknowledged.pop(packet.packet_id)[1])

    def _take_5(self, packet):
        sent = self.unacknowledged[packet.packet_id]
        if sent is not None:
            self.acknowledged.append(sent[1])
            self.unacknowledged[packet.packet_id] = None
        self.send(codec.acknowledge(codec.PUBREL, packet.packet_id))

    def _take_7(self, packet):
        assert self.unacknowledged.pop(packet.packet_id) is None

    def _take_3(self, packet):
        if packet.qos == 2:
            if packet.packet_id not in self.open_ids:
                self.open_ids.add(packet.packet_id)
                self.received.append((2, packet.payload))
            self.send(codec.acknowledge(codec.PUBREC, packet.packet_id))
        else:
            self.received.append((1, packet.payload))
            self.send(codec.acknowledge(codec.PUBACK, packet.packet_id))

    def _take_6(self, packet):
        self.open_ids.discard(packet.packet_id)
        self.send(codec.acknowledge(codec.PUBCOMP, packet.packet_id))


def settle(world, clients):
    """Bring both clients back and let everything that is owed be delivered."""
    for _ in range(4000):
        for client in clients:
            if client.connection is None:
                client.connect()
            client.hear()
        world.commit()


def step(world, publisher, subscriber):
    chance, client = world.chance, world.chance.choice((publisher, subscriber))
    world.now_ms += chance.choice((0, 1, 100))
    what = chance.random()
    if what < 0.35:
        if publisher.is_ready and len(publisher.unacknowledged) < 10:
            publisher.publish()
    elif what < 0.6:
        world.commit()
    elif what < 0.9:
        client.hear()
    elif what < 0.96:
        client.lose(is_told=chance.random() < 0.5)
    elif what < 0.985:
        for each in (publisher, subscriber):
            each.lose(is_told=False)
        world.crash()
    if client.connection is None and chance.random() < 0.5:
        client.connect()


@pytest.mark.parametrize("seed", range(40))
def test_what_was_acknowledged_survives_every_crash(seed):
    world = World(seed)
    publisher, subscriber = Client(world, "publisher"), Client(world, "subscriber")
    subscriber.connect()
    for _ in range(10):
        subscriber.hear()
        world.commit()
    assert subscriber.is_subscribed
    for _ in range(600):
        step(world, publisher, subscriber)
        assert set(publisher.acknowledged) <= set(world.uplinked), "acknowledged before durable"
    settle(world, (publisher, subscriber))
    assert not publisher.unacknowledged
    everything = [b"%d" % one for one in range(publisher.next_payload)]
    assert sorted(set(publisher.acknowledged)) == sorted(everything)
    assert sorted(world.uplinked) == sorted(everything), "admitted once, QoS 1 too"
    assert {payload for _, payload in subscriber.received} == set(everything)
    exactly = [payload for qos, payload in subscriber.received if qos == 2]
    assert len(exactly) == len(set(exactly)), "QoS 2 came twice"
    first_ones = list(dict.fromkeys(payload for _, payload in subscriber.received))
    assert first_ones == list(dict.fromkeys(world.uplinked)), "not in the order of admission"
    kinds = {key[:1] for key in world.notes}
    assert kinds <= {b"A", b"F", b"P", b"t"}, "what is done leaves nothing behind"
