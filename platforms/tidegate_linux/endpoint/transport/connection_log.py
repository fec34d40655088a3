"""What the operator is told of connections: each at first, then only how many, by what happened.

A site whose switch restarts has thousands of connections end and begin within seconds; so many
lines would push everything else out of the log.
"""

import ssl
from typing import TYPE_CHECKING

from tidegate_linux.tls_faults import explain_tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.ports import Observer

WINDOW_MS = 10_000
TEXT_MAX = 200  # Characters of what a client chose: its id, a topic.
LINES_MAX = 20  # In a window, of one kind; what is more is counted and told at its end.


class ConnectionLog:
    """Reports of one endpoint, bounded in rate."""

    def __init__(self, observer: "Observer | None", now_ms: "Callable[[], int]") -> None:
        self._observer = observer
        self._now_ms = now_ms
        self._ends_ms = 0
        self._counts: dict[tuple[str, str], int] = {}
        self.refused_links = 0

    def tell(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Report, or count, what happened."""
        if self._observer is None:
            return
        self.look()
        count = self._counts.get((level, event), 0) + 1
        self._counts[(level, event)] = count
        if count <= LINES_MAX:
            self._observer.report(level, event, [(name, _short(value)) for name, value in fields])

    def look(self) -> None:
        """Tell what was counted only, if the window is over."""
        now_ms = self._now_ms()
        if now_ms < self._ends_ms or self._observer is None:
            return
        self._ends_ms = now_ms + WINDOW_MS
        counts, self._counts = self._counts, {}
        for (level, event), count in counts.items():
            if count > LINES_MAX:
                fields: list[tuple[str, object]] = [
                    ("count", count - LINES_MAX), ("within_s", WINDOW_MS // 1000)
                ]  # fmt: skip
                self._observer.report(level, f"{event}_more", fields)

    def refused(self, address: str, reason: str) -> None:
        """A connection did not come as far as MQTT, or no further."""
        self.refused_links += 1
        self.tell("info", "client_refused", [("address", address), ("reason", reason)])

    def tls_failed(self, address: str, error: OSError) -> None:
        """A TLS handshake failed."""
        if isinstance(error, ssl.SSLError):
            self.refused(address, explain_tls(error, "the client", "mqtt://"))
        else:
            self.refused(address, "the client broke off the TLS handshake")

    def login_refused(self, address: str, username: str, reason: str) -> None:
        """A login was wrong, or not looked at."""
        fields: list[tuple[str, object]] = [
            ("address", address), ("user", username), ("reason", reason)
        ]  # fmt: skip
        self.tell("warning", "login_refused", fields)


def _short(value: object) -> object:
    """Return a text that fits a line: what a client chose may be 65,535 bytes long."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str) and len(value) > TEXT_MAX:
        return f"{value[:TEXT_MAX]}... ({len(value)} characters)"
    return value
