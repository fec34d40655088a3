"""The last retained message of each topic, in a tree over topic levels.

Promises the limits on messages and bytes; a message that finds no room is refused and what was
there before stays.  What expired is never returned; `take_expired` tells whose notes can go.
"""

from heapq import heappop, heappush

from tidegate_linux.endpoint.broker.delivery import Delivery, is_expired, size_of
from tidegate_linux.endpoint.broker.limits import NODE_BYTES


class _Node:
    __slots__ = ("children", "delivery", "level", "parent")

    def __init__(self, parent: "_Node | None", level: bytes) -> None:
        self.parent = parent
        self.level = level
        self.children: dict[bytes, _Node] = {}
        self.delivery: Delivery | None = None


class Retained:
    """All retained messages."""

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.total_bytes = 0
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._root = _Node(None, b"")
        self._nodes: dict[bytes, _Node] = {}
        self._expiries: list[tuple[int, bytes]] = []

    @property
    def count(self) -> int:
        """Return how many topics have a retained message."""
        return len(self._nodes)

    def put(self, delivery: Delivery) -> bool:
        """Keep a message in place of the last one of its topic [MQTT-3.3.1-5].

        False when there is no room.  An empty payload is the caller's: it means `remove`.
        """
        topic = delivery.topic
        node = self._nodes.get(topic)
        size = _cost(delivery)
        if node is None:
            if self.count >= self._messages_max or self.total_bytes + size > self._bytes_max:
                return False
            node = self._nodes[topic] = self._make(topic)
        else:
            assert node.delivery is not None
            before = _cost(node.delivery)
            if size > before and self.total_bytes - before + size > self._bytes_max:
                return False
            self.total_bytes -= before
        node.delivery = delivery
        self.total_bytes += size
        if delivery.expires_at_ms is not None:
            self._watch(delivery.expires_at_ms, topic)
        return True

    def remove(self, topic: bytes) -> bool:
        """Forget the message of a topic [MQTT-3.3.1-6]; tell whether there was one."""
        node = self._nodes.pop(topic, None)
        if node is None:
            return False
        assert node.delivery is not None
        self.total_bytes -= _cost(node.delivery)
        node.delivery = None
        while not (node.children or node.delivery or node.parent is None):
            del node.parent.children[node.level]
            node = node.parent
        return True

    def find(self, filter: bytes, now_ms: int) -> list[Delivery]:
        """Return the messages whose topics `filter` matches; it is not a shared one."""
        return [
            node.delivery
            for node in self._matching(filter)
            if node.delivery is not None and not is_expired(node.delivery, now_ms)
        ]

    def take_expired(self, now_ms: int) -> list[bytes]:
        """Remove what has expired; return its topics."""
        topics = []
        while self._expiries and self._expiries[0][0] <= now_ms:
            _, topic = heappop(self._expiries)
            node = self._nodes.get(topic)
            if node is not None and node.delivery and is_expired(node.delivery, now_ms):
                self.remove(topic)
                topics.append(topic)
        return topics

    def deadline_ms(self) -> int | None:
        """Return when something may expire next, None when nothing does."""
        return self._expiries[0][0] if self._expiries else None

    def _watch(self, at_ms: int, topic: bytes) -> None:
        heappush(self._expiries, (at_ms, topic))
        if len(self._expiries) > 2 * self.count + 64:  # Most are of messages that were replaced.
            self._expiries = sorted(
                (node.delivery.expires_at_ms, topic)
                for topic, node in self._nodes.items()
                if node.delivery and node.delivery.expires_at_ms is not None
            )

    def _make(self, topic: bytes) -> _Node:
        node = self._root
        for level in topic.split(b"/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node(node, level)
            node = child
        return node

    def _matching(self, filter: bytes) -> list[_Node]:
        if b"+" not in filter and b"#" not in filter:
            return [self._nodes[filter]] if filter in self._nodes else []
        nodes = [self._root]
        for level in filter.split(b"/"):
            if level == b"#":
                return _below(nodes)  # With the nodes themselves: sport/# matches sport (4.7.1.2).
            if level == b"+":
                nodes = [child for node in nodes for child in _children(node)]
            else:
                nodes = [node.children[level] for node in nodes if level in node.children]
        return nodes


def _below(nodes: list[_Node]) -> list[_Node]:
    found = list(nodes)
    for node in found:  # It grows while it is walked.
        found.extend(_children(node))
    return found


def _children(node: _Node) -> list[_Node]:
    """Return the nodes that a wildcard finds: at the first level none of $ [MQTT-4.7.2-1]."""
    if node.parent is None:
        return [child for name, child in node.children.items() if name[:1] != b"$"]
    return list(node.children.values())


def _cost(delivery: Delivery) -> int:
    # As if no node were shared: the price of a message does not hang on the others.
    return size_of(delivery) + NODE_BYTES * (delivery.topic.count(b"/") + 1)
