"""All that the broker knows, for the functions that act on it."""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.broker.connection import Connection, Valve
from tidegate_linux.endpoint.broker.limits import PACKET_ID_BYTES
from tidegate_linux.endpoint.broker.retained import Retained
from tidegate_linux.endpoint.broker.session import Session
from tidegate_linux.endpoint.broker.state.notebook import Notebook
from tidegate_linux.endpoint.broker.state.repeats import Total
from tidegate_linux.endpoint.broker.state.routes import Planner
from tidegate_linux.endpoint.broker.state.tally import Tally
from tidegate_linux.endpoint.broker.state.timers import Timers
from tidegate_linux.endpoint.broker.state.turns import Turns
from tidegate_linux.endpoint.broker.subscriptions import Subscriptions
from tidegate_linux.endpoint.broker.sys_topics import Counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import EndpointSettings
    from tidegate_linux.endpoint.access.rules import Rules
    from tidegate_linux.endpoint.broker.handling.braking import Brake
    from tidegate_linux.endpoint.broker.requests import Request

# Of reports that nobody has fetched: further ones are left out until then.
REPORTS_MAX = 1000
# What the broker tells of itself is retained apart: it is not for the journal, nor for the limits.
SYS_MESSAGES_MAX = 1000
SYS_BYTES_MAX = 4_000_000


class State:
    """The broker's memory."""

    def __init__(
        self,
        settings: "EndpointSettings",
        rules: "Rules",
        new_client_id: "Callable[[], str]",
        takes_nodes: bool = False,
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.new_client_id = new_client_id
        self.is_closing = False
        self.has_users = True  # Whether there are names and passwords to check at all.
        self.valve = Valve()
        self.now_ms = 0  # When something happened last.
        self.opened_ms = 0  # When the valve was opened last.
        self.turns = Turns()
        self.settled = 0  # The last turn that was settled.
        self.notes = Notebook(self.turns)
        self.timers = Timers()
        self.queued = Tally(settings.queued_bytes_max)
        self.remembered = Total()
        self.crowded_turn = 0  # The last in which no queue had anything to drop.
        self.sessions: dict[str, Session] = {}
        self.kept_count = 0
        self.next_session = 1
        self.connections: dict[Connection, None] = {}
        self.paced: dict[Connection, None] = {}  # Held until they have paid for what they sent.
        self.subscriptions = Subscriptions()
        self.retained = Retained(settings.retained_messages_max, settings.retained_bytes_max)
        self.told = Retained(SYS_MESSAGES_MAX, SYS_BYTES_MAX)
        self.told_payloads: dict[bytes, bytes] = {}
        self.routes = Planner(settings, rules, self.subscriptions, takes_nodes)
        self.counters = Counters()
        self.brakes: dict[Session, Brake] = {}  # By the subscriber.
        self.stalled: dict[Connection, None] = {}  # Have more to get once they are not slow.
        # Sessions that want to read on in their queue, once this turn is settled.
        self.seeking: dict[Session, int] = {}
        self.sought: Session | None = None  # The one whose queue is being read.
        self.is_asked = False
        self.remembering: dict[Session, None] = {}  # Took QoS 1 in during the open turn.
        # What is taken back if there is no room for a turn: by its number, each session with the
        # packet id of a QoS 2 message, or with 0 for all of its QoS 1.
        self.arrived: dict[int, list[tuple[Session, int]]] = {}
        self.arriving: list[tuple[Session, int]] = []  # The same of the open turn.
        self.changed: dict[Connection, None] = {}
        self.requests: list[Request] = []  # Of nodes; fetched once per pass of the event loop.
        self._reports: list[tuple[str, str, list[tuple[str, object]]]] = []

    def new_session(self, client_id: str, expiry_s: int) -> Session:
        """Begin a session."""
        session = Session(
            client_id,
            self.next_session,
            expiry_s,
            expiry_s > 0,
            self.settings,
            self.queued,
            self.remembered,
        )
        self.next_session += 1
        self.add_session(session)
        return session

    def add_session(self, session: Session) -> None:
        """Know a session by its client id."""
        self.sessions[session.client_id] = session
        self.kept_count += session.is_stored

    def drop_session(self, session: Session) -> None:
        """Know a session no longer."""
        del self.sessions[session.client_id]
        self.kept_count -= session.is_stored
        self.timers.cancel(session)
        session.outbox.leave()
        session.repeats.clear()
        self.queued.total_bytes -= len(session.received) * PACKET_ID_BYTES
        self.seeking.pop(session, None)
        self.remembering.pop(session, None)

    def hold_id(self, session: Session, packet_id: int) -> None:
        """A QoS 2 message with this id was taken in."""
        session.received.add(packet_id)
        self.queued.total_bytes += PACKET_ID_BYTES
        self.notes.received(session, packet_id, is_there=True)

    def free_id(self, session: Session, packet_id: int) -> None:
        """The id may be used again, if it was held."""
        if packet_id in session.received:
            session.received.remove(packet_id)
            self.queued.total_bytes -= PACKET_ID_BYTES
            self.notes.received(session, packet_id, is_there=False)

    def report(self, level: str, event: str, **fields: object) -> None:
        """Tell the operator."""
        if len(self._reports) < REPORTS_MAX:
            self._reports.append((level, event, list(fields.items())))

    def take_reports(self) -> list[tuple[str, str, list[tuple[str, object]]]]:
        """Return what the operator is to be told."""
        reports, self._reports = self._reports, []
        return reports
