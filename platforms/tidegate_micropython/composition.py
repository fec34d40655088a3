"""Puts a node together from its settings: of the core, what a node needs of it."""

import os

from tidegate.delivery.chance import Chance
from tidegate.delivery.line import AlwaysOpen, Line
from tidegate.gateway import Gateway
from tidegate.store.samples import Samples
from tidegate_micropython.board import Board
from tidegate_micropython.clock import Clock
from tidegate_micropython.journal import FileMedium, place_of
from tidegate_micropython.link import GuardedLink, make_link
from tidegate_micropython.log import LogObserver
from tidegate_micropython.node import OPEN_FOLDERS, Node
from tidegate_micropython.shell import BOOTS_MAX, Shell
from tidegate_micropython.source import NAME, NodeSource
from tidegate_micropython.wifi import Wifi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.config.node_settings import NodeSettings
    from tidegate.records.filters import FilterMap
    from tidegate.records.stream import Stream

TOPICS_MAX = 32  # Topics whose lane is remembered.


def make_node(settings: "NodeSettings", machine: "Any", network: "Any", make: "Any") -> Node:
    """Return a node that has opened its journal, or goes on trying to.

    Raises `ValueError` where a node of this program has that folder.
    """
    if place_of(settings.journal.folder) in OPEN_FOLDERS:
        raise ValueError(f"{settings.journal.folder}: a node has it open, close it first")
    observer = LogObserver()
    chance = Chance(int.from_bytes(os.urandom(8), "little"))
    board = Board(settings.board, machine)
    clock = Clock(board, settings.board.ntp_host)
    wifi = Wifi(settings.wifi, observer, chance, network)
    observer.report("info", "started", [("board", board.name), ("after", board.reset_cause)])
    link = line = None
    if settings.uplink is not None:
        make = make or make_link
        link = GuardedLink(lambda node: make(settings, node, chance, board.feed, position))
        line = Line(settings.uplink.retry_max_s * 1000, AlwaysOpen(), chance)
        # Plain MQTT has no receiver to ask: what is not in the journal is sent again.
        line.releases_ride = settings.uplink.type != "mqtt-plain"
    lane_of = _lane_of(settings)
    gateway = Gateway(settings, [NAME], clock.identity, chance, Samples(lane_of), line, BOOTS_MAX)
    urgent = [lane.name for lane in settings.lanes if lane.urgent]
    source = NodeSource(settings.journal, lane_of, urgent)

    def position(stream: "Stream") -> "tuple[int, int]":
        """Return how far a stream was delivered, and its running hash there, 0 if unknown."""
        lane = next(lane for lane in gateway.lanes if lane.name == stream.lane)
        hash_at = shell.engine.hash_at(lane.name, lane.through, clock.now_ms())
        return lane.through, hash_at or 0

    def open_medium(ballast_bytes: int) -> FileMedium:
        journal = settings.journal
        return FileMedium(journal.folder, ballast_bytes, journal.reserve_bytes)

    shell = Shell(
        settings, source, gateway, clock, board, wifi, open_medium, link, observer, chance
    )
    node = Node(settings, shell, clock, board, observer)
    shell.start()
    return node


def _lane_of(settings: "NodeSettings") -> "FilterMap | None":
    """Return which topic goes into which lane, None where there is but one."""
    if len(settings.lanes) == 1:
        return None
    from tidegate.records.filters import FilterMap

    pairs = [(topic.encode(), lane.name) for lane in settings.lanes for topic in lane.topics]
    return FilterMap(pairs, TOPICS_MAX)
