"""A full journal that blocks: what its own pause cuts off comes again, and is admitted once."""

from builders import arrived, message
from gateways import gateway, settle
from scripted import kind_of
from tidegate.effects import Acknowledge, Pause, Resume
from tidegate.events import Gathered, Stored
from tidegate.store.journal import Usage

LIMIT = 1_000_000
BLOCK = {"journal": {"limit_bytes": LIMIT, "reserve_bytes": 0, "overflow": "block"}}


def gather(one, medium, *messages, generation=1):
    return settle(one, Gathered([arrived(messages, generation=generation)]), medium)


def test_what_a_pause_cut_off_is_admitted_once_though_room_came_at_once():
    one, medium = gateway(BLOCK)
    gather(one, medium, message(1))
    # Full, and roomy again, before what the connection had brought meanwhile is looked at.
    assert Pause("source", "the journal is full") in one.handle(Stored(Usage(LIMIT, 1 << 40)), 10)
    assert Resume("source") in one.handle(Stored(Usage(0, 1 << 40)), 11)
    assert gather(one, medium, message(2), message(3)) == []
    # The pause dropped that connection, so the broker sends both again.
    effects = gather(one, medium, message(2), message(3), generation=2)
    assert [kind_of(effect) for effect in effects] == ["Append", "Sync", "Acknowledge"]
    assert effects[-1] == Acknowledge("source", 2, [2, 3])
    assert medium.lanes["main"].last == 3
