"""What a power cut at this moment would leave of a node: the log is opened once more, on a copy.

It must say of every lane what the running log says, and give every held record back.
"""

from simulation.nodes.flash import FlashMedium
from simulation.nodes.names import uid_of
from simulation.world import BrokenPromiseError
from tidegate.delivery.chance import Chance
from tidegate.records.span import sequence_numbers
from tidegate.records.stream import Stream
from tidegate.store.log import open_log
from tidegate_micropython.shell import BOOTS_MAX

TURNS = 16  # A look each so many turns of a node finds what one each turn would.


class Still:
    """Somebody to whom nothing happens."""

    name = "copy"

    def crash_point(self, site: str) -> None:
        """Live on."""


def check_reopened(life) -> None:
    """Compare a node's log with what is on its flash."""
    flash, world = life.board.flash, life.world
    if flash.is_rotten or not life.gateway.node or life.is_broken:
        return
    plan = life.plan._replace(flash_rate=0, heap_rate=0)
    lanes = [lane.name for lane in plan.settings.lanes]
    medium = FlashMedium(world, Still(), flash.image(), plan)
    log = open_log(medium, lanes, Chance(1), boots_max=BOOTS_MAX)
    state, running = log.recover(), life.log.state()
    if state != running:
        raise BrokenPromiseError(f"P1: {life.name} has {running}, a cut would leave {state}")
    for lane in state.lanes:
        stream = str(Stream(state.node, lane.epoch, lane.lane))
        _check_held(log, lane, stream, flash.names, life.board.oracle)


def _check_held(log, lane, stream: str, names, oracle) -> None:
    """Every held record that did not rot is there, under its name."""
    at = lane.through + 1
    while at <= lane.last:
        span = log.read(lane.lane, at, 100, 1 << 20)
        numbers = sequence_numbers(span.first, span.last, span.gaps)
        for seq, record in zip(numbers, span.records, strict=True):
            if uid_of(record.payload) != names[stream, seq]:
                raise BrokenPromiseError(f"P2: {stream} {seq} is {record}")
        at = span.last + 1
        if span.damaged or span.last < span.first:
            if names[stream, at] not in oracle.excused:
                raise BrokenPromiseError(f"P1: {stream} {at} is not what was put")
            at += 1
