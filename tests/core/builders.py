"""Short ways to settings, messages, lanes and answers. Runs on CPython and MicroPython."""

import sys

import tidegate
from tidegate.delivery.chance import Chance
from tidegate.events import Arrived, Message
from tidegate.records.record import Record
from tidegate.store.journal import LaneState
from tidegate.store.lane import Lane

NODE = "00c0ffee00c0ffee"
EPOCH = "0000000000000001"
BOOT_IDENTITY = "0123456789abcdef"
NOON_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC.


def gateway_settings(tree=None):
    """Return a gateway's settings: one source, an uplink, and what `tree` says besides or instead.

    `tree` has the form of a configuration file; a table in it is merged key by key, and `None`
    leaves a table out.
    """
    whole = {
        "source": [{"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["#"]}],
        "uplink": {
            "type": "http",
            "url": "http://127.0.0.1:8080",
            "token": "0123456789abcdef",
            "batch_age_ms": 200,
        },
    }
    for name, value in (tree or {}).items():
        if value is None:
            del whole[name]
        elif name in whole and isinstance(value, dict):
            whole[name] = dict(whole[name])
            whole[name].update(value)
        else:
            whole[name] = value
    return _read(whole)


def _read(tree):
    """Return the settings in `tree`; on MicroPython the reader is then out of memory again.

    It takes more than half of the heap that the tests of the core have there.
    """
    from tidegate.config.reading.gateway_reader import read_gateway

    settings = read_gateway(tree)
    if sys.implementation.name == "micropython":
        del read_gateway, tidegate.config
        for name in [name for name in sys.modules if name.startswith("tidegate.config")]:
            del sys.modules[name]
    return settings


def uplink_settings(**changes):
    """Return an uplink's settings."""
    return gateway_settings({"uplink": changes}).uplink


def journal_settings(**changes):
    """Return a journal's settings."""
    return gateway_settings({"journal": changes}).journal


def chance(seed=1):
    """Return chances that are the same in every run."""
    return Chance(seed)


def record_of(number, payload=b"", topic=b"site/a", boot=1):
    """Return a record that differs from every other number's."""
    return Record(boot, number, topic, payload or str(number).encode(), 1, b"")


def records(count, first=1):
    """Return `count` records."""
    return [record_of(number) for number in range(first, first + count)]


def message(number, topic=b"site/a", **changes):
    """Return a message with token `number`, and what `changes` say instead."""
    fields = {
        "topic": topic,
        "payload": str(number).encode(),
        "flags": 1,
        "properties": b"",
        "identity": b"",
        "ticks_ms": number,
        "token": number,
    }
    fields.update(changes)
    names = ("topic", "payload", "flags", "properties", "identity", "ticks_ms", "token")
    return Message(*[fields[name] for name in names])


def arrived(messages, source="source", generation=1, notes=(), receipt=None):
    """Return what a source delivers."""
    return Arrived(source, generation, list(messages), list(notes), receipt)


def lane_state(name="main", epoch=EPOCH):
    """Return a lane as a fresh journal holds it."""
    return LaneState(name, epoch, 0, 0, 0, 0, 0, 0, {}, [], 0, 0)


def lane_with(count, name="main"):
    """Return a lane that has admitted `count` records, and these."""
    lane = Lane(lane_state(name))
    admitted = records(count)
    if admitted:
        lane.admit(admitted)
    return lane, admitted
