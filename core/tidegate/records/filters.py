"""Topic filters, after MQTT section 4.7, on bytes; see `topics` for the names they match.

One liberty: `$share/…` means a shared subscription for 3.1.1 too, because brokers offer it there.
"""

from tidegate.records.topics import check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Topics whose value a `FilterMap` remembers.  A gateway rarely sees more, and all of them at their
# longest take 3 MB; a small node passes a smaller number.
CACHE_TOPICS_MAX = 4096
# A longer topic is looked up each time, or a few thousand of 64 KiB would take all the memory.
CACHE_TOPIC_BYTES_MAX = 512

_SHARE = b"$share/"


def check_filter(filter: bytes) -> None:
    """Raise `ValueError`, saying what is wrong, unless one may subscribe to `filter`."""
    check_text(filter, "a topic filter")
    parts = shared(filter)
    levels = (filter if parts is None else parts[1]).split(b"/")
    last = len(levels) - 1
    for index, level in enumerate(levels):
        if b"#" in level:
            if level != b"#":
                raise ValueError("# shares its level with other characters")  # [MQTT-4.7.1-1]
            if index != last:
                raise ValueError("# is not the last level")  # [MQTT-4.7.1-1]
        if b"+" in level and level != b"+":
            raise ValueError("+ shares its level with other characters")  # [MQTT-4.7.1-2]


def shared(filter: bytes) -> "tuple[bytes, bytes] | None":
    """Split `$share/group/filter` into group and filter; None when `filter` is not shared.

    Raises `ValueError` when it starts like a shared one and is not [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    """
    if not filter.startswith(_SHARE):
        return None
    rest = filter[len(_SHARE) :]
    slash = rest.find(b"/")
    group = rest if slash < 0 else rest[:slash]
    if not group:
        raise ValueError("a shared filter names its group: $share/group/filter")
    if b"+" in group or b"#" in group:
        raise ValueError("the group of a shared filter holds no wildcard")
    if slash < 0 or slash + 1 == len(rest):
        raise ValueError("a shared filter ends with a filter: $share/group/filter")
    return group, rest[slash + 1 :]


def matches(filter: bytes, topic: bytes) -> bool:
    """Tell whether a subscription to `filter` gets messages published to `topic`.

    A shared filter matches what the filter in it matches.  Both must have passed their checks: a
    malformed one gives an answer without meaning.
    """
    return _levels_match(_split(filter), topic)


def overlap(one: bytes, other: bytes) -> bool:
    """Tell whether there is a topic that both filters match; they must have passed their checks."""
    ours, theirs = _split(one), _split(other)
    for first, second in ((ours[0], theirs[0]), (theirs[0], ours[0])):
        if first.startswith(b"$") and second in (b"#", b"+"):
            return False  # [MQTT-4.7.2-1]
    for index in range(max(len(ours), len(theirs))):
        level = ours[index] if index < len(ours) else None
        another = theirs[index] if index < len(theirs) else None
        if b"#" in (level, another):
            return True  # Also where the other one ends: sport/# matches sport.
        if level is None or another is None:
            return False
        if level != another and b"+" not in (level, another):
            return False
    return True


class FilterMap:
    """An ordered list of (filter, value): a topic has the value of the first filter that matches.

    Every message asks once (its lane hangs on it), so answers are remembered: a known topic costs
    one dictionary look-up.  When `topics_max` topics are remembered, all are forgotten.  Forgetting
    the least used one would need bookkeeping at each hit, and the portable core has no ordered
    dictionary to do it with; this way even ever new topics cost only their look-up.
    """

    def __init__(
        self, pairs: "Iterable[tuple[bytes, str]]", topics_max: int = CACHE_TOPICS_MAX
    ) -> None:
        """Check every filter; raise `ValueError` for the first that is malformed."""
        if topics_max < 1:
            raise ValueError("a filter map remembers at least one topic")
        self._pairs: list[tuple[list[bytes], str]] = []
        for filter, value in pairs:
            check_filter(filter)
            self._pairs.append((_split(filter), value))
        self._topics_max = topics_max
        self._cache: dict[bytes, str | None] = {}

    def find(self, topic: bytes) -> "str | None":
        """Return the value of the first filter that matches `topic`, None where none does."""
        try:
            return self._cache[topic]
        except KeyError:
            return self._look_up(topic)

    def _look_up(self, topic: bytes) -> "str | None":
        found = None
        for levels, value in self._pairs:
            if _levels_match(levels, topic):
                found = value
                break
        if len(topic) <= CACHE_TOPIC_BYTES_MAX:
            if len(self._cache) >= self._topics_max:
                self._cache = {}
            self._cache[topic] = found
        return found


def _split(filter: bytes) -> "list[bytes]":
    parts = shared(filter)
    return (filter if parts is None else parts[1]).split(b"/")


def _levels_match(levels: "list[bytes]", topic: bytes) -> bool:
    # [MQTT-4.7.2-1]: a leading wildcard does not match topics that begin with $.
    if topic.startswith(b"$") and levels[0] in (b"#", b"+"):
        return False
    names = topic.split(b"/")
    count = len(names)
    for index, level in enumerate(levels):
        if level == b"#":
            return True  # Also for the parent level: sport/# matches sport (4.7.1.2).
        if index >= count or (level != b"+" and level != names[index]):
            return False
    return len(levels) == count
