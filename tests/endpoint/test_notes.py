"""Notes: both directions, the order of keys, and damaged bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate_linux.endpoint.broker import notes
from tidegate_linux.endpoint.broker.delivery import Delivery
from tidegate_linux.endpoint.broker.outbox import RELEASED, Entry
from tidegate_linux.endpoint.broker.subscriptions import Subscription

U64 = st.integers(0, 2**64 - 2)
U32 = st.integers(0, 2**32 - 1)
DELIVERY = st.builds(
    Delivery,
    st.binary(min_size=1, max_size=20),
    st.binary(max_size=20),
    st.integers(0, 2),
    st.booleans(),
    st.binary(max_size=20),
    st.none() | st.integers(0, 2**50),
    st.text(max_size=10),
)
LASTING = DELIVERY.map(lambda each: each._replace(expires_at_ms=None))
WILL = st.builds(
    notes.WillNote,
    LASTING,
    st.text(max_size=5),
    st.booleans(),
    U32,
    st.none() | U32,
    st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), max_size=3),
)
SESSION = st.builds(notes.SessionNote, U64, U64, U32, U64, st.text(max_size=10))
SUBSCRIPTION = st.builds(
    Subscription,
    st.binary(min_size=1, max_size=20),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    U32,
)
OFFSET_MS = 1_700_000_000_000
EXAMPLE = Delivery(b"topic", b"payload", 2, True, b"forwarded", 12_345, "client")


@given(DELIVERY)
def test_a_delivery_comes_back_as_it_was(delivery):
    packed = notes.pack_delivery(delivery, OFFSET_MS)
    assert notes.unpack_delivery(packed, OFFSET_MS) == delivery


def test_a_message_expires_at_the_same_wall_clock_after_a_boot():
    packed = notes.pack_delivery(EXAMPLE, 1_000_000)
    assert notes.unpack_delivery(packed, 900_000).expires_at_ms == 112_345


def test_a_clock_before_1970_keeps_no_message_from_being_stored():
    packed = notes.pack_delivery(EXAMPLE, -10_000_000)
    assert notes.unpack_delivery(packed, 0).expires_at_ms == 0


@given(DELIVERY, U64, st.integers(1, 2), st.lists(U32, max_size=3).map(tuple))
def test_an_entry_comes_back_as_it_was(delivery, number, qos, identifiers):
    packed = notes.pack_entry(Entry(number, delivery, qos, identifiers), OFFSET_MS)
    entry = notes.unpack_entry(number, packed, OFFSET_MS)
    assert (entry.number, entry.delivery, entry.qos, entry.identifiers) == (
        number,
        delivery,
        qos,
        identifiers,
    )


def test_the_marker_comes_back_as_an_entry_that_waits_for_pubcomp():
    entry = notes.unpack_entry(5, notes.pack_released(), 0)
    assert (entry.number, entry.packet_id, entry.qos, entry.state) == (5, 6, 2, RELEASED)


@given(SESSION, WILL, SUBSCRIPTION, st.lists(st.tuples(st.integers(1, 65_535), U32)))
def test_the_rest_comes_back_as_it_was(session, will, subscription, prints):
    assert notes.unpack_session(notes.pack_session(session)) == session
    assert notes.unpack_will(notes.pack_will(will)) == will
    packed = notes.pack_subscription(subscription)
    assert notes.unpack_subscription(subscription.filter, packed) == subscription
    assert notes.unpack_prints(notes.pack_prints(prints)) == prints
    assert notes.unpack_turn(notes.pack_turn(session.number)) == session.number
    notes.check_inbound(notes.pack_inbound())


@given(U64, U64, st.integers(1, 65_535), st.text(max_size=23), st.binary(min_size=1, max_size=9))
def test_keys_say_whose_they_are(session, number, packet_id, client_id, text):
    assert notes.split_session_key(notes.session_key(client_id)) == client_id
    assert notes.split_filter_key(notes.filter_key(session, text)) == (session, text)
    assert notes.split_inbound_key(notes.inbound_key(session, packet_id)) == (session, packet_id)
    assert notes.split_prints_key(notes.prints_key(session, number)) == (session, number)
    assert notes.split_queued_key(notes.queued_key(session, number)) == (session, number)
    assert notes.split_retained_key(notes.retained_key(text)) == text
    assert notes.split_will_key(notes.will_key(session)) == session


@given(U64, U64, U64, U64)
def test_one_range_is_one_session_and_its_queue_is_in_order(session, other, first, second):
    start, stop = notes.session_range(notes.QUEUED, session)
    key = notes.queued_key(session, first)
    assert start <= key < stop
    assert (start <= notes.queued_key(other, first) < stop) == (session == other)
    assert (key < notes.queued_key(session, second)) == (first < second)


def test_kinds_do_not_mix_and_sessions_come_first():
    keys = [
        (notes.SESSION, notes.session_key("\U0010ffff")),
        (notes.FILTER, notes.filter_key(2**64 - 1, b"\xff")),
        (notes.INBOUND, notes.inbound_key(1, 1)),
        (notes.PRINTS, notes.prints_key(1, 1)),
        (notes.QUEUED, notes.queued_key(1, 1)),
        (notes.RETAINED, notes.retained_key(b"\xff")),
        (notes.WILL, notes.will_key(1)),
    ]
    assert sorted(key for _, key in keys) == [key for _, key in keys]
    for kind, _ in keys:
        first, stop = notes.range_of(kind)
        assert [each for each, key in keys if first <= key < stop] == [kind]
        assert not first <= notes.TURN_KEY < stop


WILL_EXAMPLE = notes.WillNote(
    EXAMPLE._replace(expires_at_ms=None), "user", True, 5, 9, [(b"name", b"value")]
)
VALUES = [
    (notes.pack_delivery(EXAMPLE, 0), lambda value: notes.unpack_delivery(value, 0)),
    (
        notes.pack_entry(Entry(1, EXAMPLE, 1, (5, 6)), 0),
        lambda value: notes.unpack_entry(1, value, 0),
    ),
    (notes.pack_released(), lambda value: notes.unpack_entry(1, value, 0)),
    (notes.pack_session(notes.SessionNote(1, 2, 3, 4, "user")), notes.unpack_session),
    (notes.pack_will(WILL_EXAMPLE), notes.unpack_will),
    (
        notes.pack_subscription(Subscription(b"f", 1, True, False, 2, 7)),
        lambda value: notes.unpack_subscription(b"f", value),
    ),
    (notes.pack_prints([(1, 2), (3, 4)]), notes.unpack_prints),
    (notes.pack_turn(77), notes.unpack_turn),
    (notes.pack_inbound(), notes.check_inbound),
]


@pytest.mark.parametrize(("value", "unpack"), VALUES)
def test_another_version_is_refused(value, unpack):
    with pytest.raises(ValueError, match="damaged"):
        unpack(b"\2" + value[1:])
    with pytest.raises(ValueError, match="damaged"):
        unpack(b"")


@pytest.mark.parametrize(("value", "unpack"), VALUES)
def test_damage_raises_nothing_but_value_error(value, unpack):
    for end in range(len(value)):
        attempt(unpack, value[:end])
    for at in range(len(value)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF):
            attempt(unpack, value[:at] + bytes((byte,)) + value[at + 1 :])


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, len(VALUES) - 1))
def test_noise_raises_nothing_but_value_error(noise, which):
    attempt(VALUES[which][1], b"\1" + noise)


@pytest.mark.parametrize(
    "split",
    [
        notes.split_session_key,
        notes.split_filter_key,
        notes.split_inbound_key,
        notes.split_prints_key,
        notes.split_queued_key,
        notes.split_retained_key,
        notes.split_will_key,
    ],
)
def test_a_key_of_another_kind_or_length_is_refused(split):
    for key in (b"", b"X", notes.TURN_KEY, b"A\xff", b"F12345678", b"I1", b"P1", b"Q1", b"R", b"W"):
        with pytest.raises(ValueError):
            split(key)


def attempt(unpack, value):
    try:
        unpack(value)
    except ValueError:
        return
