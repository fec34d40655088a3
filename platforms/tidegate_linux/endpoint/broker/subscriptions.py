"""Who gets what is published: the subscriptions of all sessions, in a tree over topic levels.

Promises that a topic that was asked for before costs one dictionary look-up, and that what is
remembered for this is bounded whatever topics come (`limits`).  Filters must have passed their
checks, and topics theirs: a level of a topic is never `+` or `#`.

Theory of operation.  A node stands for the levels on the way to it, wildcards being levels like
others.  It knows the sessions that subscribed to exactly this filter, and the shared groups.  A
look-up follows the name, `+` and `#` at each level, so it visits at most the nodes there are.  Each
session knows its nodes: to forget a session costs its own filters, not the tree.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from tidegate.records.filters import shared
from tidegate_linux.endpoint.broker.limits import (
    MATCHES_SUBSCRIBERS_MAX,
    MATCHES_TOPIC_BYTES_MAX,
    MATCHES_TOPICS_MAX,
    NODE_BYTES,
    SUBSCRIPTION_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate_linux.endpoint.broker.session import Session


class Subscription(NamedTuple):
    """What a session asked for; `filter` is the whole of it, `$share/group/` included.

    `identifier` is the subscription identifier of MQTT 5, 0 for none.
    """

    filter: bytes
    qos: int
    no_local: bool
    retain_as_published: bool
    retain_handling: int
    identifier: int


def cost_of(filter: bytes) -> int:
    """Return what a subscription takes in memory, about, as if it shared no node with others."""
    return SUBSCRIPTION_BYTES + 3 * len(filter) + NODE_BYTES * (filter.count(b"/") + 1)


class SharedGroup:
    """The members of one group that share one filter."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: OrderedDict[Session, Subscription] = OrderedDict()

    def pick(self, is_able: "Callable[[Session], bool]") -> "tuple[Session, Subscription] | None":
        """Return the member whose turn it is, None where there is none.

        One that is able is preferred; where none is, the first in the row gets the message into
        its queue [MQTT-4.8.2-4].
        """
        members = self._members
        if not members:
            return None
        chosen = next((session for session in members if is_able(session)), None)
        if chosen is None:
            chosen = next(iter(members))
        members.move_to_end(chosen)
        return chosen, members[chosen]

    def __len__(self) -> int:
        return len(self._members)

    def put(self, session: "Session", subscription: Subscription) -> bool:
        """Add or change a member; tell whether it is new."""
        is_new = session not in self._members
        self._members[session] = subscription
        return is_new

    def remove(self, session: "Session") -> None:
        """Forget a member."""
        del self._members[session]


class Matches(NamedTuple):
    """Whom a topic reaches.

    A session is in `direct` once, with all its subscriptions that match, so that it gets one copy
    [MQTT-3.3.4-2].  Each of `groups` takes one more copy.
    """

    direct: "tuple[tuple[Session, tuple[Subscription, ...]], ...]"
    groups: tuple[SharedGroup, ...]


class _Node:
    __slots__ = ("children", "direct", "groups", "level", "parent")

    def __init__(self, parent: "_Node | None", level: bytes) -> None:
        self.parent = parent
        self.level = level
        self.children: dict[bytes, _Node] = {}
        self.direct: dict[Session, Subscription] = {}
        self.groups: dict[bytes, SharedGroup] = {}


class Subscriptions:
    """All subscriptions; `changes` counts up whenever an earlier answer of `match` is void."""

    def __init__(self) -> None:
        self.count = 0
        self.total_bytes = 0
        self.changes = 0
        self._root = _Node(None, b"")
        self._nodes: dict[Session, dict[bytes, tuple[_Node, bytes | None]]] = {}
        self._cache: dict[bytes, Matches] = {}
        self._cached_subscribers = 0

    def add(self, session: "Session", subscription: Subscription) -> bool:
        """Add a subscription, or replace that to the same filter [MQTT-3.8.4-3].

        Tell whether it is new, which retain handling 1 asks for [MQTT-3.3.1-10].
        """
        self._forget_matches()
        parts = shared(subscription.filter)
        group, filter = (None, subscription.filter) if parts is None else parts
        node = self._root
        for level in filter.split(b"/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node(node, level)
            node = child
        if group is None:
            is_new = session not in node.direct
            node.direct[session] = subscription
        else:
            is_new = node.groups.setdefault(group, SharedGroup()).put(session, subscription)
        if is_new:
            self.count += 1
            self.total_bytes += cost_of(subscription.filter)
            self._nodes.setdefault(session, {})[subscription.filter] = (node, group)
        return is_new

    def remove(self, session: "Session", filter: bytes) -> bool:
        """Remove the subscription to exactly this filter [MQTT-3.10.4-1]; tell whether it was."""
        nodes = self._nodes.get(session)
        if nodes is None or filter not in nodes:
            return False
        node, group = nodes.pop(filter)
        if not nodes:
            del self._nodes[session]
        self.total_bytes -= cost_of(filter)
        self._take_out(session, node, group)
        return True

    def remove_all(self, session: "Session") -> None:
        """Remove all subscriptions of a session."""
        for filter, (node, group) in self._nodes.pop(session, {}).items():
            self.total_bytes -= cost_of(filter)
            self._take_out(session, node, group)

    def filters_of(self, session: "Session") -> list[bytes]:
        """Return the filters of a session, oldest first."""
        return list(self._nodes.get(session, ()))

    def find(self, session: "Session", filter: bytes) -> Subscription | None:
        """Return the subscription of a session to exactly this filter, None where there is none."""
        found = self._nodes.get(session, {}).get(filter)
        if found is None:
            return None
        node, group = found
        return node.direct[session] if group is None else node.groups[group]._members[session]

    def match(self, topic: bytes) -> Matches:
        """Return whom `topic` reaches; the answer holds until `changes` changes."""
        try:
            return self._cache[topic]
        except KeyError:
            return self._look_up(topic)

    def _take_out(self, session: "Session", node: _Node, group: bytes | None) -> None:
        self._forget_matches()
        self.count -= 1
        if group is None:
            del node.direct[session]
        else:
            node.groups[group].remove(session)
            if not len(node.groups[group]):
                del node.groups[group]
        while not (node.direct or node.groups or node.children or node.parent is None):
            del node.parent.children[node.level]
            node = node.parent

    def _forget_matches(self) -> None:
        self.changes += 1
        if self._cache:
            self._cache = {}
        self._cached_subscribers = 0

    def _look_up(self, topic: bytes) -> Matches:
        direct: dict[Session, list[Subscription]] = {}
        groups: list[SharedGroup] = []
        weight = 1
        for node in self._nodes_of(topic):
            for session, subscription in node.direct.items():
                direct.setdefault(session, []).append(subscription)
            weight += len(node.direct) + len(node.groups)
            groups.extend(node.groups.values())
        each = [(session, tuple(wanted)) for session, wanted in direct.items()]
        matches = Matches(tuple(each), tuple(groups))
        if len(topic) <= MATCHES_TOPIC_BYTES_MAX:
            if (
                len(self._cache) >= MATCHES_TOPICS_MAX
                or self._cached_subscribers + weight > MATCHES_SUBSCRIBERS_MAX
            ):
                self._cache = {}
                self._cached_subscribers = 0
            self._cache[topic] = matches
            self._cached_subscribers += weight
        return matches

    def _nodes_of(self, topic: bytes) -> list[_Node]:
        found = []
        nodes = [self._root]
        # A leading wildcard does not match topics that begin with $ [MQTT-4.7.2-1].
        takes_wildcards = not topic.startswith(b"$")
        for name in topic.split(b"/"):
            following = []
            for node in nodes:
                children = node.children
                if takes_wildcards:
                    if b"#" in children:
                        found.append(children[b"#"])
                    if b"+" in children:
                        following.append(children[b"+"])
                if name in children:
                    following.append(children[name])
            takes_wildcards = True
            nodes = following
            if not nodes:
                return found
        for node in nodes:
            found.append(node)
            if b"#" in node.children:  # sport/# matches sport (4.7.1.2).
                found.append(node.children[b"#"])
        return found
