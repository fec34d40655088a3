"""A span: the contiguous part `first..last` of one stream, as a journal reads and a batch carries.

Every sequence number of the span either has a record or lies in a gap.  Gaps are sorted and do not
overlap.  The running hash is verified record by record; a gap re-anchors it, because what was
dropped can no longer be hashed.
"""

from collections import namedtuple

from tidegate.limits import BATCH_BOOTS_MAX, BATCH_GAPS_MAX, REASON_BYTES_MAX
from tidegate.records.clock import forgotten_boot
from tidegate.records.record import fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.records.clock import Boot
    from tidegate.records.record import Record


class Gap(namedtuple("Gap", ("first", "last", "hash_at", "reason"))):
    """Sequence numbers that have no record any more; `hash_at` is the running hash at `last`."""

    __slots__ = ()
    first: int
    last: int
    hash_at: int
    reason: str


class Span(
    namedtuple(
        "Span", ("first", "last", "hash_before", "records", "hashes", "gaps", "boots", "damaged")
    )
):
    """Records and gaps of `first..last`; empty when `last < first`.

    `hash_before` is the running hash at `first - 1`, or 0 where the span opens with a gap, which
    needs none.  `hashes[i]` is the running hash after `records[i]`.  `boots` are those that the
    records name.  `damaged` is the sequence number of a record that stands right behind the span
    and whose bytes are not what was admitted, or 0.
    """

    __slots__ = ()
    first: int
    last: int
    hash_before: int
    records: "list[Record]"
    hashes: "list[int]"
    gaps: "list[Gap]"
    boots: "list[Boot]"
    damaged: int

    @property
    def hash_after(self) -> int:
        """Return the running hash at `last`."""
        if self.gaps and self.gaps[-1].last == self.last:
            return self.gaps[-1].hash_at
        return self.hashes[-1] if self.hashes else self.hash_before


def reason_text(text: str) -> str:
    """Return `text` as a gap can carry it: one printable line, short enough.

    Part of a reason may be what a server answered; it ends up in logs and on terminals.
    """
    letters = []
    room_bytes = REASON_BYTES_MAX
    for letter in text:
        code = ord(letter)
        control = code < 0x20 or 0x7F <= code < 0xA0 or 0x2028 <= code <= 0x2029
        if control or 0xD800 <= code <= 0xDFFF:  # A surrogate cannot be encoded.
            letter, code = "?", 0x3F
        room_bytes -= 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
        if room_bytes < 0:
            break
        letters.append(letter)
    return "".join(letters)


def sequence_numbers(first: int, last: int, gaps: "Iterable[Gap]") -> "list[int]":
    """Return the numbers in `first..last` that lie in none of the sorted `gaps`."""
    numbers: list[int] = []
    at = first
    for gap in gaps:
        numbers.extend(range(at, gap.first))
        at = gap.last + 1
    numbers.extend(range(at, last + 1))
    return numbers


def assemble(
    first: int,
    hash_before: int,
    rows: "Iterable[tuple[int, int, Record]]",
    gaps: "list[Gap]",
    boots: "dict[int, Boot]",
) -> Span:
    """Build the span that starts at `first` from what a journal stores, verifying every record.

    `rows` are (seq, stored running hash, record) in order; `gaps` are sorted, none ends before
    `first`; `rows` may stop early, but not before the first one there is.  The span ends where a
    batch can hold no more boots or gaps, where rows and gaps no longer join up, or before the first
    row whose bytes do not give the stored hash: that number is then `damaged`.  Of a boot that is
    not among `boots` only the wall time is lost.
    """
    records: list[Record] = []
    hashes: list[int] = []
    used_gaps: list[Gap] = []
    used_boots: set[int] = set()
    at, running, damaged, waiting = first, hash_before, 0, list(gaps)

    def skip_gaps() -> None:
        nonlocal at, running
        while waiting and waiting[0].first <= at and len(used_gaps) < BATCH_GAPS_MAX:
            gap = waiting.pop(0)
            used_gaps.append(Gap(at, gap.last, gap.hash_at, gap.reason))
            at, running = gap.last + 1, gap.hash_at

    skip_gaps()
    for seq, stored, record in rows:
        if seq < at:
            continue  # A stray row inside a gap: the place it was moved from is found empty below.
        boots_full = record.boot not in used_boots and len(used_boots) == BATCH_BOOTS_MAX
        if boots_full or (waiting and waiting[0].first <= at):
            break
        # Another number: bit rot may hit a key as well as a payload, and no gap explains the hole.
        if seq != at or fold(running, record) != stored:
            damaged = at
            break
        records.append(record)
        hashes.append(stored)
        used_boots.add(record.boot)
        at, running = seq + 1, stored
        if waiting:
            skip_gaps()
    if at == first and waiting and not damaged:
        # No row at all from here to the next gap: they are gone, and a reader would wait for ever.
        damaged = at
    sorted_boots = [boots.get(number) or forgotten_boot(number) for number in sorted(used_boots)]
    return Span(first, at - 1, hash_before, records, hashes, used_gaps, sorted_boots, damaged)
