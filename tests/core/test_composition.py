"""A gateway has the parts that its configuration asks for."""

from builders import BOOT_IDENTITY, NOON_MS, arrived, chance, gateway_settings, message
from gateways import gateway, settle
from tidegate.composition import compose
from tidegate.delivery.line import WAITING
from tidegate.effects import Append
from tidegate.events import ClockRead, Gathered, Ticked
from tidegate.gateway import LISTEN
from tidegate.records.record import RETAIN, pack_properties
from tidegate.store.journal import Admitted

SOURCE = {"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["#"], "message_id": "id"}


def admitted(one, medium, *messages, source="source"):
    """Return (lane, count of records) of each lane that something was admitted to."""
    effects = settle(one, Gathered([arrived(messages, source)]), medium)
    entries = []
    for effect in effects:
        if isinstance(effect, Append):
            entries.extend(effect.entries)
    return [(one.lane, len(one.records)) for one in entries if isinstance(one, Admitted)]


def test_lanes_get_the_topics_that_are_theirs():
    one, medium = gateway({"lane": [{"name": "alarm", "topics": ["alarm/#"]}]})
    found = admitted(one, medium, message(1), message(2, b"alarm/a"))
    assert found == [("alarm", 1), ("main", 1)]


def test_a_producers_name_for_a_message_is_looked_for():
    one, medium = gateway({"source": [SOURCE]})
    named = {"properties": pack_properties([(b"id", b"7")]), "identity": b"7"}
    assert admitted(one, medium, message(1, **named)) == [("main", 1)]
    again, _ = gateway({"source": [SOURCE]}, medium)
    assert admitted(again, medium, message(2, **named)) == []


def test_a_retained_state_comes_again_from_brokers_alone():
    one, medium = gateway(sources=("source", LISTEN))
    state = message(1, flags=RETAIN, payload=b"x")
    assert admitted(one, medium, state) == [("main", 1)]
    assert admitted(one, medium, state) == []
    assert admitted(one, medium, state, source=LISTEN) == [("main", 1)]
    assert admitted(one, medium, state, source=LISTEN) == [("main", 1)]


def test_windows_and_budget_bind_the_line():
    one, medium = gateway({"uplink": {"windows": ["22:00-06:00"], "bytes_per_day": 10_000}})
    assert one.line.schedule.has_budget
    settle(one, ClockRead(NOON_MS, 2), medium)
    admitted(one, medium, message(1))
    settle(one, Ticked(), medium, 1000)
    assert one.line.state == WAITING


def test_dates_are_read_in_a_retry_after():
    one, _ = gateway()
    one.line.failed(0, NOON_MS, "status 503", "Thu, 01 Jan 2026 12:01:00 GMT")
    assert one.line.not_before_ms >= 60_000


def test_without_an_uplink_there_is_no_line():
    settings = gateway_settings({"uplink": None})
    assert compose(settings, ["source"], BOOT_IDENTITY, chance()).line is None
