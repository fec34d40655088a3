"""The inbox between the threads of sources and links and the engine's."""

import threading

from tidegate.events import Answered, Arrived, Message
from tidegate_linux.inbox import MESSAGE_OVERHEAD_BYTES, Inbox


def arrived(count, size=0):
    message = Message(b"t", bytes(size), 1, b"", b"", 1, b"token")
    return Arrived("source", 1, [message] * count, [], None)


def answered(token=1):
    return Answered(token, 200, None, None, 0)


def put_in_thread(inbox, event):
    thread = threading.Thread(target=inbox.put, args=(event,), daemon=True)
    thread.start()
    return thread


def blocks(thread):
    thread.join(0.1)
    return thread.is_alive()


def test_events_come_out_in_the_order_in_which_they_went_in():
    inbox = Inbox()
    events = [arrived(1), answered(), arrived(2)]
    for event in events:
        inbox.put(event)
    assert inbox.take_all(0) == events
    assert inbox.take_all(0) == []


def test_a_full_inbox_holds_the_source_up_until_it_is_emptied():
    for inbox, first, second in (
        (Inbox(messages_max=10), arrived(6), arrived(5)),
        (Inbox(bytes_max=5000), arrived(1, 3000), arrived(1, 2000)),
        (Inbox(bytes_max=2 * MESSAGE_OVERHEAD_BYTES + 2), arrived(2), arrived(1)),
    ):
        inbox.put(first)
        thread = put_in_thread(inbox, second)
        assert blocks(thread)
        assert inbox.take_all(0) == [first]
        thread.join(5)
        assert inbox.take_all(5) == [second]


def test_an_empty_inbox_takes_a_message_of_any_size():
    inbox = Inbox(messages_max=1, bytes_max=10)
    inbox.put(arrived(100, 1000))
    assert len(inbox.take_all(0)) == 1


def test_an_answer_is_never_held_up():
    inbox = Inbox(messages_max=1)
    inbox.put(arrived(1))
    inbox.put(answered())
    assert len(inbox.take_all(0)) == 2


def test_an_arrival_with_a_receipt_is_never_held_up_and_holds_nobody_up():
    inbox = Inbox(messages_max=10)
    turn = Arrived("listen", 1, arrived(20).messages, [], 1)
    for event in (turn, arrived(9), turn):
        inbox.put(event)
    assert len(inbox.take_all(0)) == 3
    assert inbox.messages == 49


def test_stop_lets_everybody_go_and_takes_nothing_more():
    inbox = Inbox(messages_max=1)
    inbox.put(arrived(1))
    waiting = put_in_thread(inbox, arrived(2))
    assert blocks(waiting)
    inbox.stop()
    waiting.join(5)
    assert not waiting.is_alive()
    inbox.put(answered())
    assert inbox.take_all(60) == [arrived(1)]
    assert inbox.take_all(60) == []


def test_take_all_wakes_at_the_first_event_and_at_the_deadline():
    inbox = Inbox()
    assert inbox.take_all(0.01) == []
    thread = put_in_thread(inbox, answered(7))
    assert inbox.take_all(60) == [answered(7)]
    thread.join()


def test_messages_are_counted():
    inbox = Inbox()
    inbox.put(arrived(3, 10))
    assert (inbox.messages, inbox.message_bytes) == (3, 33)
