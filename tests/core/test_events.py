"""Events and effects exist on both Pythons, those without fields too."""

from tidegate import effects, events


def fields_of(kind, count):
    return kind(*range(count))


def test_events_carry_what_their_names_say():
    assert events.Ticked() == ()
    assert isinstance(events.Ticked(), events.Ticked)
    message = fields_of(events.Message, 7)
    assert (message.topic, message.identity, message.token) == (0, 4, 6)
    arrived = fields_of(events.Arrived, 5)
    assert (arrived.messages, arrived.notes, arrived.receipt) == (2, 3, 4)
    assert fields_of(events.Sought, 5).stop == 3
    assert fields_of(events.Located, 3).hash_at == 2


def test_effects_carry_what_their_names_say():
    # Tuples without fields are equal: whoever runs effects asks for the type, not for the value.
    assert effects.Sync() == ()
    assert isinstance(effects.Sync(), effects.Sync)
    assert not isinstance(effects.Sync(), events.Ticked)
    assert fields_of(effects.Acknowledge, 3).tokens == 2
    assert fields_of(effects.Refuse, 4).reason == 3
    assert fields_of(effects.Seek, 5).first == 2
    assert fields_of(effects.Fetch, 4).bytes_max == 3
