"""The day's account of bytes, and what the hub asks for, survive failures and restarts."""

from gateways import gateway, settle
from scripted import Medium
from tidegate.effects import Query, Sync
from tidegate.events import Answered, Failed, Recovered, Ticked, Unanswered
from tidegate.store.journal import Spent


def test_bytes_are_counted_though_the_journal_failed_meanwhile():
    one, medium = gateway({"uplink": {"bytes_per_day": 10_000_000}})
    one.handle(Ticked(), 0)
    one.handle(Answered(99, 200, None, None, 100), 1)
    one.handle(Failed("io", "planted"), 2)
    one.handle(Answered(1, 200, None, None, 1000), 3)
    one.handle(Unanswered(2, "timeout", 10_000), 4)
    # What the journal holds of the account is older than what we know.
    settle(one, Recovered(medium.state()), medium)
    assert one.line.schedule.state()[1] == 11_100


def test_who_asks_to_wait_while_the_journal_is_down_is_obeyed_afterwards():
    one, medium = gateway()
    one.handle(Ticked(), 0)
    one.handle(Failed("io", "planted"), 2)
    one.handle(Answered(1, 503, None, "60", 0), 3)
    settle(one, Recovered(medium.state()), medium, 4)
    assert [effect for effect in one.handle(Ticked(), 60_002) if isinstance(effect, Query)] == []
    assert [effect for effect in one.handle(Ticked(), 60_003) if isinstance(effect, Query)]


def test_bytes_sent_in_vain_are_kept_for_the_next_start():
    one, medium = gateway({"uplink": {"bytes_per_day": 10_000_000}})
    one.handle(Ticked(), 0)
    settle(one, Unanswered(1, "timeout", 10_000), medium)
    assert medium.spent.sent_bytes == 10_000


def test_without_a_budget_a_lost_answer_costs_no_commit():
    one, _ = gateway()
    one.handle(Ticked(), 0)
    effects = one.handle(Unanswered(1, "timeout", 10_000), 1)
    assert not [effect for effect in effects if isinstance(effect, Sync)]


def test_a_restart_does_not_renew_the_budget():
    medium = Medium()
    medium.spent = Spent(20_000, 12_345)
    one, _ = gateway({"uplink": {"bytes_per_day": 10_000_000}}, medium)
    assert one.line.schedule.state() == (20_000, 12_345)
