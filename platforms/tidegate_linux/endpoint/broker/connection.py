"""One network connection, as the broker sees it: what came in, what may go out, what was agreed.

Promises the transport that `take_output` is all there is to send, in order, and nothing that rests
on something that is not durable yet.  The transport sets `unsent_bytes`, closes the connection once
`is_ending` and all output is sent, and reads nothing while `is_held`.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tidegate.config.settings import ListenerSettings
    from tidegate_linux.endpoint.broker.delivery import Delivery
    from tidegate_linux.endpoint.broker.session import Session
    from tidegate_linux.endpoint.broker.state.routes import Routes
    from tidegate_linux.endpoint.broker.state.timers import Timer
    from tidegate_linux.endpoint.broker.state.turns import Staged
    from tidegate_linux.endpoint.broker.sys_topics import Counters
    from tidegate_linux.endpoint.codec.packets import Connect, Packet
    from tidegate_linux.endpoint.codec.reader import Reader

# A reader that is this far behind gets no more of what may be left out (QoS 0), and nothing more of
# what waits for it (QoS 1 and 2, retained messages) until it has caught up.
SLOW_BYTES = 256 * 1024
# Of answers that may not be left out, a client that does not read them can ask for this much, then
# nothing more is read from it.
UNREAD_BYTES_MAX = 1024 * 1024
# Retained messages that wait for a slow reader: more subscriptions are not read before.
BACKLOG_MAX = 10_000

NEW = 0  # Nothing but CONNECT may come.
JUDGED = 1  # Its login is with the judge; what it sent already waits.
OPEN = 2
ENDED = 3


class Peer(NamedTuple):
    """Who is at the other end, as far as the transport knows."""

    listener: "ListenerSettings"
    address: str
    certificate_name: str  # Of a verified client certificate, or "".


class Login(NamedTuple):
    """What the transport has to check, off this thread, and answer with `Broker.judged`."""

    username: str
    password: bytes


class Valve:
    """Whether the whole broker takes nothing in."""

    __slots__ = ("is_shut",)

    def __init__(self) -> None:
        self.is_shut = False


class Connection:
    """State of one network connection."""

    __slots__ = (
        "aliases_in",
        "aliases_out",
        "aliases_out_max",
        "backlog",
        "bytes_max",
        "changed",
        "client_id",
        "connect",
        "counters",
        "free_at_ms",
        "heard_ms",
        "in_flight",
        "is_braked",
        "is_ending",
        "is_paced",
        "keepalive_ms",
        "login",
        "open_ids",
        "output",
        "output_bytes",
        "peer",
        "pending",
        "phase",
        "reader",
        "receive_maximum",
        "routes",
        "session",
        "staged",
        "staged_bytes",
        "timer",
        "unsent_bytes",
        "user",
        "valve",
        "version",
    )

    def __init__(
        self,
        peer: Peer,
        reader: "Reader",
        valve: Valve,
        changed: "dict[Connection, None]",
        counters: "Counters",
    ) -> None:
        self.peer = peer
        self.reader = reader
        self.valve = valve
        self.changed = changed  # The broker's list of those that the transport has to look at.
        self.counters = counters
        self.phase = NEW
        self.timer: Timer | None = None
        self.heard_ms = 0

        # What the transport asks.
        self.output: list[bytes] = []
        self.output_bytes = 0
        self.unsent_bytes = 0
        self.is_ending = False
        self.login: Login | None = None

        # What was agreed at CONNECT.
        self.connect: Connect | None = None  # While its login is judged.
        self.version = 0
        self.client_id = ""
        self.user = ""
        self.session: Session | None = None
        self.keepalive_ms = 0  # After which silence it is given up; 0 for never.
        self.bytes_max = 0  # Of a packet that the client takes; 0 for no limit.
        self.receive_maximum = 0  # How many QoS 1 and 2 it takes ahead.

        # What came in.
        # Lists, not deques: an empty deque takes 600 bytes, and most of these stay empty.
        self.pending: list[Packet] = []
        self.aliases_in: dict[int, bytes] = {}
        self.in_flight = 0  # QoS 1 that were taken and not acknowledged yet.
        self.open_ids: set[int] = set()  # QoS 2 that were published on this connection.
        self.routes: Routes | None = None
        self.free_at_ms = 0.0  # When it will have paid for what it sent, by its rate.
        self.is_paced = self.is_braked = False  # By its rate; by a queue that it fills.

        # What goes out.
        self.staged: list[Staged] = []
        self.staged_bytes = 0
        self.aliases_out: dict[bytes, int] = {}
        self.aliases_out_max = 0
        self.backlog: list[tuple[Delivery, tuple[int, ...]]] = []

    @property
    def address(self) -> str:
        """Return where the client is, for logs."""
        return self.peer.address

    @property
    def is_held(self) -> bool:
        """Tell whether the transport should read nothing for now."""
        return (
            self.valve.is_shut
            or self.login is not None
            or self.is_paced
            or self.is_braked
            or self.unsent_bytes + self.output_bytes > UNREAD_BYTES_MAX
            or len(self.backlog) > BACKLOG_MAX
        )

    @property
    def is_slow(self) -> bool:
        """Tell whether its reader is so far behind that nothing more should wait for it."""
        return self.unsent_bytes + self.output_bytes + self.staged_bytes > SLOW_BYTES

    def send(self, data: bytes) -> None:
        """Send what rests on nothing, behind what was staged before."""
        if self.staged:
            self.staged[-1].parts.append(data)
            self.staged_bytes += len(data)
            return
        self.output.append(data)
        self.output_bytes += len(data)
        self.changed[self] = None

    def take_output(self) -> bytes:
        """Return what may be sent now."""
        data = b"".join(self.output)
        self.output.clear()
        self.output_bytes = 0
        self.counters.bytes_sent += len(data)
        return data

    def drop_output(self) -> None:
        """Forget what was staged: its session sends it again, on another connection."""
        self.staged.clear()
        self.staged_bytes = 0
        self.backlog.clear()
        self.pending.clear()
