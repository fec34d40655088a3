"""What arrived in the hub's table from MicroPython nodes, held against what these had promised.

Nothing of the product's own arithmetic is used: a record is known by its payload, which names its
topic, the node's run and a number, and the table is read as its owner would.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

PATTERN = bytes(range(256))
# Between reading the clock for the payload and for the record, on a machine with more to do.
LATE_MS = 2000

ROWS = """SELECT stream, seq, coalesce(origin_stream, stream), coalesce(origin_seq, seq),
                 topic, payload, time_ms
          FROM records ORDER BY stream, seq"""

# stream, seq, origin stream, origin seq, topic, payload, time_ms
Row = tuple[str, int, str, int, str, bytes, "int | None"]
Said = dict[str, dict[int, int]]  # Topic -> run -> last number that was promised.


class NodesVerdict(NamedTuple):
    """What became of what nodes put; all but `records` is 0 when the promises hold."""

    records: int
    lost: int  # Promised, and not there.
    foreign: int  # Nobody put that, or it was changed on its way.
    twice: int  # Records of a topic, run and number that was there already.
    same_origin: int  # Records of an origin stream and number that was there already.
    disorders: int  # How often a topic's (run, number) is not the next one.
    holes: int  # Numbers missing in a stream, of the gateway or of a node.
    mistimed: int  # Captured at another time than the payload says.

    @property
    def is_perfect(self) -> bool:
        """Tell whether each record is there, once, in order, unchanged."""
        return self._replace(records=0) == NodesVerdict(0, 0, 0, 0, 0, 0, 0, 0)


def read_payload(data: bytes) -> "tuple[str, int, int, int] | None":
    """Return topic, run, number and the time in ms of what `put_and_say.py` has made."""
    head, _, body = bytes(data).partition(b"\n")
    words = head.split(b" ")
    if len(words) != 4 or not all(word.isdigit() for word in words[1:]):
        return None
    run, number, at_ms = (int(word) for word in words[1:])
    if body != PATTERN[number % 90 :][: number * 37 % 160]:
        return None
    return words[0].decode(errors="replace"), run, number, at_ms


def judge_nodes(rows: "Iterable[Row]", said: Said) -> NodesVerdict:
    """Judge rows sorted by stream and seq, as `ROWS` reads them.

    On a topic of `said` the numbers of a run have no hole either: what `put` stores, it stores with
    all that was put before.
    """
    seen: set[tuple[str, int, int]] = set()
    origins: set[tuple[str, int]] = set()
    last: dict[str, int] = {}
    trail: dict[str, tuple[int, int]] = {}
    records = foreign = twice = same_origin = disorders = holes = mistimed = 0
    for stream, seq, origin_stream, origin_seq, topic, data, time_ms in rows:
        records += 1
        holes += seq - last.get(stream, 0) - 1
        last[stream] = seq
        if origin_stream != stream:
            holes += origin_seq != last.get(origin_stream, 0) + 1
            last[origin_stream] = origin_seq
        same_origin += (origin_stream, origin_seq) in origins
        origins.add((origin_stream, origin_seq))
        read = read_payload(data)
        if read is None or read[0] != topic:
            foreign += 1
            continue
        run, number, at_ms = read[1:]
        before = trail.get(topic, (0, 0))
        follows = before < (run, number)
        if topic in said:
            follows = follows and number == (before[1] + 1 if run == before[0] else 1)
        disorders += not follows
        trail[topic] = (run, number)
        twice += (topic, run, number) in seen
        seen.add((topic, run, number))
        mistimed += time_ms is None or abs(time_ms - at_ms) > LATE_MS
    lost = sum(
        (topic, run, number) not in seen
        for topic, runs in said.items()
        for run, most in runs.items()
        for number in range(1, most + 1)
    )
    return NodesVerdict(records, lost, foreign, twice, same_origin, disorders, holes, mistimed)
