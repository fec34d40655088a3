"""What arrived in the hub's table, held against what publishers had acknowledged.

Nothing of the product's own arithmetic is used: a message is known by its payload, which names the
publisher and the number, and the table is read as its owner would.
"""

from typing import NamedTuple

from fixtures.publisher import number_of, payload, topic


class Verdict(NamedTuple):
    """What became of the messages 1 to n of some publishers, in the order of the stream."""

    records: int
    lost: int
    foreign: int  # Nobody published that, or its payload or topic was changed.
    copies: int  # Records of a message that was there already.
    returns: int  # How often a publisher's numbers go back, as when a broker sends again.
    disorders: int  # How often one is neither the next one, nor goes back, nor follows on a return.
    deepest: int  # By how many at most.
    holes: int  # Numbers missing in a stream that no gap explains.

    @property
    def is_perfect(self) -> bool:
        """Tell whether each message is there, once, and in order."""
        return self._replace(records=0) == Verdict(0, 0, 0, 0, 0, 0, 0, 0)

    @property
    def is_whole(self) -> bool:
        """Tell the same, but for what a broker sent again without the means to tell it."""
        return self.lost == self.foreign == self.disorders == self.holes == 0


class Trail:
    """One publisher's numbers as they come."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.last = 0
        self.copies = self.returns = self.disorders = self.deepest = 0

    def follow(self, number: int) -> None:
        if number <= self.last:
            self.returns += 1
            self.deepest = max(self.deepest, self.last + 1 - number)
        elif number != self.last + 1:
            self.disorders += 1
        self.copies += number in self.seen
        self.seen.add(number)
        self.last = number


def judge(rows: "list[tuple[str, int, str, bytes]]", sent: "dict[str, int]") -> Verdict:
    """Judge rows (stream, seq, topic, payload), sorted by stream and seq.

    `sent`: publisher -> n, when its messages 1 to n were acknowledged and it sent no others.
    """
    trails = {name: Trail() for name in sent}
    by_topic = {topic(name): name for name in sent}
    foreign = holes = 0
    last_of: dict[str, int] = {}
    for stream, seq, on, data in rows:
        holes += seq - last_of.get(stream, 0) - 1
        last_of[stream] = seq
        name = by_topic.get(on, "")
        number = number_of(data) if name else 0
        if not 1 <= number <= sent.get(name, 0) or bytes(data) != payload(name, number):
            foreign += 1
        else:
            trails[name].follow(number)
    lost = sum(n - len(trails[name].seen) for name, n in sent.items())
    every = list(trails.values())
    return Verdict(
        len(rows), lost, foreign,
        sum(trail.copies for trail in every), sum(trail.returns for trail in every),
        sum(trail.disorders for trail in every), max((t.deepest for t in every), default=0), holes,
    )  # fmt: skip
