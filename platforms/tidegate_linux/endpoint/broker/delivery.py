"""A message on its way to subscribers."""

from typing import NamedTuple

from tidegate_linux.endpoint.broker.limits import DELIVERY_OVERHEAD_BYTES


class Delivery(NamedTuple):
    """One message as it was published; what differs from subscriber to subscriber is not in it.

    `forwarded` are the raw MQTT 5 property bytes that go on unaltered, in order [MQTT-3.3.2-17]
    [MQTT-3.3.2-18].  `expires_at_ms` is on the clock of `now_ms`, None for never.  `publisher` is
    the client id, for No Local [MQTT-3.8.3-3]; b"" properties and "" stand for none.
    """

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    forwarded: bytes
    expires_at_ms: int | None
    publisher: str


def size_of(delivery: Delivery) -> int:
    """Return what a delivery counts towards limits, in bytes: the same before and after a crash."""
    return (
        DELIVERY_OVERHEAD_BYTES
        + len(delivery.topic)
        + len(delivery.payload)
        + len(delivery.forwarded)
    )


def is_expired(delivery: Delivery, now_ms: int) -> bool:
    """Tell whether a delivery is too old to be sent for the first time [MQTT-3.3.2-5]."""
    return delivery.expires_at_ms is not None and delivery.expires_at_ms <= now_ms


def remaining_s(delivery: Delivery, now_ms: int) -> int | None:
    """Return the message expiry interval to send on, None for none [MQTT-3.3.2-6].

    Rounded up: 0 would mean expired, and what was sent before goes out again even then.
    """
    if delivery.expires_at_ms is None:
        return None
    return max(1, (delivery.expires_at_ms - now_ms + 999) // 1000)
