"""The ports of the shell besides the journal: sources of messages, the link to the target, the log.

An adapter delivers what happens to it as events, in any thread, through the `deliver` function that
it was given; it never calls the core itself.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tidegate.events import Event
    from tidegate.records.stream import Stream
    from tidegate.wire.batch import Batch

    Deliver = Callable[[Event], None]

    class Source(Protocol):
        """Where messages come from.

        Every connection is a new *generation*: an acknowledgement belongs to the connection on
        which its message came.  A late one, for a connection that is gone, would acknowledge a
        different message, because brokers use packet identifiers again at once.
        """

        name: str

        def start(self, deliver: "Deliver") -> None:
            """Connect, and keep connecting; deliver `Arrived` events from now on."""

        def acknowledge(self, generation: int, tokens: "list[object]") -> None:
            """Acknowledge in this order, or nothing at all when `generation` is not current.

            The check and the sending are one step: no connection may come between them.
            """

        def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
            """Answer as `acknowledge` does, but the messages were dropped for want of room.

            Nothing is left to do about them.  A source that cannot tell its client acknowledges.
            """

        def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
            """Take the notes that a `Sought` asked for; answers come in the order of asking."""

        def pause(self, reason: str) -> None:
            """Drop the connection and stay away until `resume`."""

        def resume(self) -> None:
            """Connect again after `pause`."""

        def status(self) -> "dict[str, object]":
            """Return `state` ("connected", "connecting", "paused"), `since`, `last_error`, …"""

        def close(self) -> None:
            """Disconnect and release everything; nothing is delivered after it returns."""

    class Link(Protocol):
        """The way to the target; each request gets exactly one `Answered` or `Unanswered`."""

        def start(self, deliver: "Deliver") -> None:
            """Deliver answers from now on."""

        def query(self, token: int, stream: "Stream", at: int) -> None:
            """Ask for the target's standing with `stream`."""

        def send(self, token: int, batch: "Batch") -> None:
            """Encode and send `batch`."""

        def close(self) -> None:
            """Give up what is in flight and release everything."""

    class Observer(Protocol):
        """Where reports to the operator go."""

        def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
            """Log one report."""
