"""Checks of logins, off the event loop: scrypt takes tens of milliseconds on purpose.

Promises that an address which guesses is told no without a check, so that guessing costs us
nothing, and that no secret is in any report.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.transport.limits import (
    LOGIN_THREADS,
    LOGINS_WAITING_MAX,
    REST_PARTS,
    REST_S_MAX,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tidegate_linux.endpoint.access.logins import Logins
    from tidegate_linux.endpoint.access.users import Users
    from tidegate_linux.endpoint.broker.connection import Login
    from tidegate_linux.endpoint.transport.channel import Channel
    from tidegate_linux.endpoint.transport.connection_log import ConnectionLog


class LoginChecks:
    """Answers logins through `tell(channel, is_right)`, in the thread of the event loop."""

    def __init__(
        self,
        loop: "asyncio.AbstractEventLoop",
        users: "Users",
        logins: "Logins",
        connection_log: "ConnectionLog",
        now_ms: "Callable[[], int]",
        tell: "Callable[[Channel, Login, bool], None]",
    ) -> None:
        self._loop = loop
        self._users = users
        self._logins = logins
        self._connection_log = connection_log
        self._now_ms = now_ms
        self._tell = tell
        self._waiting = 0
        self._threads = ThreadPoolExecutor(LOGIN_THREADS, "endpoint login")
        self.refused = 0  # Logins that were wrong, barred or too many.

    def ask(self, channel: "Channel", login: "Login") -> None:
        """Have a login checked; the answer comes later, never from within this call."""
        if self._logins.is_barred(channel.address, self._now_ms()):
            self._refuse(channel, login, "too many wrong logins from this address")
        elif self._users.is_seen(login.username, login.password):
            # A fleet that is known comes in, however many others guess.
            self._loop.call_soon(self._tell, channel, login, True)
        elif self._waiting >= LOGINS_WAITING_MAX:
            # Counts, or who fills the queue could try what is remembered as often as it likes.
            self._logins.failed(channel.address, self._now_ms())
            self._refuse(channel, login, "too many logins at a time")
        else:
            self._waiting += 1
            self._threads.submit(self._check, channel, login)

    def close(self) -> None:
        """Check no more."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _check(self, channel: "Channel", login: "Login") -> None:
        """In a thread of the pool."""
        is_right = False
        began_s = time.monotonic()
        try:
            is_right = self._users.check(login.username, login.password)
        finally:
            # If the loop has ended, the connection has too.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._checked, channel, login, is_right)
        if not is_right:
            # Guesses from ever new addresses leave most of the processor to the others.
            time.sleep(min(REST_S_MAX, REST_PARTS * (time.monotonic() - began_s)))

    def _checked(self, channel: "Channel", login: "Login", is_right: bool) -> None:
        self._waiting -= 1
        if is_right:
            self._tell(channel, login, True)
            return
        self._logins.failed(channel.address, self._now_ms())
        self.refused += 1
        self._connection_log.login_refused(
            channel.address, login.username, "wrong name or password"
        )
        self._tell(channel, login, False)

    def _refuse(self, channel: "Channel", login: "Login", why: str) -> None:
        self.refused += 1
        self._connection_log.login_refused(channel.address, login.username, why)
        self._loop.call_soon(self._tell, channel, login, False)
