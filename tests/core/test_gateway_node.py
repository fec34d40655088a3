"""A node's gateway: the same machine without the parts that a node has no use for."""

from builders import BOOT_IDENTITY, arrived, chance, gateway_settings, message
from scripted import Medium, ScriptedLink, ScriptedObserver, ScriptedSource
from scripted_hub import ScriptedHub
from tidegate.delivery.line import AlwaysOpen, Line
from tidegate.engine import Engine
from tidegate.events import Answered
from tidegate.gateway import Gateway
from tidegate.records.clock import Boot
from tidegate.store.samples import Samples

BOOTS_MAX = 4


class Node:
    """An engine with scripted ports, composed as a node's is."""

    def __init__(self, medium, hub=None, rides=False):
        settings = gateway_settings(
            {"uplink": {"batch_age_ms": 0}, "journal": {"keep_delivered_bytes": 100_000}}
        )
        self.log = medium.log
        self.link = ScriptedLink(self.log)
        self.hub = hub or ScriptedHub()
        line = Line(settings.uplink.retry_max_s * 1000, AlwaysOpen(), chance())
        line.releases_ride = rides
        self.limit_bytes = settings.journal.limit_bytes
        self.gateway = Gateway(
            settings, ["node"], BOOT_IDENTITY, chance(), Samples(), line, BOOTS_MAX
        )
        sources = [ScriptedSource(self.log, "node")]
        observer = ScriptedObserver(self.log)
        self.engine = Engine(self.gateway, medium.open, sources, self.link, observer)
        self.engine.start(lambda event: None, 0)

    def answer(self):
        """Answer the one request there is."""
        request = self.link.requests.pop(0)
        if len(request) == 3:
            status, fields = self.hub.query(request[1], request[2])
        else:
            status, fields = self.hub.receive(request[1])
        self.engine.step([Answered(request[0], status, fields, None, 100)], 0)


def test_samples_are_acknowledged_behind_the_sync_and_delivered_once():
    node = Node(Medium())
    node.answer()
    node.log[:] = []
    node.engine.step([arrived([message(1), message(2)], "node")], 0)
    assert node.log[:3] == [
        ("append", "Admitted"),
        ("sync",),
        ("acknowledge", "node", 1, [1, 2]),
    ]
    assert node.log[3:] == [("read", "main", 1), ("send", "main", 1, 2)]
    node.log[:] = []
    node.answer()
    # No account of bytes beside it: nobody reads one, and flash wears out.
    assert node.log == [("append", "Released"), ("sync",)]
    assert node.hub.payloads == [b"1", b"2"]


def delivering(medium, rides=True):
    """Return a node that has stored two records and waits for the answer to them."""
    node = Node(medium, rides=rides)
    node.answer()
    node.engine.step([arrived([message(1), message(2)], "node")], 0)
    node.log[:] = []
    return node


def test_releases_ride_with_the_next_commit_where_the_receiver_can_be_asked():
    node = delivering(Medium())
    node.answer()
    assert node.log == [("append", "Released")]
    node.log[:] = []
    node.engine.step([arrived([message(3)], "node")], 0)
    assert node.log[:2] == [("append", "Admitted"), ("sync",)]
    assert node.gateway.lanes[0].balance.delivered == 2
    assert node.log[-1] == ("send", "main", 3, 3)


def test_a_release_that_a_crash_took_is_found_out_by_asking():
    medium = Medium()
    node = delivering(medium)
    node.answer()
    again = Node(medium, node.hub, rides=True)
    assert again.gateway.lanes[0].balance.held == 2
    again.answer()
    assert again.gateway.lanes[0].balance == (2, 2, 0, 0, {})
    assert again.hub.payloads == [b"1", b"2"] and again.hub.posts == 1


def test_what_rides_is_durable_once_the_engine_has_settled():
    medium = Medium()
    node = delivering(medium)
    node.answer()
    node.engine.settle(0)
    assert medium.lanes["main"].through == 2


def test_where_room_is_short_nothing_that_frees_some_waits():
    medium = Medium()
    node = delivering(medium)
    medium.foreign_bytes = node.limit_bytes
    node.engine.step([arrived([message(3)], "node")], 0)
    node.log[:] = []
    node.answer()
    assert node.log[:2] == [("append", "Released"), ("sync",)]


def test_what_is_kept_no_longer_rides_as_well():
    medium = Medium()
    lane = medium.lanes["main"]
    lane.last = lane.through = lane.delivered = 10_000
    medium.foreign_bytes = 300_000
    node = Node(medium, rides=True)
    assert ("append", "Forgotten") in node.log
    at = node.log.index(("append", "Forgotten"))
    assert ("sync",) not in node.log[at:]


def test_no_more_boots_are_remembered_than_the_node_has_room_for():
    medium = Medium()
    medium.boots = {number: Boot(number, f"{number:016x}", 0, 0) for number in range(1, 20)}
    clock = Node(medium).gateway.clock
    assert len(clock.boots) == BOOTS_MAX
    assert clock.boot.number == 20
