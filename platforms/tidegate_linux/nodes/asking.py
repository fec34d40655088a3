"""A node's request as it comes over MQTT, and the payload that answers it: protocol, section 9."""

import json
from typing import TYPE_CHECKING

from tidegate.errors import ProtocolError
from tidegate_hub.answers import Answer, foreign_stream, refused_bytes
from tidegate_linux.endpoint.broker.requests import BATCH, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tidegate_linux.endpoint.access.topics import Judge

    class Asked(Protocol):
        """Who answers: `NodeReceiver`, for any thread, without waiting."""

        def receive(
            self,
            name: str,
            owner: str,
            body: bytes,
            reply: Callable[[Answer], None],
            deflated: bool = True,
            judge: Judge | None = None,
        ) -> None:
            """Take a batch."""

        def standing(
            self, name: str, owner: str, at_text: str, reply: Callable[[Answer], None]
        ) -> None:
            """Tell how a stream stands."""


QUERY_BYTES_MAX = 128  # A stream's name, a space, a number.


def ask(
    nodes: "Asked",
    place: Place,
    payload: bytes,
    owner: str,
    judge: "Judge",
    reply: "Callable[[bytes], None]",
) -> None:
    """Pass a request on; `reply` gets the payload of the answer, from any thread.

    A batch is not deflated: a broker's packet bounds it, and nobody pays for more than that.
    `judge` says what its records may be about; it is called by the thread of `nodes`.
    """

    def answered(answer: Answer) -> None:
        reply(answer_payload(place.token, answer))

    if place.kind == BATCH:
        nodes.receive(place.node, owner, payload, answered, deflated=False, judge=judge)
        return
    try:
        name, at_text = _read_query(place.node, payload)
    except ProtocolError as error:
        answered(refused_bytes(error))
        return
    nodes.standing(name, owner, at_text, answered)


def answer_payload(token: int, answer: Answer) -> bytes:
    """Return what is published as the answer to the request `token`."""
    fields: dict[str, object] = {"token": token, "status": answer.status, **answer.fields}
    if answer.retry_after_s:
        fields["retry_after"] = str(answer.retry_after_s)
    return json.dumps(fields, separators=(",", ":")).encode()


def _read_query(node: str, payload: bytes) -> tuple[str, str]:
    """Return the stream and the number that a query asks about, as they were written."""
    if len(payload) > QUERY_BYTES_MAX or not payload.isascii():
        raise ProtocolError("bad-stream", "a query is a stream's name, or that and a number")
    name, _, at_text = payload.decode().partition(" ")
    if not name.startswith(f"{node}."):
        raise foreign_stream(repr(name), node)
    return name, at_text
