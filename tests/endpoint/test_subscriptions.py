"""Subscriptions: whom a topic reaches, at what price, and how much is remembered."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.records.filters import matches, shared
from tidegate_linux.endpoint.broker import subscriptions as module
from tidegate_linux.endpoint.broker.limits import MATCHES_SUBSCRIBERS_MAX, MATCHES_TOPICS_MAX
from tidegate_linux.endpoint.broker.subscriptions import Subscription, Subscriptions


def wish(filter, qos=1, identifier=0):
    return Subscription(filter, qos, False, False, 0, identifier)


def reached(table, topic):
    found = table.match(topic)
    return {session: {each.filter for each in wanted} for session, wanted in found.direct}


def anyone(_session):
    return True


LEVEL = st.sampled_from([b"a", b"b", b"", b"$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map(b"/".join).filter(bool)
PLAIN = st.tuples(
    st.lists(st.one_of(LEVEL, st.just(b"+")), max_size=4), st.sampled_from([[], [b"#"]])
).map(lambda parts: b"/".join(parts[0] + parts[1]))
FILTER = st.one_of(PLAIN, PLAIN.map(lambda filter: b"$share/g/" + filter)).filter(
    lambda filter: filter not in (b"", b"$share/g/")
)
STEP = st.tuples(
    st.sampled_from(["add", "add", "add", "remove", "leave"]), st.integers(0, 3), FILTER
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=25), st.lists(TOPIC, min_size=1, max_size=5))
def test_a_topic_reaches_whom_the_rules_of_mqtt_say(steps, topics):
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4]"""
    table, model = Subscriptions(), {}
    for what, session, filter in steps:
        if what == "add":
            assert table.add(session, wish(filter)) == ((session, filter) not in model)
            model[session, filter] = True
        elif what == "remove":
            assert table.remove(session, filter) == bool(model.pop((session, filter), False))
        else:
            table.remove_all(session)
            model = {key: True for key in model if key[0] != session}
        for topic in topics[:2]:
            table.match(topic)  # A remembered answer must not outlive its truth.
    assert table.count == len(model)
    for topic in topics:
        direct, members = {}, {}
        for session, filter in model:
            if matches(filter, topic):
                if shared(filter) is None:
                    direct.setdefault(session, set()).add(filter)
                else:
                    members.setdefault(filter, set()).add(session)
        assert reached(table, topic) == direct
        groups = [
            frozenset(group.pick(anyone)[0] for _ in range(len(group)))
            for group in table.match(topic).groups
        ]
        assert sorted(groups, key=sorted) == sorted(map(frozenset, members.values()), key=sorted)
    for session in range(4):
        table.remove_all(session)
    assert table.count == 0
    assert not table._root.children


def test_overlapping_subscriptions_of_one_session_come_together():
    """[MQTT-3.3.4-2]"""
    table = Subscriptions()
    for filter in (b"a/b", b"a/+", b"#"):
        table.add("one", wish(filter))
    assert reached(table, b"a/b") == {"one": {b"a/b", b"a/+", b"#"}}
    assert len(table.match(b"a/b").direct) == 1


def test_a_second_subscription_to_a_filter_replaces_the_first():
    """[MQTT-3.8.4-3]"""
    table = Subscriptions()
    assert table.add("one", wish(b"a", qos=0))
    table.match(b"a")
    assert not table.add("one", wish(b"a", qos=2, identifier=7))
    assert table.match(b"a").direct == (("one", (wish(b"a", qos=2, identifier=7),)),)
    assert table.count == 1
    assert table.find("one", b"a").qos == 2
    assert table.find("one", b"b") is None
    assert table.filters_of("one") == [b"a"]


def test_only_exactly_the_same_filter_is_removed():
    """[MQTT-3.10.4-1]"""
    table = Subscriptions()
    table.add("one", wish(b"a/+"))
    assert not table.remove("one", b"a/b")
    assert not table.remove("two", b"a/+")
    assert table.remove("one", b"a/+")


@pytest.mark.parametrize("filter", [b"#", b"+/a", b"+", b"+/#", b"$share/g/#"])
def test_leading_wildcards_do_not_see_what_the_server_tells(filter):
    """[MQTT-4.7.2-1]"""
    table = Subscriptions()
    table.add("one", wish(filter))
    found = table.match(b"$SYS/a")
    assert found == ((), ())


def test_a_group_takes_turns():
    table = Subscriptions()
    for name in "abc":
        table.add(name, wish(b"$share/g/t"))
    (group,) = table.match(b"t").groups
    assert [group.pick(anyone)[0] for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_a_group_prefers_who_is_able_and_else_takes_the_next():
    """[MQTT-4.8.2-4]"""
    table = Subscriptions()
    for name in "abc":
        table.add(name, wish(b"$share/g/t", qos=2))
    (group,) = table.match(b"t").groups
    assert [group.pick(lambda name: name == "b")[0] for _ in range(3)] == ["b", "b", "b"]
    picked = [group.pick(lambda name: False) for _ in range(3)]
    assert sorted(name for name, _ in picked) == ["a", "b", "c"]
    assert picked[0][1].qos == 2


def test_groups_are_told_apart_by_name_and_filter():
    table = Subscriptions()
    for filter in (b"$share/g/t", b"$share/h/t", b"$share/g/+", b"t"):
        table.add("one", wish(filter))
    assert len(table.match(b"t").groups) == 3
    assert reached(table, b"t") == {"one": {b"t"}}
    table.remove("one", b"$share/g/t")
    assert len(table.match(b"t").groups) == 2


def test_an_empty_group_picks_nobody():
    assert module.SharedGroup().pick(anyone) is None


def test_a_known_topic_costs_one_look_up_however_many_subscribe():
    table = Subscriptions()
    for session in range(10_000):
        table.add(session, wish(b"site/1/temperature"))
    first = table.match(b"site/1/temperature")
    assert len(first.direct) == 10_000
    assert table.match(b"site/1/temperature") is first


def test_changes_tells_when_an_earlier_answer_is_void():
    table = Subscriptions()
    before = table.changes
    table.match(b"a")
    assert table.changes == before
    table.add("one", wish(b"a"))
    table.remove("one", b"a")
    assert table.changes == before + 2


def test_a_flood_of_new_topics_is_not_remembered_without_end():
    table = Subscriptions()
    for number in range(3 * MATCHES_TOPICS_MAX):
        table.match(b"topic/%d" % number)
    assert len(table._cache) <= MATCHES_TOPICS_MAX
    table.match(b"x" * 60_000)
    assert b"x" * 60_000 not in table._cache


def test_a_flood_of_new_topics_to_many_subscribers_is_bounded_too():
    table = Subscriptions()
    for session in range(10_000):
        table.add(session, wish(b"#"))
    for number in range(50):
        table.match(b"topic/%d" % number)
    held = sum(len(found.direct) for found in table._cache.values())
    assert 0 < held <= MATCHES_SUBSCRIBERS_MAX


def test_a_session_is_forgotten_without_a_walk_through_the_tree():
    table = Subscriptions()
    for session in range(40):
        for number in range(1000):
            table.add(session, wish(b"s/%d/%d" % (session, number)))
    began = time.perf_counter()
    table.remove_all(7)
    took = time.perf_counter() - began
    assert took < 0.05, took  # It takes 1 ms; the walk would visit 40,000 nodes, in 10 or more.
    assert table.count == 39_000
    table.remove_all("nobody")
