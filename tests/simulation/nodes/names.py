"""What the oracle calls a record of the gateway: where it comes from, or which gap it tells of."""

from typing import NamedTuple

from simulation.world import BrokenPromiseError
from tidegate.records.origin import GAP_TOPIC, find_origin
from tidegate_hub.origins import read_gap


class Name(NamedTuple):
    """A record has `first == last` and the uid of its message, a gap has a reason instead."""

    stream: str
    first: int
    last: int
    uid: str
    reason: str

    def __str__(self) -> str:
        return f"{self.stream} {self.first} {self.last} {self.uid} {self.reason}"


def uid_of(payload: bytes) -> str:
    """Return the uid of a message."""
    return payload.split(b" ", 1)[0].decode()


def name_of(topic: bytes, payload: bytes, properties: bytes) -> Name:
    """Return the name; a record of the gateway that says none breaks a promise."""
    if topic == GAP_TOPIC:
        gap = read_gap(topic, payload)
        if gap is not None:
            return Name(gap.stream, gap.first, gap.last, "", gap.reason)
    origin = find_origin(properties)
    if origin is None:
        raise BrokenPromiseError(f"origin: {topic!r} {properties!r} does not say where it is from")
    return Name(str(origin.stream), origin.seq, origin.seq, uid_of(payload), "")


def parse_name(text: str) -> Name:
    """Return the name that `text` writes."""
    stream, first, last, uid, reason = text.split(" ", 4)
    return Name(stream, int(first), int(last), uid, reason)
