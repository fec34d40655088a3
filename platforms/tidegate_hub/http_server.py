"""The HTTP server around an application: how long it waits for whom, and how it ends.

The hub's, and a gateway's for its nodes: no database in it.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from socket import socket

import uvicorn
from starlette.applications import Starlette

from tidegate_hub.app import Hub, build_app
from tidegate_hub.heads import Heads

BACKLOG = 512  # After an outage many gateways come at once.
KEEP_ALIVE_S = 75  # Longer than a gateway pauses between batches, so that it keeps its connection.
STOP_POLL_S = 0.1
HEADS_POLL_S = 1.0
GRACE_S = 30  # A batch in flight takes milliseconds; this is for a database that has become slow.


async def run_server(server: uvicorn.Server, sockets: Sequence[socket]) -> None:
    """Serve until the server's `should_exit` is set and what is in flight has ended."""
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    heads, look_at_s = Heads(KEEP_ALIVE_S), 0.0
    while not serving.done():
        await asyncio.wait([serving], timeout=STOP_POLL_S)
        if time.monotonic() >= look_at_s:
            look_at_s = time.monotonic() + HEADS_POLL_S
            for connection in heads.overdue(server.server_state.connections, time.monotonic()):
                connection.transport.abort()
        if server.should_exit:
            # uvicorn asks its connections to end only once; one that was just being accepted
            # misses that, and an idle one would hold the process until the grace is over.
            for connection in list(server.server_state.connections):
                connection.shutdown()
    await serving


def server_for(hub: Hub) -> uvicorn.Server:
    """Return a server for `hub`; it ends when its `should_exit` is set."""
    return server_of(build_app(hub))


def server_of(
    app: Starlette, context: ssl.SSLContext | None = None, grace_s: int = GRACE_S
) -> uvicorn.Server:
    """Return a server for `app`, with TLS where a `context` is given."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="off",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )
    if context is not None:
        # A context of ours and not files: uvicorn would ask for a passphrase on the terminal.
        config.load()
        config.ssl = context
    return uvicorn.Server(config)
