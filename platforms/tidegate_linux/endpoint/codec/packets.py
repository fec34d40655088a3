"""What the reader makes of a client's packets, and the error with which it refuses one.

Topics, filters and payloads are bytes as they came; client ids and user names are text.  Where a
3.1.1 packet says nothing of what 5.0 has, the values are those that mean the same.
"""

from typing import NamedTuple

PUBACK, PUBREC, PUBREL, PUBCOMP = 4, 5, 6, 7  # Packet types, section 2.1.2.

NEVER_S = 0xFFFFFFFF  # A session expiry that never comes [MQTT-3.1.2.11.2].
NO_RECEIVE_MAXIMUM = 65535  # What is meant where a client names none (5.0, 3.1.2.11.3).


class PacketError(Exception):
    """A client broke the protocol; its connection has to end.

    `reason` is the reason code of MQTT 5 that says how, `text` what was wrong, for people.
    """

    def __init__(self, reason: int, text: str) -> None:
        Exception.__init__(self, reason, text)
        self.reason = reason
        self.text = text


class PublishExtra(NamedTuple):
    """The properties of a PUBLISH or of a will (5.0, 3.3.2.3).

    `forwarded` are the bytes of those that are passed on unaltered and in their order (payload
    format, content type, response topic, correlation data, user properties); `pairs` what a record
    keeps of them, the content type as if it were a user property of that name.
    """

    forwarded: bytes
    pairs: list[tuple[bytes, bytes]]
    expiry_s: int | None
    alias: int  # 0 for none.
    response_topic: bytes


class Will(NamedTuple):
    """What to publish when the connection ends without a DISCONNECT."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    delay_s: int
    extra: PublishExtra | None


class Connect(NamedTuple):
    """CONNECT; `packet_bytes_max` is 0 where the client takes packets of any size."""

    version: int  # 4 for 3.1.1, or 5.
    client_id: str
    clean_start: bool
    keepalive_s: int
    username: str | None
    password: bytes | None
    will: Will | None
    session_expiry_s: int
    receive_maximum: int
    packet_bytes_max: int
    topic_alias_max: int
    request_response: int
    request_problem: int
    auth_method: str | None
    user_properties: list[tuple[bytes, bytes]]


class Publish(NamedTuple):
    """PUBLISH; `extra` is None where it has no properties."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    extra: PublishExtra | None


class Acknowledgement(NamedTuple):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: int
    packet_id: int
    reason: int


class Request(NamedTuple):
    """One filter of a SUBSCRIBE with its options."""

    filter: bytes
    qos: int
    no_local: bool
    retain_as_published: bool
    retain_handling: int


class Subscribe(NamedTuple):
    """SUBSCRIBE; `identifier` is 0 for none."""

    packet_id: int
    requests: list[Request]
    identifier: int


class Unsubscribe(NamedTuple):
    """UNSUBSCRIBE."""

    packet_id: int
    filters: list[bytes]


class Ping(NamedTuple):
    """PINGREQ."""


class Disconnect(NamedTuple):
    """DISCONNECT; `session_expiry_s` is None where it does not change."""

    reason: int
    session_expiry_s: int | None


class Auth(NamedTuple):
    """AUTH (5.0)."""

    reason: int
    method: str | None


Packet = Connect | Publish | Acknowledgement | Subscribe | Unsubscribe | Ping | Disconnect | Auth
