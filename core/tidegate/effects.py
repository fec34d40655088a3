"""What a gateway wants done.  The order in a list is binding: an effect is carried out only after
those before it have succeeded.  `[Append, Sync, Acknowledge]` is all there is to "durable before
acknowledged" (P1)."""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.stream import Stream
    from tidegate.store.journal import Entry
    from tidegate.wire.batch import Batch


class Append(namedtuple("Append", ("entries",))):
    """Add entries to the journal."""

    __slots__ = ()
    entries: "list[Entry]"


class Sync(namedtuple("Sync", ())):
    """Make all that was appended durable; the engine answers with `Stored`."""

    __slots__ = ()


class Acknowledge(namedtuple("Acknowledge", ("source", "generation", "tokens"))):
    """Acknowledge messages, in this order, if connection `generation` still stands."""

    __slots__ = ()
    source: str
    generation: int
    tokens: "list[object]"


class Refuse(namedtuple("Refuse", ("source", "generation", "tokens", "reason"))):
    """Answer as `Acknowledge` does: all of it is durable, but as a gap, for there was no room.

    A source that can say so to its client says so; any other acknowledges.
    """

    __slots__ = ()
    source: str
    generation: int
    tokens: "list[object]"
    reason: str


class Seek(namedtuple("Seek", ("source", "generation", "first", "stop", "count_max"))):
    """Read notes of a source, `first` <= key < `stop`, and hand them to it."""

    __slots__ = ()
    source: str
    generation: int
    first: bytes
    stop: bytes
    count_max: int


class Pause(namedtuple("Pause", ("source", "reason"))):
    """Drop the source's connection and stay away: what was not acknowledged comes again later
    [MQTT-4.4.0-1]."""

    __slots__ = ()
    source: str
    reason: str


class Resume(namedtuple("Resume", ("source",))):
    """Take messages from the source again."""

    __slots__ = ()
    source: str


class Fetch(namedtuple("Fetch", ("lane", "first", "count_max", "bytes_max"))):
    """Read held records; the engine answers with `Fetched`."""

    __slots__ = ()
    lane: str
    first: int
    count_max: int
    bytes_max: int


class Locate(namedtuple("Locate", ("lane", "seq"))):
    """Look up the running hash at `seq`; the engine answers with `Located`."""

    __slots__ = ()
    lane: str
    seq: int


class Query(namedtuple("Query", ("token", "stream", "at"))):
    """Ask the target for its standing with `stream`, and for its hash at `at` if that is not 0."""

    __slots__ = ()
    token: int
    stream: "Stream"
    at: int


class Send(namedtuple("Send", ("token", "batch"))):
    """Send a batch to the target; the link encodes it, off the engine's thread where it has one."""

    __slots__ = ()
    token: int
    batch: "Batch"


class Report(namedtuple("Report", ("level", "event", "fields"))):
    """Tell the operator: `level` is "info", "warning" or "error", `event` a fixed word.

    `fields` is a list of (name, value) pairs, never a secret.
    """

    __slots__ = ()
    level: str
    event: str
    fields: "list[tuple[str, object]]"


if TYPE_CHECKING:
    Effect = (
        Append | Sync | Acknowledge | Refuse | Pause | Resume
        | Fetch | Locate | Seek | Query | Send | Report
    )  # fmt: skip
