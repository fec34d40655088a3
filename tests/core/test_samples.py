"""A node's own samples: each becomes a record, in the lane of its topic."""

from builders import arrived, message
from tidegate.effects import Acknowledge, Refuse
from tidegate.records.filters import FilterMap
from tidegate.records.record import Record
from tidegate.store.samples import Samples


def test_every_sample_becomes_a_record_in_order():
    same = message(1, identity=b"x")
    found = Samples().sort([arrived([same, same]), arrived([message(2)])], 7)
    record = Record(7, 1, b"site/a", b"1", 1, b"")
    assert found.records == [("main", [record, record, Record(7, 2, b"site/a", b"2", 1, b"")])]
    assert found.too_large == []


def test_a_topic_decides_the_lane():
    samples = Samples(FilterMap([(b"alarm/#", "alarm")]))
    found = samples.sort([arrived([message(1), message(2, b"alarm/a"), message(3, b"b")])], 1)
    lanes = [(name, [record.ticks_ms for record in records]) for name, records in found.records]
    assert lanes == [("alarm", [2]), ("main", [1, 3])]


def test_each_arrival_is_answered_as_it_asks_for():
    arrivals = [
        arrived([message(1), message(2, token=None)], generation=3),
        arrived([message(4, token=None)], receipt="whole"),
        arrived([message(5, token=None)]),
    ]
    tokens = [("source", 3, [1]), ("source", 1, ["whole"])]
    assert Samples().sort(arrivals, 1).answers == [Acknowledge(*answer) for answer in tokens]
    refused = Samples().sort(arrivals, 1, "overflow").answers
    assert refused == [Refuse(*answer, "overflow") for answer in tokens]


def test_what_was_sampled_before_a_start_makes_no_sample_a_copy():
    samples = Samples()
    samples.restore([(b"site/a", b"")])
    assert len(samples.sort([arrived([message(1)])], 1).records[0][1]) == 1
