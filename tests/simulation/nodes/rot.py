"""Bits that flip on a board's flash, and what of that the oracle has to excuse."""

from simulation.nodes.flash import Flash
from simulation.nodes.names import uid_of
from tidegate.errors import ProtocolError
from tidegate.store.entry import ADMITTED, read_entry
from tidegate.store.frame import Damage, scan
from tidegate.store.segment import read_segment, segment_seed


def flip(world, oracle, flash: Flash) -> None:
    """Change one bit of what is on the flash."""
    numbers = [number for number, data in sorted(flash.synced.items()) if data]
    if not numbers:
        return
    number = world.chance.choice(numbers)
    data = flash.synced[number]
    at = world.between(0, len(data) - 1)
    _excuse(world, oracle, flash, data, at)
    changed = bytearray(data)
    changed[at] ^= 1 << world.between(0, 7)
    flash.synced[number] = bytes(changed)


def _excuse(world, oracle, flash: Flash, data: bytes, at: int) -> None:
    """One record is lost, or what only a whole segment could tell."""
    uid = _record_at(data, at)
    if uid:
        world.meet("a record on flash rots")
        world.note(f"{uid} rots")
        oracle.excused.add(uid)
        return
    # The end of a group may be gone with its mark, or which streams these were.
    world.meet("more than a record on flash rots")
    world.note("a segment rots")
    flash.is_rotten = True
    oracle.excused.update(flash.names.values())


def _record_at(data: bytes, at: int) -> str:
    """Return the uid of the record whose frame lies at `at`, "" for anything else there."""
    try:
        segment, start = read_segment(data)
    except ProtocolError:
        return ""
    if at < start or not segment.lanes:
        return ""
    for found in scan(data, segment_seed(segment.node, segment.number)):
        if isinstance(found, Damage) or not found.start <= at < found.end:
            continue
        return uid_of(read_entry(found).records[0].payload) if found.kind == ADMITTED else ""
    return ""
