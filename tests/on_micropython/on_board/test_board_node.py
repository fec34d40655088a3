"""A node keeps what it promised: at put, in groups, at the limit, when it runs out of memory."""

import gc
import json

import tidegate_micropython
from fakes import FakeLink, FakeMachine, FakeNetwork, empty_folder
from support import raises
from tidegate.errors import STORAGE_FULL, STORAGE_IO, StorageError
from tidegate_micropython.node import OPEN_FOLDERS

UPLINK = {"type": "http", "url": "http://h", "token": "t" * 16, "batch_age_ms": 0}


def node_of(name, link=None, machine=None, network=None, **tables):
    """Return a node on an existing or a new log, as after a reset."""
    OPEN_FOLDERS.clear()
    journal = {"folder": name, "sync_interval_ms": 60_000}
    journal.update(tables.pop("journal", {}))
    tree = {"journal": journal}
    if link is not None:
        tree["uplink"] = UPLINK
    tree.update(tables)
    make = None if link is None else link.make
    return tidegate_micropython.start(tree, machine or FakeMachine(), network, make)


def held(node):
    return node.status()["backlog"]["records"]


def payloads(node):
    span = node.shell.engine._journal.read("main", 1, 1000, 100_000)
    return [record.payload for record in span.records]


def test_put_is_durable_when_it_returns():
    folder = empty_folder("put")
    node = node_of(folder)
    node.put("greenhouse/1/temp", 21.5)
    node.put("greenhouse/1/door", "open", retain=True, properties=[("unit", "none")])
    # No close: this is what a reset leaves.
    again = node_of(folder)
    assert payloads(again) == [b"21.5", b"open"]
    record = again.shell.engine._journal.read("main", 2, 1, 1000).records[0]
    assert record.topic == b"greenhouse/1/door" and record.flags == 5
    assert record.properties == b"\4\0\4\0unitnone"
    again.close()


def test_what_is_queued_comes_with_the_next_commit_in_its_place():
    folder = empty_folder("nowait")
    node = node_of(folder)
    assert node.put_nowait("a", 1) and node.put_nowait("a", 2)
    assert held(node) == 0
    node.put("a", 3)
    node.put_nowait("a", 4)
    node.sync()
    assert payloads(node_of(folder)) == [b"1", b"2", b"3", b"4"]


def test_a_full_queue_refuses_and_counts():
    node = node_of(empty_folder("queue"), journal={"sync_records": 2})
    taken = [node.put_nowait("a", number) for number in range(10)]
    assert taken == [True] * 8 + [False] * 2
    status = node.status()
    assert status["sources"][0]["refused"] == 2
    assert "2 messages found the queue full" in status["health"]["warnings"]
    node.sync()
    assert held(node) == 8 and node.put_nowait("a", 1)
    large = [node.put_nowait("a", bytes(4000)) for _ in range(3)]
    assert large == [True, True, False]


def test_commits_are_due_by_count_bytes_urgency_and_age():
    node = node_of(
        empty_folder("due"),
        journal={"sync_records": 3},
        lane=[{"name": "alarm", "topics": ["+/alarm"], "urgent": True}],
    )
    source = node.shell.source
    assert source.deadline_ms() is None
    node.put_nowait("a", 1)
    assert source.deadline_ms() >= 60_000
    node.put_nowait("a", 2)
    node.put_nowait("a", 3)
    assert source.deadline_ms() == 0
    node.shell.turn()
    assert held(node) == 3 and source.deadline_ms() is None
    node.put_nowait("a", bytes(4090))
    node.put_nowait("a", bytes(10))
    assert source.deadline_ms() == 0
    node.shell.turn()
    node.put_nowait("pump/alarm", 1)
    assert source.deadline_ms() == 0
    node.close()


def test_records_reach_the_hub_once_and_in_order():
    folder, link = empty_folder("deliver"), FakeLink()
    node = node_of(folder, link)
    for number in range(100):
        node.put_nowait("a", number)
        if number % 30 == 0:
            node.sync()
    assert node.upload(5000) and held(node) == 0
    assert link.hub.payloads == [str(number).encode() for number in range(100)]
    assert link.nodes == [node.status()["node"]]
    status = node.status()
    assert status["link"]["state"] == "up" and status["streams"][0]["delivered"] == 100
    assert status["streams"][0]["balanced"]
    node.close()
    again = node_of(folder, FakeLink(link.hub))
    again.put("a", "last")
    assert again.upload(5000)
    assert len(link.hub.payloads) == 101 and link.hub.payloads[-1] == b"last"


def test_what_an_upload_delivered_is_held_no_more_after_a_reset():
    folder = empty_folder("settled")
    node = node_of(folder, FakeLink())
    node.put("a", 1)
    assert node.upload(5000)
    again = node_of(folder)  # No close, as after a deep sleep; nobody to ask.
    assert held(again) == 0 and again.shell.gateway.lanes[0].balance.delivered == 1
    again.close()


def test_what_was_delivered_is_held_no_more_after_a_close():
    folder = empty_folder("closed")
    node = node_of(folder, FakeLink())
    node.shell.uses_network = True
    node.put("a", 1)
    for _ in range(5):
        node.shell.turn()
    assert held(node) == 0
    node.close()
    again = node_of(folder)
    assert held(again) == 0
    again.close()


def test_a_line_that_is_down_holds_everything():
    link = FakeLink()
    link.is_down = True
    node = node_of(empty_folder("down"), link)
    node.put("a", 1)
    assert not node.upload(300)
    assert held(node) == 1 and node.status()["link"]["state"] == "down"
    link.is_down = False
    assert node.upload(10_000)


def test_without_a_network_the_link_is_left_alone():
    network, link = FakeNetwork(), FakeLink()
    node = node_of(empty_folder("wifi"), link, network=network, wifi={"ssid": "s"})
    node.put("a", 1)
    assert link.hub.queries == 0 and node.status()["link"]["state"] == "connecting"
    network.station.connected = True
    assert node.upload(5000)
    network.station.connected = False
    node.shell.wifi._due_ms = 0
    node.shell.turn()
    node.put("a", 2)
    posts = link.hub.posts
    assert not node.upload(300) and link.hub.posts == posts
    assert "no network" in node.status()["link"]["last_error"]


def test_a_full_log_is_told_to_who_puts():
    small = {"limit_bytes": 16_384, "segment_bytes": 2048, "reserve_bytes": 0}
    for overflow, kind in (("block", STORAGE_FULL), ("drop-newest", STORAGE_FULL)):
        small["overflow"] = overflow
        node = node_of(empty_folder("full"), journal=small)
        with raises(StorageError) as caught:
            for _ in range(100):
                node.put("a", bytes(400))
        assert caught.error.kind == kind, caught.error
        status = node.status()
        assert status["streams"][0]["balanced"] and status["sources"][0]["waiting"] == 0
        dropped = status["streams"][0]["dropped"].get("overflow", 0)
        assert dropped == (1 if overflow == "drop-newest" else 0)
        node.close()


def test_the_oldest_goes_first_by_default():
    small = {"limit_bytes": 16_384, "segment_bytes": 2048, "reserve_bytes": 0}
    node = node_of(empty_folder("oldest"), journal=small)
    for _ in range(100):
        node.put("a", bytes(400))
    stream = node.status()["streams"][0]
    assert stream["admitted"] == 100 and stream["balanced"]
    assert stream["dropped"]["overflow"] > 50 and stream["held"] > 20


def test_a_heap_that_is_full_in_a_turn_loses_nothing():
    link = FakeLink()
    node = node_of(empty_folder("memory"), link)
    node.put("a", 1)
    node.put_nowait("a", 2)
    link.poll_error = MemoryError("planted")
    assert node.upload(10_000)
    assert node.observer.counts["error"] == 1
    link.send_error = MemoryError("planted")
    for number in range(3, 10):
        node.put_nowait("a", number)
    assert node.upload(10_000)
    assert link.hub.payloads == [str(number).encode() for number in range(1, 10)]


def test_a_log_that_cannot_be_opened_is_told_and_tried_again():
    node = node_of("/proc/none/log")
    with raises(StorageError) as caught:
        node.put("a", 1)
    assert caught.error.kind == STORAGE_IO
    status = node.status()
    assert status["journal"]["state"] == "failed" and status["health"]["problems"]
    assert node.put_nowait("a", 2)  # It waits; nobody was told that it is stored.
    with raises(StorageError):
        node.sync()
    node.close()


def test_a_heap_that_is_full_again_and_again_is_told_to_who_puts():
    link = FakeLink()
    node = node_of(empty_folder("memory"), link)
    node.put("a", 1)
    node.upload(1000)
    step, times = node.shell.engine.step, [0]

    def broken(events, now_ms):
        times[0] += 1
        raise MemoryError("planted")

    node.shell.engine.step = broken
    with raises(StorageError):
        node.put("a", 2)
    node.put_nowait("a", 3)
    with raises(StorageError):
        node.sync()
    assert times[0] >= 2
    node.shell.engine.step = step
    assert node.upload(15_000)
    assert link.hub.payloads == [b"1", b"3"]


def test_the_status_has_the_names_of_a_gateways():
    node = node_of(empty_folder("status"), FakeLink())
    node.put("a", 1)
    status = node.status()
    for name in ("node", "name", "version", "taken", "uptime_s", "streams", "backlog", "link"):
        assert name in status, name
    for name in ("sources", "journal", "clock", "health", "board", "wifi", "samplers"):
        assert name in status, name
    assert status["taken"][:2] == "20" and status["taken"][-1] == "Z"
    assert status["backlog"]["records"] == 1 and status["backlog"]["oldest_age_s"] < 5
    assert status["board"]["reset_cause"] == "power on"
    json.dumps(status)


def test_the_health_names_a_target_that_refuses_and_what_was_set_aside():
    folder, link = empty_folder("refused"), FakeLink()
    node = node_of(folder, link)
    assert node.status()["health"] == {"problems": [], "warnings": []}
    link.hub.query = lambda stream, at: (401, {"error": "refused", "detail": "no such token"})
    node.put("a", 1)
    assert not node.upload(300)
    with open(folder + "/00000009.bad", "w") as file:
        file.write("x")
    status = node.status()
    assert status["link"]["state"] == "held"
    [problem], [warning] = status["health"]["problems"], status["health"]["warnings"]
    assert problem == "the target refuses this node: " + status["link"]["last_error"]
    assert warning == "1 damaged files of the log were set aside as *.bad"
    node.close()


def test_a_node_starts_without_the_memory_for_its_log():
    from tidegate_micropython import shell

    def broken(*arguments):
        raise MemoryError("planted")

    open_log, shell.open_log = shell.open_log, broken
    folder = empty_folder("starving")
    node = node_of(folder)
    shell.open_log = open_log
    node.put_nowait("a", 1)
    assert node.status()["journal"]["state"] == "failed"
    assert not node.upload(400)  # It holds what it has, and nothing takes it.
    assert payloads(node) == [b"1"]


def test_a_folder_is_the_log_of_one_node():
    folder = empty_folder("twice")
    node = node_of(folder)
    node.put("a", 1)
    for same in (folder, folder + "/", folder.replace("/twice", "/./twice")):
        with raises(ValueError) as caught:
            tidegate_micropython.start({"journal": {"folder": same}}, FakeMachine())
        assert "close it first" in str(caught.error)
    other = tidegate_micropython.start({"journal": {"folder": empty_folder("other")}})
    other.close()
    node.put("a", 2)
    node.close()
    again = tidegate_micropython.start({"journal": {"folder": folder}}, FakeMachine())
    assert payloads(again) == [b"1", b"2"]
    again.close()


def test_without_umqtt_the_line_is_down_and_the_node_goes_on():
    link = FakeLink()
    node = node_of(empty_folder("no_umqtt"), link)

    def make(node_identity):
        raise ImportError("no module named 'umqtt'")

    node.shell.link._make = make
    node.put("a", 1)
    assert not node.upload(300)
    assert "umqtt.simple is missing: no module" in node.status()["link"]["last_error"]
    node.put("a", 2)
    assert held(node) == 2
    node.close()


def test_a_link_without_memory_costs_a_try_and_not_the_journal():
    link = FakeLink()
    node = node_of(empty_folder("no_link"), link)
    tries = [0]

    def make(node_identity):
        tries[0] += 1
        if tries[0] < 3:
            raise MemoryError("planted")
        return link

    node.shell.link._make = make
    node.put("a", 1)
    assert node.upload(15_000) and tries[0] == 3
    assert node.observer.counts["error"] == 0


def test_garbage_is_collected_before_the_heap_is_full_unless_the_sketch_says_when():
    before = gc.threshold()
    try:
        for own, expected in ((-1, tidegate_micropython.COLLECT_BYTES), (50_000, 50_000)):
            gc.threshold(own)
            node_of(empty_folder("threshold")).close()
            # It is counted in blocks.
            assert 0 <= expected - gc.threshold() < 32, gc.threshold()
    finally:
        gc.threshold(before)
