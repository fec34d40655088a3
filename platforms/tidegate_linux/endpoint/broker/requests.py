"""What nodes ask on the topics that begin with `$tidegate/`: see docs/protocol.md, section 9.

Nothing there is a message: it is not retained, routed or uplinked.  A node publishes to
`$tidegate/<node>/batch/<token>` or `$tidegate/<node>/query/<token>`, and is answered on
`$tidegate/<node>/answer`.  Everything else there is nobody's to publish.
"""

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tidegate_linux.endpoint.broker.connection import Connection
    from tidegate_linux.endpoint.broker.session import Session

RESERVED = b"$tidegate/"

BATCH = "batch"
QUERY = "query"

# A token is as long as a number that every JSON reader keeps exactly.
_REQUEST = re.compile(rb"\$tidegate/([0-9a-f]{16})/(batch|query)/(0|[1-9][0-9]{0,14})")


class Place(NamedTuple):
    """What a topic asks for."""

    node: str
    kind: str
    token: int


class Request(NamedTuple):
    """What a client asks, and on which connection and session it waits for the answer."""

    place: Place
    payload: bytes
    user: str
    connection: "Connection"
    session: "Session"


def parse_place(topic: bytes) -> Place | None:
    """Return what `topic` asks for, None where that is nothing."""
    found = _REQUEST.fullmatch(topic)
    if found is None:
        return None
    node, kind, token = found.groups()
    return Place(node.decode(), kind.decode(), int(token))


def answer_topic(node: str) -> bytes:
    """Return where a node is answered."""
    return b"$tidegate/%s/answer" % node.encode()
