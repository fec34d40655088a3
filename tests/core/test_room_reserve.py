"""Below the reserve of the medium the journal keeps what it has, however often it is started."""

from builders import arrived, message
from gateways import gateway, settle
from tidegate.events import Gathered, Stored
from tidegate.store.journal import OVERFLOW, Usage

OLDEST = {"journal": {"limit_bytes": 1 << 30, "reserve_bytes": 1000, "overflow": "drop-oldest"}}
FREE = 999  # Less than the reserve.


def dropped(one):
    return one.lanes[0].balance.dropped.get(OVERFLOW, 0)


def stored(one, medium, stored_bytes):
    settle(one, Stored(Usage(stored_bytes, FREE)), medium)


def test_a_start_below_the_reserve_drops_nothing_that_is_held():
    one, medium = gateway(OLDEST)
    settle(one, Gathered([arrived([message(number) for number in range(1, 1001)])]), medium)
    for _ in range(10):
        one, _ = gateway(OLDEST, medium)
        stored(one, medium, 1_000_000)
        stored(one, medium, 1_000_000)
        assert dropped(one) == 0


def test_below_the_reserve_the_oldest_give_way_to_what_comes():
    one, medium = gateway(OLDEST)
    settle(one, Gathered([arrived([message(number) for number in range(1, 1001)])]), medium)
    stored(one, medium, 1_000_000)
    assert dropped(one) == 0
    stored(one, medium, 1_030_000)
    assert 0 < dropped(one) < 1000
