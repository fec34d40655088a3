"""The endpoint inside its thread: broker, transport and turn_queue put together.

It is what the source is around a thread: made and called in that thread alone.  `fields` is what
the status says, replaced as a whole, so that any thread may read it.
"""

import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.delivery.chance import Chance
from tidegate.gateway import LISTEN
from tidegate_linux.endpoint.access.logins import Logins
from tidegate_linux.endpoint.access.rules import Rules
from tidegate_linux.endpoint.access.users import Users, UsersError
from tidegate_linux.endpoint.broker.broker import Broker
from tidegate_linux.endpoint.figures import figures
from tidegate_linux.endpoint.transport.connection_log import ConnectionLog
from tidegate_linux.endpoint.transport.limits import HOUSEKEEPING_S
from tidegate_linux.endpoint.transport.listeners import Listener, raise_file_limit
from tidegate_linux.endpoint.transport.server import Server
from tidegate_linux.endpoint.turn_queue import ASKING, LOADING, PAUSED, TurnQueue

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tidegate.config.settings import GatewaySettings
    from tidegate.ports import Deliver, Observer
    from tidegate_linux.endpoint.broker.requests import Request

USERS_FILE = "users"  # In the data folder, unless the configuration names another.
GOODBYE_S = 1.0  # What clients may take to read why they are sent away.
GOODBYE_STEP_S = 0.02
CLIENT_ID_BYTES = 10  # 80 random bits: never the same twice.

CONNECTED = "connected"
CONNECTING = "connecting"
_STATES = {LOADING: CONNECTING, PAUSED: "paused", ASKING: CONNECTING}


class Endpoint:
    """Broker, transport and turn_queue of one endpoint."""

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        settings: "GatewaySettings",
        deliver: "Deliver",
        clock_ms: "Callable[[], int]",
        observer: "Observer | None",
        ask: "Callable[[Request], None] | None" = None,
    ) -> None:
        """`ask` takes what nodes ask, from this thread; the answer goes to `answered`."""
        endpoint = settings.endpoint
        self._loop = loop
        self._clock_ms = clock_ms
        self._connection_log = ConnectionLog(observer, clock_ms)
        raise_file_limit(endpoint.connections_max, self._connection_log.tell)
        folder = Path(settings.node.data)
        self._users = Users(endpoint.users_file or folder / USERS_FILE)
        self._broker = Broker(
            endpoint, Rules(settings.access), _new_client_id, takes_nodes=ask is not None
        )
        self._load_users()
        self._broker.hold(True)
        self.turn_queue = TurnQueue(LISTEN, deliver, self)
        logins = Logins(endpoint.login_failures_per_minute)
        self._server = Server(
            loop, endpoint, self._broker, self.turn_queue, self._users, logins,
            self._connection_log, clock_ms, ask,
        )  # fmt: skip
        chance = Chance(int.from_bytes(os.urandom(8), "little"))
        self._listeners = [Listener(loop, one, self._server, chance) for one in settings.listeners]
        self._is_serving = False
        self._is_closing = False
        self._pause_reason = ""
        self._bug = ""
        self._since_ms = clock_ms()
        self.fields: dict[str, object] = {}
        self.note_state()

    def pause(self, reason: str) -> None:
        """Hold the clients up until `resume`; their connections stand."""
        self._pause_reason = reason
        self.turn_queue.pause()
        self.note_state()

    def answered(self, request: "Request", payload: bytes) -> None:
        """Bring the answer to what a node has asked."""
        self._broker.answered(request, payload, self._clock_ms())

    def look(self) -> None:
        """Do what follows from what was told."""
        self._server.look()

    def reload(self) -> None:
        """Read the TLS files and the users again; what is of no use leaves the old ones."""
        self._load_users()
        for listener in self._listeners:
            listener.reload()
        self._connection_log.tell("info", "listeners_reloaded", [])
        self.note_state()

    def start_to_close(self) -> None:
        """Send the clients away; the loop is stopped when they are gone, or too slow."""
        self._is_closing = True
        for listener in self._listeners:
            listener.close()
        self._server.say_goodbye()
        self._await_goodbyes(self._loop.time() + GOODBYE_S)

    def close(self) -> None:
        """Let go of everything."""
        for listener in self._listeners:
            listener.close()
        self._server.close()

    # What the turn_queue tells.

    def loaded(self, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Take a page of what earlier runs left."""
        self._broker.restore(pairs, self._clock_ms(), _wall_ms())

    def settled(self, number: int, refused: bool) -> None:
        """Let go what hangs on a turn."""
        self._broker.settled(number, refused, self._clock_ms())

    def found(self, pairs: "list[tuple[bytes, bytes]]") -> None:
        """Hand the broker the notes that it asked for."""
        self._broker.found(pairs, self._clock_ms())

    def running(self) -> None:
        """Let clients in, at the first time; they are in already after a pause."""
        self._pause_reason = ""
        if not self._is_serving and not self._is_closing:
            self._is_serving = True
            now_ms = self._clock_ms()
            self._broker.restored(now_ms)
            self._broker.tick(now_ms, _wall_ms())
            for listener in self._listeners:
                listener.open()
            self._keep_house()
        self.note_state()

    def hold(self, is_held: bool) -> None:
        """Take nothing in for now, or go on."""
        self._server.hold(is_held)

    def note_state(self) -> None:
        """Make what the status says."""
        state = _STATES.get(self.turn_queue.state, CONNECTED)
        if state == CONNECTED and not all(listener.is_open for listener in self._listeners):
            state = CONNECTING
        if state != self.fields.get("state"):
            self._since_ms = self._clock_ms()
        problems = [
            f"{listener.url}: {listener.problem}"
            for listener in self._listeners
            if listener.problem
        ]
        self.fields = {
            "state": state,
            "since": self._since_ms,
            "last_error": self._pause_reason or self._bug or "; ".join(problems),
            "broker": " ".join(listener.url for listener in self._listeners),
            "generation": self.turn_queue.generation,
            **figures(self._server, self.turn_queue),
        }

    def failed(self, _loop: "asyncio.AbstractEventLoop", context: "dict[str, object]") -> None:
        """Take what a callback of the loop has raised."""
        error = context.get("exception")
        self.blame(error if isinstance(error, Exception) else RuntimeError(context.get("message")))

    def blame(self, error: Exception) -> None:
        """A bug of ours: say so, and go on for the sake of the other connections."""
        self._bug = f"a bug: {error!r}"
        trace = "".join(traceback.format_exception(error))
        self._connection_log.tell("error", "endpoint_bug", [("trace", trace)])

    def _keep_house(self) -> None:
        self._server.keep_house()
        self.note_state()
        self._loop.call_later(HOUSEKEEPING_S, self._keep_house)

    def _load_users(self) -> None:
        try:
            self._users.load()
            self._broker.know_users(bool(self._users.names()))
        except UsersError as error:
            # A file that cannot be read does not mean that nobody has a name here.
            self._broker.know_users(True)
            fields: list[tuple[str, object]] = [("reason", error.what), ("hint", error.hint)]
            self._connection_log.tell("error", "users_kept", fields)

    def _await_goodbyes(self, until_s: float) -> None:
        if self._server.count == 0 or self._loop.time() >= until_s:
            self._loop.stop()
        else:
            self._loop.call_later(GOODBYE_STEP_S, self._await_goodbyes, until_s)


def _new_client_id() -> str:
    return f"tidegate-{os.urandom(CLIENT_ID_BYTES).hex()}"


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
