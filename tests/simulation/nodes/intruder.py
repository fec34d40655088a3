"""Somebody else with a login of his own, who sends for a node that is not his."""

import json

from simulation.world import BrokenPromiseError
from tidegate.records.clock import SYNCHRONISED, Boot
from tidegate.records.record import Record, fold
from tidegate.records.span import Span
from tidegate.records.stream import Stream
from tidegate.wire.batch import Batch, encode
from tidegate_linux.endpoint.broker.requests import BATCH, QUERY, Place
from tidegate_linux.nodes.machine import RUNNING

OWNER = "somebody-else"


def intrude(world, gateway, board) -> None:
    """Have a batch and a question come in for `board`, if the gateway knows whose that is."""
    process = gateway.process
    if process is None or board.life is None or board.life.log is None:
        return
    node, machine = board.life.gateway.node, process.source.machine
    if not node or machine is None or machine.state != RUNNING:
        return
    if gateway.disk.owners().get(node) != board.owner:
        return  # Not durable yet: whoever comes first after a crash is the owner.
    world.meet("somebody else sends for a node")
    lane = board.life.gateway.lanes[0]
    stream = lane.stream(node)
    for epoch in (stream.epoch, f"{world.chance.getrandbits(64):016x}"):
        body = encode(_batch(Stream(node, epoch, stream.lane)))
        gateway.ask(Place(node, BATCH, 1), body, OWNER, _expect_refusal)
    gateway.ask(Place(node, QUERY, 2), str(stream).encode(), OWNER, _expect_refusal)


def _batch(stream: Stream) -> Batch:
    record = Record(1, 5, b"x/value", b"intruder .", 1, b"")
    boot = Boot(1, "12" * 8, 0, SYNCHRONISED)
    running = fold(0, record)
    span = Span(1, 1, 0, [record], [running], [], [boot], 0)
    return Batch(stream, span, 1, 5)


def _expect_refusal(answer: bytes) -> None:
    """Nothing is taken of him, and nothing told to him."""
    fields = json.loads(answer)
    if fields["status"] not in (403, 503):
        raise BrokenPromiseError(f"owner: somebody else is answered {fields}")
