"""What a source tells the operator: each change once, not each attempt."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.url import Url
    from tidegate.ports import Observer
    from tidegate_linux.mqtt.connection import Connection
    from tidegate_linux.mqtt.intake import Intake


class Reporter:
    """Reports of one source, and its totals over all connections."""

    def __init__(self, source: str, url: "Url", observer: "Observer | None") -> None:
        self._source = source
        self._broker = str(url)
        self._observer = observer
        self._last_reason = ""  # Of a loss since the last connection that held.
        self._is_quiet = False  # The same loss again: neither it nor what came between is told.
        self._refused_filters: dict[str, str] = {}
        self._unsafe_filters: list[str] = []
        self._stray = ""
        self._totals = {"connections": 0, "refused": 0, "trimmed": 0}
        self._refused_told = 0
        self._intake: Intake | None = None  # Of the connection that stands,
        self._seen = (0, 0)  # and what of it is in the totals already.

    def totals(self) -> "dict[str, object]":
        """Return what is counted, for the status."""
        return {**self._totals, "refused_filters": dict(self._refused_filters)}

    def connected(self, connection: "Connection", is_session_known: bool) -> None:
        """Tell of a connection that is subscribed."""
        self._totals["connections"] += 1
        if is_session_known and not connection.session_present:
            why = "the broker forgot the session: what it had not delivered is gone"
            self._tell("warning", "source_session_lost", [("reason", why)])
        for filter in connection.unsafe_filters:
            if filter not in self._unsafe_filters:
                self._unsafe_filters.append(filter)
                why = "granted at QoS 0 only: what comes while the connection is down is lost"
                self._tell("warning", "source_unsafe", [("filter", filter), ("reason", why)])
        if not self._is_quiet:
            session = "kept" if connection.session_present else "new"
            self._tell("info", "source_connected", [("session", session)])

    def proven(self) -> None:
        """Tell, if nothing was told, that the connection holds."""
        if self._is_quiet:
            self._tell("info", "source_connected", [])
        self._is_quiet = False
        self._last_reason = ""

    def lost(self, reason: str, was_accepted: bool, lasted_ms: int) -> None:
        """Tell why there is no connection, unless that was the last thing told."""
        self._is_quiet = reason == self._last_reason
        if self._is_quiet:
            return
        self._last_reason = reason
        fields: list[tuple[str, object]] = [("reason", reason)]
        if was_accepted:
            fields.append(("lasted_ms", lasted_ms))
        self._tell("warning", "source_lost" if was_accepted else "source_unreachable", fields)

    def failed(self, trace: str) -> None:
        """Tell of a bug."""
        self._tell("error", "source_bug", [("trace", trace)])

    def looked(self, connection: "Connection") -> None:
        """Tell and count what of the connection that stands was refused, here or there."""
        intake = connection.intake
        if intake is not self._intake:
            self._intake = intake
            self._seen = (0, 0)
        if connection.refused_filters != self._refused_filters and connection.is_subscribed:
            self._refused(connection.refused_filters)
        if (intake.refused, intake.trimmed) != self._seen:
            self._count(intake)
        if intake.stray and not self._stray:
            self._stray = intake.stray
            why = "no configured topic matches it: the session keeps an older subscription"
            self._tell("warning", "source_stray", [("topic", intake.stray), ("reason", why)])

    def _refused(self, filters: "dict[str, str]") -> None:
        for filter, reason in filters.items():
            if self._refused_filters.get(filter) != reason:
                fields: list[tuple[str, object]] = [("filter", filter), ("reason", reason)]
                self._tell("error", "subscription_refused", fields)
        for filter in self._refused_filters:
            if filter not in filters:
                self._tell("info", "subscription_granted", [("filter", filter)])
        self._refused_filters = dict(filters)

    def _count(self, intake: "Intake") -> None:
        refused, trimmed = intake.refused - self._seen[0], intake.trimmed - self._seen[1]
        self._seen = (intake.refused, intake.trimmed)
        self._totals["refused"] += refused
        self._totals["trimmed"] += trimmed
        # At 1, 2, 4, 8, …: a device that keeps at it does not fill the log.
        if refused and self._totals["refused"] >= 2 * self._refused_told:
            self._refused_told = self._totals["refused"]
            topic, why = intake.refused_last
            fields: list[tuple[str, object]] = [("topic", topic), ("reason", why)]
            self._tell("warning", "message_refused", [*fields, ("count", self._refused_told)])

    def _tell(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        if self._observer is not None:
            known: list[tuple[str, object]] = [("source", self._source), ("broker", self._broker)]
            self._observer.report(level, event, known + fields)
