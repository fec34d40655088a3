"""The settings of a MicroPython node: plain records, small enough to stay in a board's memory.

`reading.node_reader` makes them.  They have what a `Gateway` reads of its settings under the same
names; a URL is taken apart, so that the code that parses one need not stay.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.secret import Secret

MQTT, HTTP, MQTT_PLAIN = "mqtt", "http", "mqtt-plain"  # The types of "uplink".


class WifiSettings(
    namedtuple("WifiSettings", ("ssid", "password", "country", "hostname", "timeout_s"))
):
    """The network to join; `hostname` is filled in, `country` may be empty."""

    __slots__ = ()
    ssid: str
    password: "Secret"
    country: str
    hostname: str
    timeout_s: int


class NodeJournalSettings(
    namedtuple(
        "NodeJournalSettings",
        (
            "folder",
            "limit_bytes",
            "reserve_bytes",
            "overflow",
            "keep_delivered_bytes",
            "segment_bytes",
            "sync_records",
            "sync_interval_ms",
        ),
    )
):
    """The log's place and bounds, what happens at them, and when what is queued is committed."""

    __slots__ = ()
    folder: str
    limit_bytes: int
    reserve_bytes: int
    overflow: str
    keep_delivered_bytes: int
    segment_bytes: int
    sync_records: int
    sync_interval_ms: int


class NodeUplinkSettings(
    namedtuple(
        "NodeUplinkSettings",
        (
            "type",
            "host",
            "port",
            "path",
            "tls",
            "username",
            "password",
            "token",
            "ca_file",
            "prefix",
            "timeout_s",
            "batch_records",
            "batch_bytes",
            "batch_age_ms",
            "retry_max_s",
            "upload_interval_s",
        ),
    )
):
    """Where records go, and when so many of them; what is empty was not given.

    `upload_interval_s` is for the cycle mode alone; `prefix` for the type "mqtt-plain".
    """

    __slots__ = ()
    type: str
    host: str
    port: int
    path: str
    tls: bool
    username: str
    password: "Secret"
    token: "Secret"
    ca_file: str
    prefix: str
    timeout_s: int
    batch_records: int
    batch_bytes: int
    batch_age_ms: int
    retry_max_s: int
    upload_interval_s: int


class NodeLaneSettings(namedtuple("NodeLaneSettings", ("name", "topics", "urgent"))):
    """A priority class and the topic filters of what belongs to it."""

    __slots__ = ()
    name: str
    topics: "tuple[str, ...]"
    urgent: bool


class BoardSettings(namedtuple("BoardSettings", ("led", "watchdog_s", "ntp_host"))):
    """What of the board is used: `led` is a pin's name or number as text; empty or 0: nothing."""

    __slots__ = ()
    led: str
    watchdog_s: int
    ntp_host: str


class NodeSettings(
    namedtuple("NodeSettings", ("name", "wifi", "journal", "uplink", "lanes", "board"))
):
    """All of a node's settings.

    `wifi` is None where the board's own program sees to the network, `uplink` for a node that only
    holds.  `lanes` are in the order of their priority and always hold the main one.
    """

    __slots__ = ()
    name: str
    wifi: "WifiSettings | None"
    journal: NodeJournalSettings
    uplink: "NodeUplinkSettings | None"
    lanes: "tuple[NodeLaneSettings, ...]"
    board: BoardSettings
