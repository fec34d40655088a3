"""Crashes and lost connections at every point of QoS 1 and QoS 2, in both directions.

After each packet of a client one of these happens, on its own and in all pairs: the turn is lost in
a crash; it became durable, and the crash took the answer; the answer was lost with the connection;
the answer was seen, and then came the crash.  The client goes on as the standard wants (4.4), and
what counts is how often each message arrived, at the journal and at a subscriber.
"""

import itertools

import pytest

from endpoint import client_codec as codec
from endpoint.rig import Site

LOST, DURABLE, CUT, SEEN = "lost", "durable", "cut", "seen"
MODES = (LOST, DURABLE, CUT, SEEN)
STEPS = {1: 3, 2: 4}  # More than an exchange takes where it is disturbed once.
EXPIRY_S = 600

PLANS = {
    qos: [
        {first: mode, second: other}
        for first, second in itertools.combinations(range(STEPS[qos]), 2)
        for mode in MODES
        for other in (None, *MODES)
    ]
    for qos in (1, 2)
}

both = pytest.mark.parametrize("qos", [1, 2])


def connect(site, name):
    return site.client(name, clean_start=False, expiry_s=EXPIRY_S)


def disturb(site, client, mode, see):
    """Let `mode` happen to what was just sent; `see` reads the answers.  Tell if it was cut."""
    if site.waiting:
        assert client.take() == [], "an answer left before its turn was durable"
    if mode == LOST:
        site.restart(durable=0)
    elif mode == DURABLE:
        site.restart(durable=site.waiting)
    elif mode == CUT:
        site.commit()
        client.lose()
    else:
        site.commit()
        see()
        if mode == SEEN:
            site.restart()
    return mode is not None


class Writer:
    """Publishes one message after another, each until its exchange is over."""

    def __init__(self, site, qos):
        self.site = site
        self.qos = qos
        self.client = connect(site, "writer")
        self.step = 0

    def publish(self, payload, packet_id, plan):
        """Publish with the same steps again where an answer stays away."""
        is_dup = is_received = False
        while True:
            self.site.hold_commits()
            if is_received:
                self.client.acknowledge(codec.PUBREL, packet_id)
            else:
                self.client.send_publish("t", payload, self.qos, packet_id, dup=is_dup)
            answers = []
            is_cut = disturb(
                self.site,
                self.client,
                plan.get(self.step),
                lambda answers=answers: answers.extend(self.client.take()),
            )
            self.step += 1
            kinds = {one.kind for one in answers if one.packet_id == packet_id}
            if is_cut:
                is_dup = True
                self.client = connect(self.site, "writer")
                assert self.client.connack.session_present
            if kinds & {codec.PUBACK, codec.PUBCOMP}:
                return
            is_received |= codec.PUBREC in kinds


@both
@pytest.mark.conforms(
    "5.0", "MQTT-4.3.2-4", "MQTT-4.3.3-8", "MQTT-4.3.3-10", "MQTT-4.4.0-1", "MQTT-4.5.0-1"
)
def test_what_a_client_publishes_arrives_once_whatever_happens(qos):
    for plan in PLANS[qos]:
        site = Site()
        reader = connect(site, "reader")
        reader.subscribe("t", qos=qos)
        reader.lose()
        writer = Writer(site, qos)
        for number in (1, 2):
            writer.publish(b"%d" % number, number, plan)
        site.restart()
        assert [one.payload for one in site.uplinked] == [b"1", b"2"], plan
        found = [one.payload for one in connect(site, "reader").drain()]
        assert found == [b"1", b"2"], plan


@pytest.mark.conforms("5.0", "MQTT-4.3.3-12", "MQTT-4.3.2-5")
def test_an_identifier_used_again_after_a_crash_stands_for_a_new_message():
    for qos, mode, step in itertools.product((1, 2), MODES, (0, 1)):
        site = Site()
        writer = Writer(site, qos)
        for number in range(4):
            writer.publish(b"%d" % number, 1, {writer.step + step: mode})
        found = [one.payload for one in site.uplinked]
        assert found == [b"0", b"1", b"2", b"3"], (qos, mode, step)


class Reader:
    """Receives, with the memory that a client needs for exactly once."""

    def __init__(self, site, qos):
        self.site = site
        self.client = connect(site, "reader")
        self.client.subscribe("t", qos=qos)
        self.payloads = []
        self.open_ids = set()
        self.step = 0
        self.todo = []

    def take(self):
        """Note what came, and what is to be answered."""
        for packet in self.client.take():
            if packet.kind == codec.PUBLISH and packet.qos == 1:
                self.payloads.append(packet.payload)
                self.todo.append((codec.PUBACK, packet.packet_id))
            elif packet.kind == codec.PUBLISH and packet.qos == 2:
                if packet.packet_id not in self.open_ids:
                    self.payloads.append(packet.payload)
                    self.open_ids.add(packet.packet_id)
                self.todo.append((codec.PUBREC, packet.packet_id))
            elif packet.kind == codec.PUBREL:
                self.open_ids.discard(packet.packet_id)
                self.todo.append((codec.PUBCOMP, packet.packet_id))

    def run(self, plan):
        """Answer everything until nothing more comes."""
        self.take()
        while self.todo:
            kind, packet_id = self.todo.pop(0)
            self.site.hold_commits()
            self.client.acknowledge(kind, packet_id)
            # Copies of messages that were durable before may leave; a PUBREL may not.
            if kind == codec.PUBREC and self.site.waiting:
                self.client.nothing()
            mode = plan.get(self.step)
            self.step += 1
            if disturb(self.site, self.client, mode, self.take):
                self.todo.clear()
                self.client = connect(self.site, "reader")
                assert self.client.connack.session_present
            self.take()


@both
@pytest.mark.conforms(
    "5.0", "MQTT-4.3.2-3", "MQTT-4.3.3-3", "MQTT-4.3.3-5", "MQTT-4.3.3-6", "MQTT-4.4.0-1"
)
def test_what_a_subscriber_is_owed_arrives_whatever_happens(qos):
    for plan in PLANS[qos]:
        site = Site()
        reader = Reader(site, qos)
        writer = site.client("writer")
        for payload in (b"1", b"2"):
            writer.publish("t", payload, qos=qos)
        reader.run(plan)
        if qos == 2:
            assert reader.payloads == [b"1", b"2"], plan
        else:
            first = list(dict.fromkeys(reader.payloads))
            assert first == [b"1", b"2"], plan
        reader.client.lose()
        site.restart()
        assert connect(site, "reader").take() == [], plan


# Durable first: what hangs on a turn does not leave before it.


@both
@pytest.mark.conforms("5.0", "MQTT-4.3.2-4", "MQTT-4.3.3-8")
def test_nothing_that_hangs_on_a_turn_leaves_before_it_is_durable(qos):
    site = Site()
    reader, writer = connect(site, "reader"), site.client("writer")
    reader.subscribe("t", qos=2)
    site.hold_commits()
    writer.send_publish("t", b"x", qos, 1)
    writer.nothing()
    reader.nothing()
    site.commit()
    assert writer.take()[0].kind == (codec.PUBACK if qos == 1 else codec.PUBREC)
    assert reader.message(is_acknowledged=False).payload == b"x"


@pytest.mark.conforms("5.0", "MQTT-3.8.4-1", "MQTT-3.10.4-4", "MQTT-3.1.4-5")
def test_a_kept_sessions_answers_wait_for_the_disk():
    site = Site()
    site.hold_commits()
    client = site.open()
    client.send(codec.connect("a", clean_start=False, properties=[(0x11, 60)]))
    client.nothing()
    site.commit()
    client.expect(codec.CONNACK)
    site.hold_commits()
    client.send(codec.subscribe(1, [("t", 1)]), codec.unsubscribe(2, ["t"]))
    client.nothing()
    site.commit()
    assert [one.kind for one in client.take()] == [codec.SUBACK, codec.UNSUBACK]


@pytest.mark.conforms("5.0", "MQTT-3.3.1-5")
def test_a_retained_message_that_is_not_durable_is_shown_to_nobody():
    site = Site()
    writer, reader = site.client("writer"), site.client("reader")
    site.hold_commits()
    writer.send_publish("t", b"x", 1, 1, retain=True)
    reader.send(codec.subscribe(1, [("t", 1)]))
    assert codec.PUBLISH not in {one.kind for one in reader.take()}
    site.commit()
    assert [one.payload for one in reader.drain()] == [b"x"]
    site.hold_commits()
    writer.send_publish("t", b"y", 1, 2, retain=True)
    site.restart()
    reader = site.client("reader")
    reader.subscribe("t")
    assert reader.message().payload == b"x"


@pytest.mark.conforms("5.0", "MQTT-4.6.0-5")
def test_answers_leave_in_the_order_of_the_turns():
    site = Site()
    writer = site.client("writer")
    site.hold_commits()
    for number in (1, 2, 3):
        writer.send_publish("t", b"x", 1, number)
    assert site.waiting == 3
    site.commit(1)
    assert [one.packet_id for one in writer.take()] == [1]
    site.commit(2)
    assert [one.packet_id for one in writer.take()] == [2, 3]


@pytest.mark.conforms("5.0", "MQTT-3.1.4-3", "MQTT-4.3.2-4")
def test_a_takeover_while_turns_wait_loses_nothing():
    for commits in range(4):
        site = Site()
        first = connect(site, "a")
        first.subscribe("t", qos=2)
        site.hold_commits()
        first.send_publish("t", b"x", 2, 1)
        site.commit(commits % 2)
        second = site.open()
        second.send(codec.connect("a", clean_start=False, properties=[(0x11, 60)]))
        site.commit(commits // 2)
        site.commit()
        second.expect(codec.CONNACK)
        assert second.message().payload == b"x"
        second.send_publish("t", b"x", 2, 1, dup=True)
        second.expect(codec.PUBREC)
        second.release(1)
        second.nothing()
        assert len(site.uplinked) == 1
