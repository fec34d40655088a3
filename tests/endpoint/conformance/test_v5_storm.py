"""Many messages on their way at once, in both directions, in a storm of crashes and lost lines.

Writers and readers keep what a client has to keep, do one thing after another by chance, and go on
after each disturbance as the standard wants (4.4).  In the end each message of QoS 2 has arrived
once and in order, each of QoS 1 at least once and first in order, and each once at the journal.
"""

import random

import pytest

from endpoint import client_codec as codec
from endpoint.raw_client import RECEIVE_MAXIMUM
from endpoint.rig import Site

STEPS = 400
OUTSTANDING_MAX = 12


class Party:
    """A client with a kept session."""

    def __init__(self, site, name, chance):
        self.site = site
        self.name = name
        self.chance = chance
        self.client = None

    def connect(self):
        """Connect; what is sent again follows once the answer is there."""
        self.client = self.site.open()
        maximum = self.chance.choice([2, 5, 50])
        properties = [(0x11, 86_400), (RECEIVE_MAXIMUM, maximum)]
        self.client.send(codec.connect(self.name, clean_start=False, properties=properties))
        self.is_there = False

    def take(self):
        """Handle what came, and tell whether anything did."""
        packets = self.client.take()
        for packet in packets:
            if packet.kind == codec.CONNACK:
                assert packet.reason == 0
                self.is_there = True
                self.resume()
            else:
                self.handle(packet)
        return bool(packets)


class Writer(Party):
    """Publishes numbered messages, many of them without waiting."""

    def __init__(self, site, name, chance):
        super().__init__(site, name, chance)
        self.outstanding = {}  # Packet id -> [payload, qos, whether it is released].
        self.sent = {1: [], 2: []}
        self.count = 0

    def publish(self):
        if not self.is_there or len(self.outstanding) >= OUTSTANDING_MAX:
            return
        packet_id = next(one for one in range(1, 100) if one not in self.outstanding)
        qos = self.chance.choice([1, 2])
        payload = b"%s %d" % (self.name.encode(), self.count)
        self.count += 1
        self.outstanding[packet_id] = [payload, qos, False]
        self.sent[qos].append(payload)
        self.client.send_publish("t", payload, qos, packet_id)

    def resume(self):
        for packet_id, (payload, qos, is_released) in self.outstanding.items():
            if is_released:
                self.client.acknowledge(codec.PUBREL, packet_id)
            else:
                self.client.send_publish("t", payload, qos, packet_id, dup=True)

    def handle(self, packet):
        assert packet.reason in (0, 0x92), packet
        if packet.kind == codec.PUBREC:
            if packet.packet_id in self.outstanding:
                self.outstanding[packet.packet_id][2] = True
            self.client.acknowledge(codec.PUBREL, packet.packet_id)
        else:
            assert packet.kind in (codec.PUBACK, codec.PUBCOMP)
            self.outstanding.pop(packet.packet_id, None)


class Reader(Party):
    """Receives, and answers now or later."""

    def __init__(self, site, name, chance):
        super().__init__(site, name, chance)
        self.found = {1: [], 2: []}
        self.open_ids = set()
        self.todo = []

    def resume(self):
        pass

    def connect(self):
        super().connect()
        self.todo.clear()

    def handle(self, packet):
        if packet.kind == codec.PUBREL:
            self.open_ids.discard(packet.packet_id)
            self.todo.append((codec.PUBCOMP, packet.packet_id))
            return
        assert packet.kind == codec.PUBLISH
        if packet.qos == 1 or packet.packet_id not in self.open_ids:
            self.found[packet.qos].append(packet.payload)
        if packet.qos == 2:
            self.open_ids.add(packet.packet_id)
        self.todo.append((codec.PUBACK if packet.qos == 1 else codec.PUBREC, packet.packet_id))

    def answer(self, count):
        for kind, packet_id in self.todo[:count]:
            self.client.acknowledge(kind, packet_id)
        del self.todo[:count]


def step(site, parties, chance):
    """Do one thing by chance."""
    party = chance.choice(parties)
    what = chance.random()
    if what < 0.45:
        party.take()
        if isinstance(party, Writer):
            party.publish()
        else:
            party.answer(chance.randrange(1, 6))
    elif what < 0.65:
        site.commit(chance.randrange(1, 9))
    elif what < 0.85:
        site.commit()
        site.hold_commits()
    elif what < 0.97:
        party.client.lose()
        party.connect()
    else:
        site.restart(durable=chance.randrange(site.waiting + 1))
        site.hold_commits()
        for one in parties:
            one.connect()


def finish(site, writers, readers):
    """Let the storm pass, and everything come to its end."""
    site.commit()
    for party in writers + readers:
        party.client.lose()
        party.connect()
    is_busy = True
    while is_busy:
        came = [party.take() for party in writers + readers]
        is_busy = any(came)
        for reader in readers:
            reader.answer(len(reader.todo))
    assert not any(writer.outstanding for writer in writers)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.conforms(
    "5.0", "MQTT-4.4.0-1", "MQTT-4.3.2-3", "MQTT-4.3.3-10", "MQTT-4.5.0-1", "MQTT-4.6.0-5"
)
def test_everything_arrives_through_a_storm(seed):
    chance = random.Random(seed)
    site = Site()
    writers = [Writer(site, f"w{number}", chance) for number in range(2)]
    readers = [Reader(site, f"r{number}", chance) for number in range(2)]
    for party in writers + readers:
        party.connect()
        party.take()
    for reader in readers:
        reader.client.subscribe("t", qos=2)
    site.hold_commits()
    for _ in range(STEPS):
        step(site, writers + readers, chance)
    finish(site, writers, readers)
    uplinked = [one.payload for one in site.uplinked]
    for writer in writers:
        sent = writer.sent[1] + writer.sent[2]
        assert sorted(one for one in uplinked if one in set(sent)) == sorted(sent)
        for reader in readers:
            for qos in (1, 2):
                mine = [one for one in reader.found[qos] if one in set(writer.sent[qos])]
                first = mine if qos == 2 else list(dict.fromkeys(mine))
                assert first == writer.sent[qos], f"seed {seed}, QoS {qos}"
