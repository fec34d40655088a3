"""What becomes of a message by its topic: remembered, because every message asks.

Answers hang on the listener (what is uplinked), on the client where there are access rules, and on
the subscriptions.  Where there are no rules, all clients of a listener share one dictionary.
"""

from typing import TYPE_CHECKING, NamedTuple

from tidegate.records.filters import FilterMap
from tidegate_linux.endpoint.access.topics import is_oversized
from tidegate_linux.endpoint.broker.limits import MATCHES_SUBSCRIBERS_MAX
from tidegate_linux.endpoint.broker.requests import RESERVED, parse_place
from tidegate_linux.endpoint.codec import reasons

if TYPE_CHECKING:
    from tidegate.config.settings import EndpointSettings, ListenerSettings
    from tidegate_linux.endpoint.access.rules import Rules
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.subscriptions import (
        SharedGroup,
        Subscription,
        Subscriptions,
    )

SHARED_TOPICS_MAX = 8192  # A site rarely has more topics; about 200 bytes each.
OWN_TOPICS_MAX = 16  # Of one client: a device rarely publishes to more; 10,000 clients take 32 MB.
TOPIC_BYTES_MAX = 512  # A longer topic is looked up each time, or a few would take all the memory.


class Copy(NamedTuple):
    """What one session gets of a message, however many of its subscriptions match it."""

    session: "Session"
    qos: int  # The highest that one of them grants [MQTT-3.3.4-2].
    is_as_published: bool
    identifiers: tuple[int, ...]
    subscriptions: "tuple[Subscription, ...]"
    is_picky: bool  # One of them wants nothing that its own client published.


class Route(NamedTuple):
    """The verdict on a topic."""

    refusal: int  # The reason code why nothing may be published there, or 0.
    is_uplinked: bool
    copies: tuple[Copy, ...]
    groups: "tuple[SharedGroup, ...]"


PLAIN = Route(0, True, (), ())  # Compared by identity: uplinked, and nobody here wants it.
ASKED = Route(0, False, (), ())  # By identity as well: no message at all, but a node's request.


class Routes:
    """Remembered verdicts; valid while `version` is that of the planner."""

    __slots__ = ("by_topic", "copies", "topics_max", "version")

    def __init__(self, topics_max: int, version: int) -> None:
        self.by_topic: dict[bytes, Route] = {}
        self.copies = 0  # Subscriptions in all of them: what they take besides their topics.
        self.topics_max = topics_max
        self.version = version

    def forget(self, version: int) -> None:
        """Begin anew: the verdicts are of no use any more, or too many."""
        self.by_topic.clear()
        self.copies = 0
        self.version = version


class Planner:
    """Finds the route of a topic."""

    def __init__(
        self,
        settings: "EndpointSettings",
        rules: "Rules",
        subscriptions: "Subscriptions",
        takes_nodes: bool = False,
    ) -> None:
        """`takes_nodes`: there is somebody behind the broker who answers nodes."""
        self._takes_nodes = takes_nodes
        self._settings = settings
        self._rules = rules
        self._subscriptions = subscriptions
        self._version = 0
        self._uplinked: dict[int, tuple[ListenerSettings, FilterMap, Routes]] = {}

    def forget(self) -> None:
        """Forget all verdicts: subscriptions or rules have changed."""
        self._version += 1
        for _, _, routes in self._uplinked.values():
            routes.forget(self._version)

    def of(self, connection: "Connection") -> Routes:
        """Return what is remembered for the client of `connection`."""
        routes = connection.routes
        if routes is None:
            if self._rules.is_open:
                routes = self._listener(connection.peer.listener)[2]
            else:
                routes = Routes(OWN_TOPICS_MAX, self._version)
            connection.routes = routes
        elif routes.version != self._version:
            routes.forget(self._version)
        return routes

    def find(self, connection: "Connection", topic: bytes) -> Route:
        """Return the route of a message that comes from `connection`."""
        routes = self.of(connection)
        route = routes.by_topic.get(topic)
        if route is None:
            route = self.look_up(
                connection.user, connection.client_id, topic, connection.peer.listener
            )
            # Of a node's request none is ever like another: they would only push out the others.
            if len(topic) <= TOPIC_BYTES_MAX and route is not ASKED:
                copies = sum([len(copy.subscriptions) for copy in route.copies])
                # One client's own has a share by topics.
                copies_max = MATCHES_SUBSCRIBERS_MAX * routes.topics_max // SHARED_TOPICS_MAX
                if len(routes.by_topic) >= routes.topics_max or routes.copies + copies > copies_max:
                    routes.forget(self._version)
                if copies <= copies_max:
                    routes.by_topic[topic] = route
                    routes.copies += copies
        return route

    def is_uplinked(self, listener: "ListenerSettings", topic: bytes) -> bool:
        """Tell whether what is published to `topic` by way of `listener` goes to the hub."""
        if _is_told(topic) or topic.startswith(RESERVED):
            return False
        return self._listener(listener)[1].find(topic) is not None

    def look_up(
        self, user: str, client_id: str, topic: bytes, listener: "ListenerSettings | None"
    ) -> Route:
        """Work out a route anew; without a listener it leads nowhere but to subscribers."""
        refusal = self._refusal(user, client_id, topic)
        if not refusal and topic.startswith(RESERVED):
            # A will asks nothing: who would hear the answer is gone.
            if self._takes_nodes and listener is not None and parse_place(topic) is not None:
                return ASKED
            refusal = reasons.NOT_AUTHORIZED
        if refusal:
            return Route(refusal, False, (), ())
        is_uplinked = listener is not None and self.is_uplinked(listener, topic)
        found = self._subscriptions.match(topic)
        if is_uplinked and not found.direct and not found.groups:
            return PLAIN
        copies = tuple([plan(session, wanted) for session, wanted in found.direct])
        return Route(0, is_uplinked, copies, tuple(found.groups))

    def _refusal(self, user: str, client_id: str, topic: bytes) -> int:
        if is_oversized(self._settings, topic):
            return reasons.TOPIC_NAME_INVALID
        if _is_told(topic) or not self._rules.may_publish(user, client_id, topic):
            return reasons.NOT_AUTHORIZED
        return 0

    def _listener(
        self, listener: "ListenerSettings"
    ) -> "tuple[ListenerSettings, FilterMap, Routes]":
        known = self._uplinked.get(id(listener))
        if known is None:
            filters = FilterMap([(topic.encode(), "uplinked") for topic in listener.topics])
            # Held together with its listener: an identity is given again when its object is gone.
            known = (listener, filters, Routes(SHARED_TOPICS_MAX, self._version))
            self._uplinked[id(listener)] = known
        return known


def plan(session: "Session", wanted: "tuple[Subscription, ...]") -> Copy:
    """Return the one copy that `session` gets because of the subscriptions `wanted`."""
    qos = max([subscription.qos for subscription in wanted])
    identifiers = tuple([one.identifier for one in wanted if one.identifier])
    is_as_published = any(one.retain_as_published for one in wanted)
    is_picky = any(one.no_local for one in wanted)
    return Copy(session, qos, is_as_published, identifiers, wanted, is_picky)


def _is_told(topic: bytes) -> bool:
    """Tell whether only the broker itself publishes there [MQTT-4.7.2-1]."""
    return topic.startswith(b"$SYS/") or topic == b"$SYS"
