"""The core's own sender against a gateway's receiver: both hops' halves of one protocol."""

import json
import random

import pytest

from builders import record_of
from fixtures.batches import raw_deflate
from fixtures.nodes import Site
from rig import Rig
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.settings import AccessSettings
from tidegate.delivery.sender import QUARANTINE_RUN_MAX
from tidegate.effects import Append, Sync
from tidegate.records.origin import GAP_TOPIC, find_origin
from tidegate.wire.batch import encode
from tidegate.wire.envelope import deflated
from tidegate_linux.endpoint.access.topics import BatchTopics


class Receiving:
    """A gateway in the place of the rig's hub."""

    def __init__(self, site, judge=None):
        self.site = site
        self._judge = judge

    def query(self, stream, at):
        return self._answered(self.site.ask(stream, str(at) if at else ""))

    def receive(self, batch):
        body = deflated(encode(batch), raw_deflate)
        return self._answered(self.site.put(batch.stream, body, judge=self._judge))

    def _answered(self, answers):
        self.site.settle()
        (answer,) = answers
        return answer.status, answer.fields


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def rig(site):
    one = Rig()
    one.hub = Receiving(site)
    one.pump()
    one.serve()
    return one


def taken(site):
    """Return (epoch, number) of all that the gateway knows of, gaps included, in its order."""
    found = []
    for record in site.rows:
        if record.topic == GAP_TOPIC:
            gap = json.loads(record.payload)
            epoch = gap["stream"].split(".")[1]
            found += [(epoch, seq) for seq in range(gap["first"], gap["last"] + 1)]
        else:
            origin = find_origin(record.properties)
            found.append((origin.stream.epoch, origin.seq))
    return found


def send(rig, count):
    rig.admit(count)
    let_pass(rig, 1000)


def let_pass(rig, span_ms):
    """Let a while go by; a batch waits from the moment in which it was first thought of."""
    rig.pump()
    rig.now_ms += span_ms
    rig.pump()


def finish(rig):
    """Serve until all is delivered."""
    for _ in range(50):
        rig.serve()
        if rig.lane.through == rig.lane.last:
            return
        rig.hub.site.heal()
        let_pass(rig, 60_000)
    raise AssertionError("it never ends")


def test_records_and_gaps_go_up_in_order(rig, site):
    send(rig, 10)
    rig.serve()
    rig.admit(10)
    rig.set_aside(13, 15)
    let_pass(rig, 1000)
    rig.serve()
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 21)]
    assert rig.lane.through == 20


def test_an_answer_that_is_lost_repeats_nothing(rig, site):
    send(rig, 10)
    rig.hub_says()  # It is taken, and nobody hears of it.
    rig.lose()
    let_pass(rig, 60_000)
    rig.serve()
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 11)]
    assert rig.lane.through == 10


def test_a_drop_behind_a_lost_answer_opens_no_new_epoch(rig, site):
    """The node has dropped what the gateway has; both still agree in front of that gap."""
    send(rig, 10)
    rig.serve()
    epoch = rig.lane.epoch
    send(rig, 10)
    rig.hub_says()
    rig.lose()
    rig.admit(10)
    rig.set_aside(15, 25)
    let_pass(rig, 60_000)
    rig.serve()
    assert rig.lane.epoch == epoch
    assert taken(site) == [(epoch, seq) for seq in range(1, 31)]


@pytest.mark.parametrize("reaches_medium", [False, True])
def test_a_gateway_whose_journal_fails_is_asked_again(rig, site, reaches_medium):
    send(rig, 10)
    rig.serve()
    site.fail("sync", 2, reaches_medium)
    send(rig, 10)
    status, fields = rig.hub_says()
    assert status == 503
    rig.answer(status, fields, "5")
    site.heal()
    let_pass(rig, 60_000)
    rig.serve()
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 21)]
    assert rig.lane.through == 20


def test_a_restored_gateway_gets_again_what_it_has_lost(rig, site):
    send(rig, 10)
    rig.serve()
    image = dict(site.disk.notes), site.disk.lanes["main"].last
    send(rig, 10)
    rig.serve()
    lane = site.disk.lanes["main"]
    site.disk.notes = image[0]  # A backup of its journal, of the time before.
    for row in list(lane.rows):
        if row > image[1]:
            del lane.rows[row]
    lane.last, lane.held_records = image[1], image[1]
    lane.last_hash = lane.rows[image[1]][0]
    site.restart()
    send(rig, 5)
    finish(rig)
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 26)]


TOPICS = BatchTopics(
    read_gateway({"source": [{"type": "listen", "url": "mqtt://127.0.0.1"}]}).endpoint,
    (AccessSettings(("node-1",), ("*",), ("$tidegate/#", "site/#"), ()),),
)


@pytest.mark.parametrize("topic", [b"other/x", GAP_TOPIC, b"site" + b"/x" * 200, b"$SYS/x"])
def test_a_topic_that_is_not_allowed_ends_in_the_quarantine_and_the_rest_goes_on(site, topic):
    rig = Rig()
    rig.hub = Receiving(site, TOPICS.judge_of("node-1", "c"))
    rig.pump()
    rig.serve()
    bad = record_of(18)._replace(topic=topic)
    rig.admit(17)
    rig.take([Append([rig.lane.admit([bad])]), Sync()])
    rig.admit(12)
    finish(rig)
    assert (rig.lane.through, rig.lane.balance.quarantined) == (30, 1)
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 31)]
    (gap,) = [json.loads(payload) for payload in site.gaps]
    assert (gap["first"], gap["last"]) == (18, 18)
    assert "topic-not-allowed" in gap["reason"]
    assert rig.events().count("record_quarantined") == 1


def test_a_node_that_may_send_nothing_keeps_what_it_has(site):
    """A rule that was forgotten is found before all that the node holds is set aside."""
    rig = Rig()
    rig.hub = Receiving(site, TOPICS.judge_of("node-2", "c"))
    rig.pump()
    rig.serve()
    rig.admit(60)
    for _ in range(QUARANTINE_RUN_MAX + 5):
        let_pass(rig, 1000)
        rig.serve()
    assert rig.lane.balance.quarantined == QUARANTINE_RUN_MAX
    assert site.rows == []
    rig.hub = Receiving(site, TOPICS.judge_of("node-1", "c"))
    finish(rig)
    assert taken(site) == [(rig.lane.epoch, seq) for seq in range(1, 61)]


@pytest.mark.parametrize("seed", range(30))
def test_random_walks(seed):
    """Lost answers, power cuts, failing journals, drops at the node: all of it once, in order."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    site, rig = Site(), Rig()
    rig.hub = Receiving(site)
    rig.pump()
    epoch = rig.lane.epoch
    for _ in range(60):
        act = chance.random()
        if act < 0.4:
            send(rig, chance.randrange(1, 8))
        elif act < 0.5 and rig.lane.last > rig.lane.through + 1 and not rig.link.requests:
            first = chance.randrange(rig.lane.through + 1, rig.lane.last + 1)
            rig.set_aside(first, chance.randrange(first, rig.lane.last + 1))
        elif act < 0.55:
            site.restart()
        elif act < 0.6:
            site.fail(chance.choice(("append", "sync")), 2, chance.random() < 0.5)
        elif rig.link.requests and site.machine is not None:
            status, fields = rig.hub_says()
            if chance.random() < 0.3:
                rig.lose()
            else:
                rig.answer(status, fields)
        site.heal()
        let_pass(rig, 60_000)
    finish(rig)
    assert rig.lane.epoch == epoch
    assert taken(site) == [(epoch, seq) for seq in range(1, rig.lane.last + 1)]
