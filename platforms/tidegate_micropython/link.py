"""The node's link: the one that the settings ask for, and what every one of them needs.

Only the code of that one is imported.  While there is no network it is left alone: requests are
answered at once, so that what they would fetch from flash is not fetched.
"""

import gc

from tidegate.events import Answered, Unanswered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.config.node_settings import NodeSettings
    from tidegate.delivery.chance import Chance
    from tidegate.ports import Deliver
    from tidegate.records.stream import Stream
    from tidegate.wire.batch import Batch

TOO_LARGE = 413  # As in HTTP: the batch is cut, not given up.


def make_link(
    settings: "NodeSettings", node: str, chance: "Chance", moved: "Any", position: "Any"
) -> "Any":
    """Return the link that the uplink's type names; `moved()` is called when bytes have moved.

    `position(stream)` is for a link that is its own receiver, see `plain_link`.
    """
    uplink = settings.uplink
    if uplink.type == "http":
        from tidegate_micropython.http_link import make
    elif uplink.type == "mqtt":
        from tidegate_micropython.mqtt_link import make
    else:
        from tidegate_micropython.plain_link import PlainLink

        return PlainLink(uplink, node, position, moved)
    return make(settings, node, chance, moved)


class GuardedLink:
    """A link that is used while there is a network, and survives a heap that is full.

    `make(node)` makes it at the first request: only then is the node's identity known.
    """

    def __init__(self, make: "Callable[[str], Any]") -> None:
        self.busy_ms: int | None = None  # Since when a request waits for its answer.
        self._make = make
        self._online: bool | None = None
        self._link: Any = None
        self._open = 0
        self._held: list[tuple[int, Stream, int]] = []  # Queries, one a lane at most.
        self._deliver: Deliver | None = None

    def start(self, deliver: "Deliver") -> None:
        """Deliver answers from now on."""
        self._deliver = deliver

    def network_is(self, online: "bool | None") -> None:
        """Take note of the network: None while nobody knows yet, and queries wait for that."""
        self._online = online
        if online is not None and self._held:
            held, self._held = self._held, []
            for query in held:
                self._open -= 1
                self.query(*query)

    def query(self, token: int, stream: "Stream", at: int) -> None:
        """Ask for the target's standing with `stream`."""
        self._open += 1
        if self._online is None:
            self._held.append((token, stream, at))
            return
        self._request(token, stream, lambda link: link.query(token, stream, at), 1)

    def send(self, token: int, batch: "Batch") -> None:
        """Send `batch`; one that memory has no room for is cut."""
        self._open += 1
        self._request(
            token, batch.stream, lambda link: link.send(token, batch), len(batch.span.records)
        )

    def poll(self, now_ms: int) -> None:
        """Let the link go on."""
        waits = self._open > len(self._held)
        if not waits:
            self.busy_ms = None
        elif self.busy_ms is None:
            self.busy_ms = now_ms
        if self._link is not None:
            self._link.poll(now_ms)

    def deadline_ms(self, now_ms: int) -> "int | None":
        """Return when `poll` has something to do if no socket is ready."""
        return None if self._link is None else self._link.deadline_ms(now_ms)

    def interests(self) -> "list[tuple[Any, int]]":
        """Return (socket, flags) pairs for `select.poll.register`."""
        return [] if self._link is None else self._link.interests()

    def close(self) -> None:
        """Give up what is in flight and release everything."""
        if self._link is not None:
            self._link.close()

    def _request(
        self, token: int, stream: "Stream", ask: "Callable[[Any], None]", records: int
    ) -> None:
        """Hand a request on, or answer it with why not."""
        reason = "no network"
        if self._online:
            try:
                if self._link is None:
                    link = self._make(stream.node)
                    link.start(self._answered)
                    self._link = link
                ask(self._link)
                return
            except MemoryError:
                gc.collect()
                reason = "out of memory"
                if records > 1:
                    self._answered(Answered(token, TOO_LARGE, None, None, 0))
                    return
                # A single record is never too large for long: it must not go into quarantine.
            except ImportError as error:
                reason = f"umqtt.simple is missing: {error}"
            except (OSError, ValueError) as error:  # Such as a file of authorities that is none.
                reason = f"no link: {error}"
        self._answered(Unanswered(token, reason, 0))

    def _answered(self, event: "Answered | Unanswered") -> None:
        self._open -= 1
        self.busy_ms = None
        assert self._deliver is not None
        self._deliver(event)
