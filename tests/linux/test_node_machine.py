"""The receiver of nodes on the real gateway and engine: nothing twice, nothing lost, one answer."""

import json

import pytest

from fakes.model_journal import ModelDisk
from fixtures.batches import EPOCH, Node
from fixtures.nodes import Site
from tidegate.limits import BATCH_BYTES_MAX
from tidegate.records.origin import GAP_TOPIC, ORIGIN
from tidegate.records.record import RETAIN, Record, pack_properties, unpack_properties
from tidegate.records.stream import Stream
from tidegate.wire.batch import encode
from tidegate.wire.receipt import read_receipt, read_standing
from tidegate_linux.nodes.arrivals import gap_payload
from tidegate_linux.nodes.machine import WAITING_MAX

HELD = ("unavailable", 503)


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def node():
    return Node(records=40)


def status_of(answers):
    assert len(answers) == 1, "a request has one answer"
    return answers[0].status


def word_of(answers):
    assert len(answers) == 1, "a request has one answer"
    return answers[0].fields.get("error"), answers[0].status


def numbers(node, *ranges):
    name = str(node.stream)
    return [(name, seq) for first, last in ranges for seq in range(first, last + 1)]


def test_a_batch_is_durable_before_its_receipt(site, node):
    answers = site.put(node.stream, node.body(1, 10))
    assert answers == [] and site.rows == []
    site.settle()
    receipt = read_receipt(node.stream, answers[0].fields)
    assert status_of(answers) == 200
    assert (receipt.first, receipt.last, receipt.cursor) == (1, 10, (10, node.hashes[9]))
    assert receipt.generation == site.machine.identity
    assert site.origins == numbers(node, (1, 10))
    site.restart()
    standing = read_standing(node.stream, site.ask(node.stream)[0].fields)
    assert standing.cursor == (10, node.hashes[9])


def test_records_keep_what_they_are(site, node):
    node.replace(3, Record(1, 30, b"site/x", b"\x00\xff", 2 | RETAIN, b"\x01\x00\x01\x00ab"))
    site.send(node, 1, 4)
    for before, after in zip(node.records, site.rows, strict=False):
        assert (after.topic, after.payload, after.flags) == before[2:5]
        assert after.properties.startswith(before.properties)
        assert after.ticks_ms == site.now_ms


def test_equal_values_are_all_taken(site, node):
    same = Record(1, 30, b"site/x", b"same", RETAIN, b"")
    for seq in (1, 2, 3):
        node.replace(seq, same)
    site.send(node, 1, 3)
    assert [record.payload for record in site.rows] == [b"same"] * 3


def test_what_comes_again_is_taken_once(site, node):
    ranges = ((1, 10), (1, 10), (4, 12), (1, 5), (13, 20), (1, 20), (20, 21))
    for first, last in ranges:
        assert status_of(site.send(node, first, last)) == 200
    assert site.origins == numbers(node, (1, 21))
    counts = site.machine.counts
    assert (counts.batches, counts.known, counts.records) == (4, 3, 21)


def test_a_hole_is_refused_with_what_is_expected(site, node):
    site.send(node, 1, 5)
    answers = site.send(node, 8, 9)
    assert word_of(answers) == ("out-of-order", 409)
    assert answers[0].fields["expected"] == 6
    assert read_standing(node.stream, answers[0].fields).cursor.through == 5
    assert site.origins == numbers(node, (1, 5))


def test_another_history_is_a_fork(site, node):
    copy = Node(records=40, seed=2)
    site.send(node, 1, 10)
    assert word_of(site.send(copy, 11, 12)) == ("fork", 409)
    assert word_of(site.send(copy, 1, 10)) == ("fork", 409)
    assert word_of(site.send(copy, 1, 8)) == ("fork", 409), "behind the cursor"
    assert site.origins == numbers(node, (1, 10))
    assert site.reports.count("node_forked") == 1, "of what a peer repeats, once a minute"


def test_gaps_become_records_in_their_place(site, node):
    node.drop(4, 6)
    node.drop(9, 10, 'say "so"')
    site.send(node, 1, 10)
    name = str(node.stream)
    assert [json.loads(payload) for payload in site.gaps] == [
        {"stream": name, "first": 4, "last": 6, "reason": "overflow"},
        {"stream": name, "first": 9, "last": 10, "reason": 'say "so"'},
    ]
    assert [record.topic for record in site.rows].index(b"$tidegate/gap") == 3
    assert site.origins == numbers(node, (1, 3), (7, 8))
    assert status_of(site.send(node, 1, 10)) == 200
    assert len(site.gaps) == 2


def test_a_cursor_inside_a_gap_is_compared_in_front_of_it(site, node):
    """An answer was lost, and then the node's own journal had to drop what it was for."""
    site.send(node, 1, 10)
    site.send(node, 11, 20)
    node.drop(15, 25)
    assert word_of(site.send(node, 11, 30)) == ("out-of-order", 409)
    for at in range(10, 21):
        standing = read_standing(node.stream, site.ask(node.stream, str(at))[0].fields)
        assert (standing.asked, standing.asked_hash) == (at, node.hashes[at - 1]), at
    site.restart()
    standing = read_standing(node.stream, site.ask(node.stream, "14")[0].fields)
    assert standing.asked_hash == node.hashes[13]
    assert read_standing(node.stream, site.ask(node.stream, "9")[0].fields).asked_hash is None


def test_hashes_are_kept_from_where_the_sender_cannot_be_sure(site, node):
    for first, last in ((1, 5), (3, 10), (3, 12)):
        site.send(node, first, last)
    for at in range(2, 13):
        standing = read_standing(node.stream, site.ask(node.stream, str(at))[0].fields)
        assert standing.asked_hash == node.hashes[at - 1], at


def test_streams_are_taken_side_by_side(site):
    nodes = [Node(f"{number:016x}", records=9, lane=lane) for number in (1, 2) for lane in "ab"]
    answers = [site.put(one.stream, one.body(1, 9)) for one in nodes]
    site.settle()
    assert [status_of(one) for one in answers] == [200] * 4
    assert sorted(site.origins) == sorted(pair for one in nodes for pair in numbers(one, (1, 9)))
    assert (site.machine.nodes, site.machine.streams) == (2, 4)


def test_what_comes_while_a_batch_is_under_way_waits_for_its_turn(site, node):
    first = site.put(node.stream, node.body(1, 10))
    again = site.put(node.stream, node.body(1, 12))
    asked = site.ask(node.stream)
    third = site.put(node.stream, node.body(13, 20))
    assert first == again == asked == third == []
    site.settle()
    assert [status_of(one) for one in (first, again, asked, third)] == [200] * 4
    assert asked[0].fields["through"] == 12
    assert site.origins == numbers(node, (1, 20))


def test_who_asks_too_often_is_put_off(site, node):
    answers = [site.put(node.stream, node.body(1, 10)) for _ in range(WAITING_MAX + 3)]
    site.settle()
    statuses = [status_of(one) for one in answers]
    assert statuses == [200] * (WAITING_MAX + 1) + [503] * 2
    assert answers[-1][0].retry_after_s > 0
    assert site.origins == numbers(node, (1, 10))


@pytest.mark.parametrize("method", ["append", "sync"])
@pytest.mark.parametrize("reaches_medium", [False, True])
def test_a_journal_that_fails_leaves_the_outcome_open(site, node, method, reaches_medium):
    site.send(node, 1, 5)
    site.fail(method, 2, reaches_medium)  # The first call is the boot's.
    identity = site.machine.identity
    answers = site.put(node.stream, node.body(6, 10))
    behind = site.put(node.stream, node.body(6, 12))
    site.settle()
    assert word_of(answers) == word_of(behind) == HELD
    assert word_of(site.ask(node.stream)) == HELD
    assert word_of(site.put(node.stream, node.body(6, 10))) == HELD
    site.heal()
    assert site.machine.identity != identity, "the sender must ask before it believes"
    through = 10 if reaches_medium and method == "sync" else 5
    assert read_standing(node.stream, site.ask(node.stream)[0].fields).cursor.through == through
    assert status_of(site.send(node, 6, 12)) == 200
    assert site.origins == numbers(node, (1, 12))


@pytest.mark.parametrize("survives", [False, True])
def test_a_power_cut_between_delivery_and_commit(site, node, survives):
    site.send(node, 1, 5)
    answers = site.put(node.stream, node.body(6, 10))
    if survives:
        site.settle()  # It was committed; its answer is lost with this run.
    site.restart()
    through = read_standing(node.stream, site.ask(node.stream)[0].fields).cursor.through
    assert through == (10 if survives else 5)
    assert len(answers) == survives
    site.send(node, 6, 12)
    assert site.origins == numbers(node, (1, 12))


def test_a_late_acknowledgement_does_not_count(site, node):
    answers = site.put(node.stream, node.body(1, 5))
    generation, token = site.events[0].generation, site.events[0].receipt
    site.machine.pause()
    assert word_of(answers) == HELD
    site.machine.acknowledged(generation, [token], site.now_ms)
    site.events.clear()
    site.machine.resume()
    site.machine.acknowledged(generation, [token], site.now_ms)
    site.settle()
    again = site.put(node.stream, node.body(1, 5))
    site.machine.acknowledged(generation, [token], site.now_ms)
    assert len(answers) == 1 and again == []
    assert site.machine.counts.batches == 0
    site.settle()
    assert status_of(again) == 200 and site.origins == numbers(node, (1, 5))


def test_a_claim_that_was_never_durable_binds_nobody(site, node):
    site.fail("append", 2)
    assert word_of(site.send(node, 1, 5, "first")) == HELD
    site.heal()
    assert status_of(site.send(node, 1, 5, "second")) == 200
    assert word_of(site.send(node, 6, 7, "first")) == ("foreign-node", 403)


def test_pages_of_an_older_generation_do_not_count(site, node):
    site.send(node, 1, 5)
    site.machine.pause()
    site.machine.resume()
    site.machine.pause()
    site.machine.found(site.machine.generation, [])
    site.machine.resume()
    site.settle()
    assert read_standing(node.stream, site.ask(node.stream)[0].fields).cursor.through == 5


def test_what_is_refused_for_want_of_room_is_accounted_for(node):
    tree = {"journal": {"limit_bytes": 16_000_000, "overflow": "drop-newest", "reserve_bytes": 0}}
    site = Site(ModelDisk(["main"]), tree)
    site.disk.stored_bytes = 15_999_000
    site.send(node, 1, 10)
    before = len(site.rows)
    answers = site.send(node, 11, 20)
    lane = site.disk.lanes["main"]
    assert status_of(answers) == 200, "it is a gap of the gateway's own stream"
    assert len(site.rows) == before and lane.dropped == {"overflow": 10}
    assert read_standing(node.stream, site.ask(node.stream)[0].fields).cursor.through == 20
    assert status_of(site.send(node, 11, 20)) == 200
    assert lane.last == before + 10


def test_a_node_belongs_to_who_sent_for_it_first(site, node):
    site.send(node, 1, 5)
    other_lane = Node(records=5, lane="alarm")
    for answers in (site.send(node, 6, 7, "other"), site.send(other_lane, 1, 5, "other")):
        assert word_of(answers) == ("foreign-node", 403)
    assert word_of(site.ask(node.stream, owner="other")) == ("foreign-node", 403)
    assert word_of(site.ask(node.stream, owner="")) == ("foreign-node", 403)
    assert status_of(site.send(other_lane, 1, 5)) == 200
    site.restart()
    assert word_of(site.send(node, 6, 7, "other")) == ("foreign-node", 403)
    assert site.origins == numbers(node, (1, 5)) + numbers(other_lane, (1, 5))


def test_two_that_claim_one_node_at_once(site, node):
    other_lane = Node(records=5, lane="alarm")
    mine = site.put(node.stream, node.body(1, 5))
    theirs = site.put(other_lane.stream, other_lane.body(1, 5), "other")
    site.settle()
    assert status_of(mine) == 200
    assert word_of(theirs) == ("foreign-node", 403)


def test_what_nobody_in_particular_has_sent_is_anybodys_who_has_a_name(site, node):
    assert status_of(site.send(node, 1, 5, "")) == 200
    assert status_of(site.send(node, 6, 7, "site")) == 200
    site.restart()
    assert word_of(site.send(node, 8, 9, "")) == ("foreign-node", 403)


REFUSED_BODIES = (
    (b"", "bad-length", 422),
    (b"TGB", "bad-length", 422),
    (b"x" * 100, "bad-magic", 422),
    (Node(records=3).body(1, 3)[:-1], "bad-checksum", 422),
    (Node("00000000000000ff", records=3).body(1, 3), "foreign-stream", 422),
)


@pytest.mark.parametrize(("body", "word", "status"), REFUSED_BODIES)
def test_bytes_that_are_no_batch(site, node, body, word, status):
    assert word_of(site.put(node.stream, body)) == (word, status)
    assert site.events == [] and site.machine.counts.refused == {word: 1}


def test_names_and_numbers_that_are_none(site, node):
    assert word_of(site.put("nonsense", node.body(1, 3))) == ("bad-stream", 422)
    assert word_of(site.ask("nonsense")) == ("bad-stream", 422)
    for at in ("-1", "x", "1" * 30, str(1 << 48)):
        assert word_of(site.ask(node.stream, at)) == ("bad-range", 422)


def test_a_deflated_batch_where_none_may_be(site, node):
    assert word_of(site.put(node.stream, node.body(1, 20), deflated=False)) == ("no-deflate", 422)
    plain = encode(node.batch(1, 20))
    assert len(plain) < BATCH_BYTES_MAX
    answers = site.put(node.stream, plain, deflated=False)
    site.settle()
    assert status_of(answers) == 200


def test_a_query_creates_nothing(site):
    stream = Stream("00c0ffee00c0ffee", EPOCH, "main")
    standing = read_standing(stream, site.ask(stream, "7")[0].fields)
    assert standing[:1] + standing[2:] == ((0, None), 7, None)
    assert site.machine.streams == 0 and site.disk.notes == {}


def judge(topic):
    return "" if topic.startswith(b"site/") else f"topic {topic!r} is not for you"


REFUSED = ("topic-not-allowed", 422)


def test_a_topic_that_is_not_allowed_keeps_the_whole_batch_out(site, node):
    node.replace(7, Record(1, 70, b"other/x", b"", 0, b""))
    answers = site.put(node.stream, node.body(1, 10), judge=judge)
    assert word_of(answers) == REFUSED
    assert "other/x" in answers[0].fields["detail"]
    site.settle()
    assert site.rows == []
    assert site.machine.nodes == 0, "who brings nothing takes no room"
    assert "node_topic_refused" in site.reports
    assert site.machine.counts.refused == {"topic-not-allowed": 1}
    # The same range is still open, and what is in front of it is taken.
    site.put(node.stream, node.body(1, 6), judge=judge)
    site.settle()
    assert site.origins == numbers(node, (1, 6))


def test_what_was_taken_is_not_judged_again(site, node):
    site.put(node.stream, node.body(1, 10), judge=judge)
    site.settle()
    refuse = "never".format
    known = site.put(node.stream, node.body(1, 10), judge=refuse)
    assert status_of(known) == 200
    assert word_of(site.put(node.stream, node.body(6, 12), judge=refuse)) == REFUSED


def test_each_topic_of_a_batch_is_judged_once(site, node):
    asked = []
    site.put(node.stream, node.body(1, 40), judge=lambda topic: asked.append(topic) or "")
    assert sorted(asked) == sorted({record.topic for record in node.records})


FOREIGN = b"ffffffffffffffff.eeeeeeeeeeeeeeee.main 7 -"


@pytest.mark.parametrize(("is_judged", "keeps"), [(True, False), (False, True)])
def test_who_is_judged_brings_no_origin_along(site, node, is_judged, keeps):
    """A gateway behind this one does: it comes over HTTP, with a token."""
    packed = pack_properties([(b"a", b"1"), (ORIGIN, FOREIGN), (ORIGIN, FOREIGN)])
    node.replace(1, Record(1, 1, b"site/x", b"x", 0, packed))
    site.put(node.stream, node.body(1, 1), judge=judge if is_judged else None)
    site.settle()
    own = numbers(node, (1, 1))
    assert site.origins == ([("ffffffffffffffff.eeeeeeeeeeeeeeee.main", 7)] if keeps else own)
    pairs = unpack_properties(site.rows[0].properties)
    assert [name for name, _ in pairs] == [b"a", ORIGIN]


def test_a_gap_behind_a_gateway_is_passed_on(site, node):
    told = gap_payload("ffffffffffffffff.eeeeeeeeeeeeeeee.main", 3, 4, "overflow")
    node.replace(1, Record(1, 1, GAP_TOPIC, told, 1, b""))
    site.send(node, 1, 1)
    assert site.gaps == [told]
