"""What can happen to a gateway.  Events are batches, so that the price of a call is shared."""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.span import Span
    from tidegate.store.journal import JournalState, Usage


class Message(
    namedtuple(
        "Message", ("topic", "payload", "flags", "properties", "identity", "ticks_ms", "token")
    )
):
    """One message as a source received it.

    `topic` was checked by the source.  `identity` is the producer's own name for the message, or
    `b""`: two messages on one topic with one identity are one message.  `token` is the source's
    own handle to acknowledge it with, or None where nothing is to be acknowledged (QoS 0).
    """

    __slots__ = ()
    topic: bytes
    payload: bytes
    flags: int
    properties: bytes
    identity: bytes
    ticks_ms: int
    token: object


class Recovered(namedtuple("Recovered", ("state",))):
    """A journal was opened; what was known of an earlier one is void."""

    __slots__ = ()
    state: "JournalState"


class Arrived(namedtuple("Arrived", ("source", "generation", "messages", "notes", "receipt"))):
    """Messages came in on connection `generation` of `source`, in this order.

    `notes` are (key, value) pairs that the source wants kept in the transaction of the messages; a
    value of None deletes.  `receipt` is the source's handle for the whole arrival, whose messages
    then have no tokens of their own; None where each message is acknowledged by itself.
    """

    __slots__ = ()
    source: str
    generation: int
    messages: "list[Message]"
    notes: "list[tuple[bytes, bytes | None]]"
    receipt: object


class Sought(namedtuple("Sought", ("source", "generation", "first", "stop", "count_max"))):
    """A source wants its durable notes with `first` <= key < `stop`, `count_max` at most.

    Without a journal nobody answers: the source asks again after `resume`.
    """

    __slots__ = ()
    source: str
    generation: int
    first: bytes
    stop: bytes
    count_max: int


class Stored(namedtuple("Stored", ("usage",))):
    """A sync succeeded."""

    __slots__ = ()
    usage: "Usage"


class Fetched(namedtuple("Fetched", ("lane", "span"))):
    """What a `Fetch` read."""

    __slots__ = ()
    lane: str
    span: "Span"


class Located(namedtuple("Located", ("lane", "seq", "hash_at"))):
    """What a `Locate` found; `hash_at` is None where the journal does not know it."""

    __slots__ = ()
    lane: str
    seq: int
    hash_at: "int | None"


class Failed(namedtuple("Failed", ("kind", "detail"))):
    """The journal refused an effect: nothing since the last sync is durable, the list was cut off.

    A `Recovered` follows when the journal could be opened again.
    """

    __slots__ = ()
    kind: str
    detail: str


class Answered(namedtuple("Answered", ("token", "status", "fields", "retry_after", "sent_bytes"))):
    """The target answered the request `token`.

    `status` as in HTTP (RFC 9110 section 15); `fields` is the decoded JSON body or None;
    `retry_after` is the text of that header or None; `sent_bytes` is what went out on the line.
    """

    __slots__ = ()
    token: int
    status: int
    fields: object
    retry_after: "str | None"
    sent_bytes: int


class Unanswered(namedtuple("Unanswered", ("token", "reason", "sent_bytes"))):
    """The request `token` got no answer: what it did at the target is unknown."""

    __slots__ = ()
    token: int
    reason: str
    sent_bytes: int


class Gathered(namedtuple("Gathered", ("arrivals",))):
    """All that has arrived while the last commit ran: one commit for all of it."""

    __slots__ = ()
    arrivals: "list[Arrived]"


class ClockRead(namedtuple("ClockRead", ("wall_ms", "quality"))):
    """The wall clock as it stands at `now_ms`."""

    __slots__ = ()
    wall_ms: int
    quality: int


class Ticked(namedtuple("Ticked", ())):
    """A deadline has come."""

    __slots__ = ()


if TYPE_CHECKING:
    Event = (
        Recovered | Arrived | Sought | Gathered | Stored | Fetched | Located | Failed | Answered
        | Unanswered | ClockRead | Ticked
    )  # fmt: skip
