"""Outbox: order, limits, packet ids and what is sent again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate_linux.endpoint.broker.delivery import Delivery, size_of
from tidegate_linux.endpoint.broker.limits import PACKET_IDS, WINDOW_BYTES, WINDOW_ENTRIES
from tidegate_linux.endpoint.broker.outbox import (
    EXPIRED,
    FULL,
    RELEASED,
    SENT,
    Entry,
    Outbox,
    packet_id_of,
    released,
)


def delivery(payload=b"x", expires_at_ms=None):
    return Delivery(b"t", payload, 2, False, b"", expires_at_ms, "publisher")


def box(is_kept=False, messages_max=10_000, bytes_max=100_000_000, next_number=0):
    return Outbox(is_kept, messages_max, bytes_max, next_number)


def fill(queue, count, qos=1, payload=b"x"):
    return [queue.offer(delivery(payload), qos, ()) for _ in range(count)]


def numbers(entries):
    return [entry.number for entry in entries]


def again(entry):
    """Return what a note would give back."""
    return Entry(entry.number, entry.delivery, entry.qos, entry.identifiers)


def test_entries_leave_in_their_order_as_the_window_allows():
    queue = box()
    fill(queue, 5)
    assert numbers(queue.next_sendable(2, 0)) == [0, 1]
    assert queue.next_sendable(2, 0) == []
    assert queue.acknowledged(2).number == 1
    assert numbers(queue.next_sendable(2, 0)) == [2]
    assert (queue.count, queue.in_flight) == (4, 2)


def test_packet_ids_run_from_one_to_the_last_and_begin_again():
    assert packet_id_of(0) == 1
    assert packet_id_of(PACKET_IDS - 1) == PACKET_IDS
    assert packet_id_of(PACKET_IDS) == 1


def test_an_acknowledgement_that_does_not_fit_changes_nothing():
    queue = box()
    queue.offer(delivery(), 1, ())
    queue.offer(delivery(), 2, ())
    queue.offer(delivery(), 1, ())
    queue.next_sendable(2, 0)
    assert queue.acknowledged(9) is None
    assert queue.acknowledged(3) is None  # Not sent yet.
    assert queue.acknowledged(2) is None  # QoS 2.
    assert queue.received(1) is None  # QoS 1.
    assert queue.completed(2) is None  # No PUBREC came.
    assert queue.count == 3
    assert queue.acknowledged(1)
    assert queue.acknowledged(1) is None


def test_qos_2_goes_through_both_rounds():
    """[MQTT-4.3.3-6]"""
    queue = box()
    entry = queue.offer(delivery(b"long" * 1000), 2, (7,))
    queue.next_sendable(10, 0)
    assert queue.received(1) is entry
    assert entry.state == RELEASED
    assert entry.delivery.payload == b""
    assert queue.received(1) is entry  # PUBREC again: PUBREL again.
    assert queue.rejected(1) is None
    assert queue.in_flight == 1
    assert queue.completed(1) is entry
    assert (queue.count, queue.total_bytes, queue.in_flight) == (0, 0, 0)


def test_a_refused_qos_2_is_done():
    queue = box()
    entry = queue.offer(delivery(), 2, ())
    queue.next_sendable(10, 0)
    assert queue.rejected(1) is entry
    assert (queue.count, queue.total_bytes) == (0, 0)


def test_a_new_connection_sends_again_in_the_old_order_with_dup():
    """[MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1]"""
    queue = box()
    fill(queue, 6, qos=2)
    queue.next_sendable(4, 0)
    queue.received(2)
    queue.rewind()
    assert numbers(queue.resumed()) == [1]
    assert queue.resumed()[0].state == RELEASED
    first = queue.next_sendable(3, 0)  # A smaller window than before: [MQTT-3.3.4-9].
    assert [(entry.number, entry.is_again, entry.state) for entry in first] == [
        (0, True, SENT),
        (2, True, SENT),
    ]
    queue.completed(2)
    assert numbers(queue.next_sendable(3, 0)) == [3]
    for packet_id in (1, 3, 4):
        queue.rejected(packet_id)
    assert [(entry.number, entry.is_again) for entry in queue.next_sendable(3, 0)] == [
        (4, False),
        (5, False),
    ]


def test_a_connection_that_breaks_twice_keeps_the_order():
    queue = box()
    fill(queue, 6)
    queue.next_sendable(4, 0)
    queue.resumed()
    queue.next_sendable(2, 0)
    queue.resumed()
    assert numbers(queue.next_sendable(10, 0)) == [0, 1, 2, 3, 4, 5]


def test_the_oldest_that_was_never_sent_makes_room():
    queue = box(messages_max=4)
    fill(queue, 4)
    queue.next_sendable(2, 0)
    assert queue.offer(delivery(), 1, ()).number == 4
    assert [(each.entry.number, each.reason) for each in queue.take_dropped()] == [(2, FULL)]
    assert queue.take_dropped() == []
    assert queue.count == 4


def test_what_was_sent_is_never_dropped_not_even_after_a_reconnection():
    queue = box(messages_max=3)
    fill(queue, 3)
    queue.next_sendable(3, 0)
    assert queue.offer(delivery(), 1, ()) is None
    queue.rewind()
    assert queue.offer(delivery(), 1, ()) is None
    assert queue.take_dropped() == []
    assert numbers(queue.next_sendable(9, 0)) == [0, 1, 2]


def test_bytes_are_limited_as_well():
    size = size_of(delivery(b"x" * 100))
    queue = box(bytes_max=3 * size)
    fill(queue, 5, payload=b"x" * 100)
    assert numbers(each.entry for each in queue.take_dropped()) == [0, 1]
    assert queue.total_bytes == 3 * size
    assert queue.offer(delivery(b"x" * 4 * size), 1, ()) is None
    assert queue.count == 3  # Nothing was dropped for what has no room anyway.


def test_an_expired_message_is_not_sent_but_one_that_was_sent_stays():
    """[MQTT-3.3.2-5]"""
    queue = box()
    for expires_at_ms in (100, 100, None, 100):
        queue.offer(delivery(expires_at_ms=expires_at_ms), 1, ())
    queue.next_sendable(1, 0)
    assert numbers(queue.next_sendable(9, 100)) == [2]
    assert [(each.entry.number, each.reason) for each in queue.take_dropped()] == [
        (1, EXPIRED),
        (3, EXPIRED),
    ]
    queue.resumed()
    assert numbers(queue.next_sendable(9, 200)) == [0, 2]


def test_expired_messages_are_dropped_while_nobody_is_connected():
    queue = box()
    for expires_at_ms in (100, None, 50):
        queue.offer(delivery(expires_at_ms=expires_at_ms), 1, ())
    queue.expire(49)
    assert queue.take_dropped() == []
    queue.expire(50)
    assert numbers(each.entry for each in queue.take_dropped()) == [2]
    queue.expire(1000)
    assert numbers(queue.next_sendable(9, 1000)) == [1]


def test_a_packet_id_that_is_never_acknowledged_is_not_given_again():
    """[MQTT-2.2.1-4]"""
    queue = box()
    fill(queue, 2)
    queue.next_sendable(2, 0)
    queue.acknowledged(2)
    queue.next_number = PACKET_IDS
    assert queue.offer(delivery(), 1, ()).packet_id == 2


def test_a_kept_session_has_no_more_than_a_window_in_memory():
    queue = box(is_kept=True)
    fill(queue, 3 * WINDOW_ENTRIES)
    assert queue.count == 3 * WINDOW_ENTRIES
    assert len(queue._ahead) == WINDOW_ENTRIES
    assert queue.wanted() is None
    assert len(queue.next_sendable(1000, 0)) == WINDOW_ENTRIES
    assert queue.next_sendable(1000, 0) == []
    assert queue.wanted() == (WINDOW_ENTRIES, WINDOW_ENTRIES)


def test_large_messages_of_a_kept_session_wait_outside_too():
    queue = box(is_kept=True)
    fill(queue, 20, payload=b"x" * 100_000)
    assert queue._ahead_bytes < WINDOW_BYTES + 101_000
    assert len(queue.next_sendable(1000, 0)) == 3
    first, count = queue.wanted()
    assert first == 3
    assert 1 <= count <= 3


def test_what_is_read_back_goes_on_where_memory_ended():
    queue = box(is_kept=True)
    entries = fill(queue, 1000)
    total = queue.total_bytes
    queue.next_sendable(1000, 0)
    first, count = queue.wanted()
    queue.refill([again(entry) for entry in entries[first - 5 : first + count + 50]])
    assert (queue.count, queue.total_bytes) == (1000, total)
    for packet_id in range(1, WINDOW_ENTRIES + 1):
        queue.acknowledged(packet_id)
    assert numbers(queue.next_sendable(1000, 0)) == list(range(256, 512))
    assert queue.wanted()[0] == 512


def test_the_end_of_the_tail_is_the_end_of_reading_back():
    queue = box(is_kept=True)
    entries = fill(queue, WINDOW_ENTRIES + 2)
    queue.next_sendable(1000, 0)
    queue.refill([again(entry) for entry in entries[WINDOW_ENTRIES:]])
    assert queue.wanted() is None
    later = queue.offer(delivery(), 1, ())
    assert queue._ahead[-1] is later


def test_damaged_and_vanished_notes_are_given_up():
    queue = box(is_kept=True)
    entries = fill(queue, WINDOW_ENTRIES + 10)
    queue.next_sendable(1000, 0)
    first, _ = queue.wanted()
    assert queue.lost(first)
    assert not queue.lost(first)
    assert not queue.lost(0)
    queue.refill([again(entries[first + 1])])
    assert queue.forget_tail() == 8
    assert queue.wanted() is None
    assert queue.total_bytes == sum(entry.size_bytes for entry in (*entries[:256], entries[257]))


def test_a_full_kept_queue_drops_from_memory_and_reads_on():
    queue = box(is_kept=True, messages_max=1000)
    fill(queue, 1200)
    dropped = numbers(each.entry for each in queue.take_dropped())
    assert dropped == list(range(200))
    assert queue.count == 1000
    assert queue.wanted()[0] == WINDOW_ENTRIES


def test_every_live_number_is_named_so_that_its_note_can_go():
    queue = box(is_kept=True)
    fill(queue, 600)
    queue.next_sendable(10, 0)
    queue.acknowledged(1)
    queue.rewind()
    assert sorted(queue.live_numbers()) == list(range(1, 600))


def test_a_start_restores_the_queue_and_takes_the_first_for_sent():
    queue = box(is_kept=True)
    queue.restore(released(70), 2)
    for number in (71, 75, 76):
        queue.restore(Entry(number, delivery(), 1, ()), 3)
    assert numbers(queue.resumed()) == [70]
    sent = queue.next_sendable(9, 0)
    assert [(entry.number, entry.is_again) for entry in sent] == [
        (71, True),
        (75, True),
        (76, False),
    ]
    assert queue.offer(delivery(), 1, ()).number == 77
    assert queue.completed(71).number == 70


def test_a_start_with_a_long_queue_takes_no_more_memory_than_before():
    queue = box(is_kept=True)
    for number in range(2000):
        queue.restore(Entry(number, delivery(b"x" * 10_000), 1, ()))
    assert queue.count == 2000
    assert sum(map(len, (queue._again, queue._ahead))) < 60
    assert queue.total_bytes == 2000 * size_of(delivery(b"x" * 10_000))


def test_qos_0_is_not_queued():
    with pytest.raises(AssertionError):
        box().offer(delivery(), 0, ())


OPERATION = st.tuples(
    st.sampled_from(
        ["offer", "offer", "offer", "send", "ack", "ack", "resume", "expire", "refill"]
    ),
    st.integers(0, 400),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(OPERATION, max_size=60), st.booleans())
def test_whatever_happens_the_books_are_right(operations, is_kept):
    queue, notes, flight, last_first = box(is_kept, 600, 10**9), {}, {}, -1
    for what, value in operations:
        if what == "offer":
            for _ in range(value):
                entry = queue.offer(delivery(expires_at_ms=value * 10), 1 + value % 2, ())
                if entry is not None:
                    notes[entry.number] = again(entry)
        elif what == "send":
            for entry in queue.next_sendable(1 + value, value):
                assert entry.is_again or entry.number > last_first
                last_first = max(last_first, entry.number)
                assert entry.packet_id not in flight
                flight[entry.packet_id] = entry
            assert len(flight) == queue.in_flight
        elif what == "ack":
            for packet_id in list(flight)[value % 7 :: 2]:
                entry = flight[packet_id]
                if entry.qos == 1:
                    assert queue.acknowledged(packet_id) is entry
                elif value % 3 == 0 and entry.state == SENT:
                    assert queue.rejected(packet_id) is entry
                else:
                    assert queue.received(packet_id) is entry
                    if value % 3 == 1:
                        continue
                    assert queue.completed(packet_id) is entry
                del notes[entry.number], flight[packet_id]
        elif what == "resume":
            flight = {entry.packet_id: entry for entry in queue.resumed()}
        elif what == "expire":
            queue.expire(value)
        elif queue.wanted() is not None:
            first, count = queue.wanted()
            live = sorted(number for number in notes if number >= first)[:count]
            queue.refill([notes[number] for number in live])
        for each in queue.take_dropped():
            del notes[each.entry.number]
        assert queue.count == len(notes)
        assert set(notes) <= set(queue.live_numbers())
    memory = [*queue._flight.values(), *queue._again, *queue._ahead]
    assert queue.total_bytes == sum(entry.size_bytes for entry in memory) + queue._tail_bytes
    assert queue._ids == {entry.packet_id for entry in memory}
