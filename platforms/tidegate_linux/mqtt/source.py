"""The source that subscribes to an MQTT broker: 3.1.1 and 5, plain or TLS.

Promises what the port `Source` does: messages are delivered in the order in which the broker sent
them; one is acknowledged only on the connection on which it came, and only when told so; what was
not acknowledged comes again after a reconnection, because the broker keeps the session.  It
connects for as long as it takes, whatever is wrong, and says what is wrong in `status` and, once
for each change, in a report.

One thread owns the connections, one after the other (`mqtt_connection`); a connection is never used
again.  Everything else only leaves word for that thread and wakes it, so nothing here blocks, and
no commit however slow keeps the thread from answering the broker in time.
"""

import os
import threading
import traceback
from typing import cast

from tidegate.delivery.backoff import RETRY_RUNNING, RETRY_STARTUP, Backoff
from tidegate.delivery.chance import Chance
from tidegate.events import Arrived
from tidegate_linux.mqtt.connection import Connection, ConnectionEndError
from tidegate_linux.mqtt.report import Reporter
from tidegate_linux.mqtt.waker import Waker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import SourceSettings
    from tidegate.ports import Deliver, Observer

CONNECTED = "connected"
CONNECTING = "connecting"
PAUSED = "paused"
CLOSED = "closed"

WAIT_MS = 1000  # How long the thread sleeps at most while it is connected.
STABLE_MS = 10_000  # A connection that lasted so long was a success; only then delays start over.
FLAPS = 3  # So many connections in a row that the broker accepted and ended at once are no chance.
CLOSE_S = 5.0  # What the thread may take to end; it may be looking up a name just now.


class MqttSource:
    """A subscription to one broker."""

    def __init__(
        self,
        name: str,
        settings: "SourceSettings",
        clock_ms: "Callable[[], int]",
        observer: "Observer | None" = None,
    ) -> None:
        """`clock_ms` is the monotonic clock of this boot; reports go to `observer`, if any."""
        if not settings.client_id:
            raise ValueError("a session needs a client id")
        self.name = name
        self._settings = settings
        self._clock_ms = clock_ms
        self._reporter = Reporter(name, settings.url, observer)
        self._backoff = Backoff(RETRY_STARTUP, Chance(int.from_bytes(os.urandom(8), "little")))
        self._waker = Waker()
        self._thread: threading.Thread | None = None
        self._deliver: Deliver | None = None
        # Guards what follows; held for a few instructions only.
        self._lock = threading.Lock()
        self._connection: Connection | None = None  # None as soon as it must not be used.
        self._generation = 0
        self._pause_reason: str | None = None
        self._is_closing = False
        self._state = CONNECTING
        self._since_ms = clock_ms()
        self._last_error = ""
        # Of the thread alone.
        self._is_session_known = False
        self._flaps = 0

    @property
    def generation(self) -> int:
        """Return the generation of the connection that stands, 0 while there is none."""
        with self._lock:
            return 0 if self._connection is None else self._connection.generation

    def start(self, deliver: "Deliver") -> None:
        """Connect, and keep connecting; deliver what comes."""
        assert self._thread is None, "a source is started once"
        self._deliver = deliver
        self._thread = threading.Thread(target=self._run, name=f"mqtt {self.name}", daemon=True)
        self._thread.start()

    def acknowledge(self, generation: int, tokens: "list[object]") -> None:
        """Acknowledge in this order, unless the connection `generation` is gone."""
        with self._lock:
            connection = self._connection
        # If it ends just now, the bytes stay in its own queue and go nowhere.
        if connection is not None and connection.generation == generation:
            connection.acknowledge(cast("list[bytes]", tokens))

    def refuse(self, generation: int, tokens: "list[object]", reason: str) -> None:
        """Acknowledge: a broker cannot be told, and would only send it again."""
        self.acknowledge(generation, tokens)

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Take notes; this source keeps none."""

    def pause(self, reason: str) -> None:
        """Drop the connection and stay away until `resume`."""
        with self._lock:
            self._pause_reason = reason
            # Even if `resume` comes before the thread has noticed: this one is over.
            self._connection = None
        self._waker.set()

    def resume(self) -> None:
        """Connect again after `pause`."""
        with self._lock:
            self._pause_reason = None
        self._waker.set()

    def status(self) -> "dict[str, object]":
        """Return `state`, `since` (by `clock_ms`), `last_error` ("" for none) and more."""
        with self._lock:
            connection = self._connection
            fields: dict[str, object] = {
                "state": self._state,
                "since": self._since_ms,
                "last_error": self._last_error,
                "broker": str(self._settings.url),
                "generation": 0 if connection is None else connection.generation,
            }
        fields.update(self._reporter.totals())
        return fields

    def close(self) -> None:
        """Send the acknowledgements that wait, disconnect and release everything."""
        with self._lock:
            self._is_closing = True
        thread = self._thread
        if thread is not None:
            self._waker.set()
            # It cannot deliver any more even if it takes longer: it looks before it does.
            thread.join(CLOSE_S)
        if thread is None or not thread.is_alive():
            self._waker.close()
        with self._lock:
            self._connection = None
        self._become(CLOSED)

    def _run(self) -> None:
        while not self._is_closing:
            if self._pause_reason is not None:
                self._become(PAUSED, self._pause_reason)
                self._waker.wait(None)
                continue
            self._become(CONNECTING)
            began_ms = self._clock_ms()
            connection = self._new_connection()
            reason = self._serve(connection)
            if reason:
                self._lost(connection, reason, self._clock_ms() - began_ms)
                self._rest()

    def _new_connection(self) -> Connection:
        self._generation += 1
        return Connection(self._settings, self._generation, self._clock_ms, self._waker)

    def _serve(self, connection: Connection) -> str:
        """Use a connection until its end; return the reason, "" when it was our own wish."""
        reason = ""
        try:
            connection.open()
            with self._lock:
                if self._pause_reason is None:
                    self._connection = connection
            self._pump(connection)
        except ConnectionEndError as error:
            reason = self._reason(connection, error)
        except Exception as error:
            # A bug here must not end the other sources, nor this one for good.
            self._reporter.failed(traceback.format_exc())
            reason = f"a bug: {type(error).__name__}: {error}"
        with self._lock:
            self._connection = None
        connection.close(is_polite=not reason)
        return reason

    def _pump(self, connection: Connection) -> None:
        """Deliver what comes for as long as the connection may be used."""
        deliver = self._deliver
        assert deliver is not None
        stable_ms = self._clock_ms() + STABLE_MS
        is_told = is_stable = False
        while connection is self._connection and not self._is_closing:
            messages = connection.step(WAIT_MS)
            if connection is not self._connection or self._is_closing:
                return
            if messages:
                deliver(Arrived(self.name, connection.generation, messages, [], None))
            self._reporter.looked(connection)
            if connection.is_subscribed and not is_told:
                is_told = True
                self._connected(connection)
            if not is_stable and is_told and self._clock_ms() >= stable_ms:
                is_stable = True
                self._proven(connection)

    def _connected(self, connection: Connection) -> None:
        self._become(CONNECTED)
        self._reporter.connected(connection, self._is_session_known)
        self._is_session_known = True
        if connection.refused_filters:
            filter, why = next(iter(connection.refused_filters.items()))
            self._become(CONNECTED, f"the subscription to {filter} was refused {why}")

    def _proven(self, connection: Connection) -> None:
        """A connection has lasted: the next loss is the first one."""
        self._flaps = 0
        self._reporter.proven()
        self._backoff = Backoff(RETRY_RUNNING, Chance(int.from_bytes(os.urandom(8), "little")))
        if not connection.refused_filters:
            with self._lock:
                self._last_error = ""

    def _reason(self, connection: Connection, error: ConnectionEndError) -> str:
        """Return why a connection ended; see what several short ones mean."""
        reason = str(error)
        self._flaps = self._flaps + 1 if connection.is_accepted else 0
        if self._flaps >= FLAPS and not error.is_taken_over:
            client_id = self._settings.client_id
            reason += f", again and again: does another client use the client id {client_id}?"
        return reason

    def _lost(self, connection: Connection, reason: str, lasted_ms: int) -> None:
        self._become(CONNECTING, reason)
        self._reporter.lost(reason, connection.is_accepted, lasted_ms)

    def _rest(self) -> None:
        """Wait before the next attempt, unless told otherwise meanwhile."""
        at_ms = self._backoff.failed(self._clock_ms())
        assert at_ms is not None, "a source never gives up"
        while not self._is_closing and self._pause_reason is None:
            left_ms = at_ms - self._clock_ms()
            if left_ms <= 0:
                return
            self._waker.wait(left_ms)

    def _become(self, state: str, error: str = "") -> None:
        with self._lock:
            if state != self._state:
                self._state = state
                self._since_ms = self._clock_ms()
            if error:
                self._last_error = error
