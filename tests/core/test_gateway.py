"""What a gateway makes of events: the order of its effects is the promise."""

from builders import BOOT_IDENTITY, NOON_MS, arrived, message, records
from gateways import gateway, settle
from scripted import Medium, kind_of
from tidegate.effects import Acknowledge, Append, Pause, Query, Report, Resume, Sync
from tidegate.events import (
    Answered,
    ClockRead,
    Failed,
    Gathered,
    Recovered,
    Stored,
    Ticked,
    Unanswered,
)
from tidegate.gateway import REMEASURE_MS
from tidegate.limits import PAYLOAD_BYTES_MAX
from tidegate.records.clock import NO_IDENTITY, SYNCHRONISED, UNKNOWN, Boot
from tidegate.records.record import RETAIN, fold_all, pack_properties
from tidegate.store.journal import OVERFLOW, TOO_LARGE, Admitted, Booted, Dropped, Usage
from tidegate.store.room import KEEP_RECORDS

ALARM = {"name": "alarm", "topics": ["+/alarm"], "urgent": True}
LIMIT = 1_000_000
ROOMY = Usage(0, 1 << 40)
FULL = Usage(LIMIT, 1 << 40)


def kinds(effects):
    return [kind_of(effect) for effect in effects]


def gather(one, medium, *messages, now_ms=0, generation=1):
    return settle(one, Gathered([arrived(messages, generation=generation)]), medium, now_ms)


def test_puback_waits_for_sync():
    one, medium = gateway()
    effects = gather(one, medium, message(1), message(2))
    assert kinds(effects) == ["Append", "Sync", "Acknowledge"]
    assert [kind_of(entry) for entry in effects[0].entries] == ["Admitted"]
    assert effects[2] == Acknowledge("source", 1, [1, 2])


def test_nothing_is_acknowledged_before_everything_is_durable():
    # Several sources, lanes and too large ones: still one commit, and then all acknowledgements.
    one, medium = gateway({"lane": [ALARM]}, sources=("one", "two"))

    class Huge:
        def __len__(self):
            return PAYLOAD_BYTES_MAX + 1

    effects = settle(
        one,
        Gathered(
            [
                arrived([message(1), message(2, b"x/alarm")], "one", 4),
                arrived([message(3), message(4, payload=Huge())], "two", 9),
            ]
        ),
        medium,
    )
    assert kinds(effects) == ["Append", "Sync", "Acknowledge", "Acknowledge", "Report"]
    entries = effects[0].entries
    assert [(kind_of(entry), entry.lane) for entry in entries] == [
        ("Admitted", "alarm"),
        ("Admitted", "main"),
        ("Dropped", "main"),
    ]
    assert effects[2:4] == [Acknowledge("one", 4, [1, 2]), Acknowledge("two", 9, [3, 4])]


def test_two_connections_arrivals_share_one_commit():
    one, medium = gateway(sources=("one", "two"))
    arrivals = [arrived([message(1)], "one"), arrived([message(2)], "two", 3)]
    effects = settle(one, Gathered(arrivals), medium)
    assert kinds(effects) == ["Append", "Sync", "Acknowledge", "Acknowledge"]
    assert [len(entry.records) for entry in effects[0].entries] == [2]


def test_what_is_known_is_acknowledged_without_a_commit():
    one, medium = gateway()
    gather(one, medium, message(1, identity=b"x"), message(2, b"state", flags=RETAIN))
    effects = gather(
        one,
        medium,
        message(3, identity=b"x"),
        message(2, b"state", flags=RETAIN),
        message(4, identity=b"x", token=None),
    )
    assert effects == [Acknowledge("source", 1, [3, 2])]


def test_identities_are_known_again_after_a_start():
    tree = {
        "source": [{"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["#"], "message_id": "id"}]
    }
    one, medium = gateway(tree)
    properties = pack_properties([(b"id", b"x")])
    gather(one, medium, message(1, identity=b"x", properties=properties))
    again, _ = gateway(tree, medium)
    effects = gather(again, medium, message(1, identity=b"x", properties=properties))
    assert effects == [Acknowledge("source", 1, [1])]


def test_the_identity_of_a_failed_commit_is_not_remembered():
    one, medium = gateway()
    one.handle(Gathered([arrived([message(1, identity=b"x")])]), 0)
    one.handle(Failed("io", "planted"), 0)
    settle(one, Recovered(medium.state()), medium)
    effects = gather(one, medium, message(1, identity=b"x"), generation=2)
    assert kinds(effects) == ["Append", "Sync", "Acknowledge"]
    assert medium.lanes["main"].last == 1


def test_what_would_overtake_the_messages_of_a_failed_commit_is_left_out():
    one, medium = gateway()
    one.handle(Gathered([arrived([message(1)])]), 0)
    one.handle(Failed("io", "planted"), 0)
    one.handle(Gathered([arrived([message(2)])]), 0)
    settle(one, Recovered(medium.state()), medium)
    # From the connection that was dropped; the broker sends all three again, in order.
    assert gather(one, medium, message(3)) == []
    assert kinds(gather(one, medium, message(4, token=None))) == ["Append", "Sync"]
    effects = gather(one, medium, message(1), message(2), message(3), generation=2)
    assert effects[-1] == Acknowledge("source", 2, [1, 2, 3])


def test_figures_of_a_failed_commit_are_thrown_away():
    one, medium = gateway()
    gather(one, medium, message(1))
    one.handle(Gathered([arrived([message(2), message(3)])]), 0)
    assert one.lanes[0].last == 3
    one.handle(Failed("io", "planted"), 0)
    settle(one, Recovered(medium.state()), medium)
    assert one.lanes[0].last == 1
    entry = gather(one, medium, message(2), generation=2)[0].entries[0]
    assert isinstance(entry, Admitted)
    assert (entry.first, entry.hashes) == (2, fold_all(medium_hash(medium, 1), entry.records))


def medium_hash(medium, seq):
    return medium.lanes["main"].hash_at(seq)


def test_a_failure_keeps_sources_away_until_there_is_a_journal_again():
    one, medium = gateway(sources=("one", "two"))
    effects = one.handle(Failed("readonly", "planted"), 0)
    assert effects[0] == Report(
        "error", "journal_failed", [("kind", "readonly"), ("detail", "planted")]
    )
    assert [(kind_of(effect), effect.source) for effect in effects[1:]] == [
        ("Pause", "one"),
        ("Pause", "two"),
    ]
    for event in (
        Gathered([arrived([message(1)], "one")]),
        ClockRead(NOON_MS, SYNCHRONISED),
        Answered(1, 200, None, None, 0),
        Unanswered(1, "timeout", 0),
        Ticked(),
    ):
        assert one.handle(event, 5) == [], event
    assert one.deadline_ms(5) is None
    effects = settle(one, Recovered(medium.state()), medium)
    assert kinds(effects) == ["Append", "Sync", "Resume", "Resume"]


def test_a_boot_is_journalled_before_its_records():
    one, medium = gateway()
    assert medium.boots == {1: Boot(1, BOOT_IDENTITY, 0, UNKNOWN)}
    assert gather(one, medium, message(1))[0].entries[0].records[0].boot == 1
    second, _ = gateway(medium=medium, identity="00000000000000b2")
    assert medium.boots[2] == Boot(2, "00000000000000b2", 0, UNKNOWN)
    assert gather(second, medium, message(1))[0].entries[0].records[0].boot == 2
    # The program alone started anew: the boot goes on.
    third, _ = gateway(medium=medium, identity="00000000000000b2")
    assert third.clock.boot.number == 2
    assert NO_IDENTITY not in [boot.identity for boot in medium.boots.values()]


def test_learning_the_time_is_journalled_and_changes_no_hash():
    one, medium = gateway()
    gather(one, medium, message(1), message(2))
    hashes = [row[0] for row in medium.lanes["main"].rows.values()]
    effects = settle(one, ClockRead(NOON_MS + 100, SYNCHRONISED), medium, 100)
    boot = Boot(1, BOOT_IDENTITY, NOON_MS, SYNCHRONISED)
    assert effects[:2] == [Append([Booted(boot)]), Sync()]
    assert medium.boots[1] == boot
    assert one.clock.wall_ms(250) == NOON_MS + 250
    assert [row[0] for row in medium.lanes["main"].rows.values()] == hashes
    assert one.lanes[0].last_hash == medium_hash(medium, 2)
    again = settle(one, ClockRead(NOON_MS + 1100, SYNCHRONISED), medium, 1100)
    assert "Append" not in kinds(again), "an entry each second would wear the card out"


def test_lanes_stand_in_the_order_of_the_configuration():
    low = {"name": "low", "topics": ["low/#"]}
    for lanes, expected in (
        ([], ["main"]),
        ([ALARM], ["alarm", "main"]),
        ([ALARM, {"name": "main"}, low], ["alarm", "main", "low"]),
    ):
        one, _ = gateway({"lane": lanes})
        assert [lane.name for lane in one.lanes] == expected
        assert [sender.lane.name for sender in one.uplink.senders] == expected
        assert [sender.urgent for sender in one.uplink.senders] == [
            name == "alarm" for name in expected
        ]


def test_lanes_that_are_configured_no_longer_are_still_drained():
    medium = Medium(("old", "alarm", "main"))
    old = medium.lanes["old"]
    old.apply(Admitted("old", 1, fold_all(0, records(3)), records(3)))
    one, _ = gateway({"lane": [ALARM]}, medium)
    assert [lane.name for lane in one.lanes] == ["alarm", "main", "old"]
    queries = [effect for effect in one.handle(Ticked(), 0) if isinstance(effect, Query)]
    assert [query.stream.lane for query in queries] == ["alarm", "main", "old"]


def test_a_gateway_without_an_uplink_holds_and_wants_nothing():
    one, medium = gateway({"uplink": None})
    gather(one, medium, message(1))
    assert one.handle(Stored(ROOMY), 0) == []
    assert one.handle(Ticked(), 0) == []
    assert one.deadline_ms(0) is None
    assert one.line is None
    assert one.lanes[0].balance.held == 1


def test_what_the_line_has_to_tell_comes_with_the_effects():
    one, _ = gateway()
    one.handle(Ticked(), 0)
    effects = one.handle(Unanswered(1, "timeout", 10), 5)
    assert Report("warning", "link_down", [("reason", "timeout")]) in effects


def journal(overflow, **changes):
    settings = {"limit_bytes": LIMIT, "reserve_bytes": 0, "overflow": overflow}
    settings.update(changes)
    return {"journal": settings}


def test_a_full_journal_that_blocks_keeps_sources_away_until_a_twentieth_is_free():
    one, medium = gateway(journal("block"))
    gather(one, medium, message(1))
    effects = one.handle(Stored(FULL), 10)
    assert Pause("source", "the journal is full") in effects
    assert ("journal_full", [("overflow", "block")]) in told(effects)
    assert one.shut_reason
    # What still comes in from the connection that is being dropped is nobody's.
    assert one.handle(Gathered([arrived([message(2)])]), 11) == []
    for stored_bytes in (LIMIT, 960_000, 950_001):
        effects = one.handle(Stored(Usage(stored_bytes, 1 << 40)), 12)
        assert not [effect for effect in effects if isinstance(effect, (Pause, Resume, Report))]
    effects = one.handle(Stored(Usage(950_000, 1 << 40)), 13)
    assert Resume("source") in effects
    assert told(effects) == [("journal_has_room", [])]
    effects = gather(one, medium, message(2), generation=2)
    assert kinds(effects) == ["Append", "Sync", "Acknowledge"]


def told(effects):
    return [(effect.event, effect.fields) for effect in effects if isinstance(effect, Report)]


def test_while_sources_are_away_the_room_is_measured_each_second():
    one, _ = gateway(dict(journal("block"), uplink=None))
    one.handle(Stored(FULL), 10)
    for now_ms in (10 + REMEASURE_MS, 10 + 2 * REMEASURE_MS):
        assert one.deadline_ms(now_ms - 500) == now_ms
        assert one.handle(Ticked(), now_ms - 1) == []
        assert one.handle(Ticked(), now_ms) == [Sync()]
        assert one.handle(Stored(FULL), now_ms) == []
    one.handle(Stored(ROOMY), now_ms)
    assert one.deadline_ms(now_ms) is None


def test_a_full_journal_that_drops_the_newest_makes_gaps_and_refuses():
    one, medium = gateway(journal("drop-newest"))
    gather(one, medium, message(1), message(2))
    effects = one.handle(Stored(FULL), 10)
    assert told(effects) == [("journal_full", [("overflow", "drop-newest")])]
    effects = gather(one, medium, message(3), message(4))
    entry = effects[0].entries[0]
    assert entry == Dropped("main", 3, 4, medium_hash(medium, 2), OVERFLOW, False)
    assert kinds(effects) == ["Append", "Sync", "Refuse"]
    # Until a twentieth is free: room for one message is no reason to begin again.
    assert told(one.handle(Stored(Usage(960_000, 1 << 40)), 11)) == []
    assert kind_of(gather(one, medium, message(5))[0].entries[0]) == "Dropped"
    assert told(one.handle(Stored(Usage(940_000, 1 << 40)), 12)) == [("journal_has_room", [])]
    assert kind_of(gather(one, medium, message(6))[0].entries[0]) == "Admitted"
    assert one.lanes[0].balance == (6, 0, 3, 0, {OVERFLOW: 3})
    assert one.lanes[0].balance.holds


def test_a_full_journal_that_drops_the_oldest_takes_the_newest():
    one, medium = gateway(journal("drop-oldest"))
    short = Usage(980_490, 1 << 40)
    gather(one, medium, *[message(number) for number in range(1, 101)])
    effects = settle(one, Stored(short), medium, 10)
    assert told(effects) == [("journal_full", [("overflow", "drop-oldest")])]
    assert kinds(effects)[1:] == ["Append", "Sync"]
    dropped = effects[1].entries[0]
    assert (dropped.first, dropped.reason, dropped.kept) == (1, OVERFLOW, False)
    effects = settle(one, Stored(short), medium, 11)
    assert kinds(effects) == ["Append", "Sync"], "told once, dropped until there is room"
    assert kinds(gather(one, medium, message(101))) == ["Append", "Sync", "Acknowledge"]
    assert one.lanes[0].balance.holds


def test_delivered_records_go_before_anything_held_is_touched():
    one, medium = gateway(journal("drop-oldest"))
    gather(one, medium, *[message(number) for number in range(1, 101)])
    medium.apply(one.lanes[0].release(60, 0))
    effects = settle(one, Stored(FULL), medium, 10)
    assert [kind_of(entry) for entry in effects[0].entries] == ["Forgotten"]
    assert told(effects) == []


def test_too_large_is_counted_acknowledged_told_and_a_gap():
    one, medium = gateway()

    class Huge:
        def __len__(self):
            return PAYLOAD_BYTES_MAX + 1

    effects = gather(one, medium, message(1), message(2, payload=Huge()), message(3))
    assert effects[-2] == Acknowledge("source", 1, [1, 2, 3])
    assert told(effects) == [("messages_too_large", [("lane", "main"), ("count", 1)])]
    assert one.lanes[0].balance == (3, 0, 2, 0, {TOO_LARGE: 1})


def test_the_last_records_stay_while_there_is_room():
    keep = {"journal": {"limit_bytes": 10_000_000, "keep_delivered_bytes": 0}}
    one, _ = gateway(keep)
    lane = one.lanes[0]
    count = KEEP_RECORDS + 100
    lane.admit(records(1) * count)
    lane.release(count, lane.held_bytes)
    one.uplink.senders[0].next = count + 1
    used = Usage(500_000, 1 << 40)
    forgotten = 0
    for _ in range(50):
        effects = one.handle(Stored(used), 0)
        if not effects or not isinstance(effects[0], Append):
            break
        forgotten = effects[0].entries[0].through
    assert forgotten == 100
    # Where room is short they go as well.
    tight = Usage(9_990_000, 1 << 40)
    effects = one.handle(Stored(tight), 0)
    assert effects[0].entries[0].through > 100


def test_what_a_restored_receiver_still_lacks_is_not_forgotten():
    keep = {"journal": {"limit_bytes": 10_000_000, "keep_delivered_bytes": 0}}
    one, _ = gateway(keep)
    lane = one.lanes[0]
    lane.admit(records(1) * (KEEP_RECORDS + 100))
    lane.release(KEEP_RECORDS + 100, lane.held_bytes)
    one.uplink.senders[0].next = 31
    forgotten = 0
    for _ in range(50):
        effects = one.handle(Stored(Usage(500_000, 1 << 40)), 0)
        if not effects or not isinstance(effects[0], Append):
            break
        forgotten = effects[0].entries[0].through
    assert forgotten == 30
