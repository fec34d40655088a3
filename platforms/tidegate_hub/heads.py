"""How long a peer may take to say what it wants.

uvicorn bounds how long a connection may be silent between two requests, but not how slowly the
lines of a request may come: who sends a byte now and then holds a connection for ever, and a few
hundred of them hold all there are.  A body has its own bounds, see `body`.
"""

from collections.abc import Iterable
from typing import Any

HEAD_S = 20  # A head has a few hundred bytes: a satellite line with losses takes seconds.


class Heads:
    """Finds the connections of a server that are overdue with a request's head.

    `pause_s` is what the server itself allows between two requests.
    """

    def __init__(self, pause_s: float, head_s: float = HEAD_S) -> None:
        self._pause_s = pause_s
        self._head_s = head_s
        self._since: dict[Any, tuple[object, float]] = {}  # The last request there was, and when.

    def overdue(self, connections: Iterable[Any], now_s: float) -> list[Any]:
        """Return those that have had no request under way for too long; call it each second.

        A connection is one of uvicorn's protocols; its `cycle` is the request that it serves, or
        has served last.
        """
        before, self._since = self._since, {}
        overdue = []
        for connection in connections:
            cycle = connection.cycle
            if cycle is not None and not cycle.response_complete:
                continue
            was, since_s = before.get(connection, (cycle, now_s))
            since_s = since_s if was is cycle else now_s
            self._since[connection] = (cycle, since_s)
            allowed_s = self._head_s + (0 if cycle is None else self._pause_s)
            if now_s - since_s > allowed_s:
                overdue.append(connection)
        return overdue
