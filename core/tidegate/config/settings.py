"""The settings of a gateway and of a hub: plain records; `reading` makes them.

Where a value stands in a record is decided by the schema's order.
"""

from collections import namedtuple

from tidegate.config.secret import Secret
from tidegate.config.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.delivery.schedule import Window

MQTT = "mqtt"  # The types of [[source]]: a broker to subscribe to,
LISTEN = "listen"  # a place where devices connect,
NODES = "nodes"  # and one where nodes send batches over HTTP.


class NodeSettings(namedtuple("NodeSettings", ("name", "data", "board"))):
    """The gateway itself; `data` is a folder's path as it was written."""

    __slots__ = ()
    name: str
    data: str
    board: str


class SourceSettings(
    namedtuple(
        "SourceSettings",
        (
            "type",
            "url",
            "topics",
            "protocol",
            "client_id",
            "session_expiry_s",
            "receive_maximum",
            "keepalive_s",
            "username",
            "password",
            "password_file",
            "password_env",
            "ca_file",
            "cert_file",
            "key_file",
            "message_id",
        ),
    )
):
    """A broker to subscribe to; what is empty was not given.

    A name and a password in the URL have been moved to `username` and `password`.
    """

    __slots__ = ()
    type: str
    url: Url
    topics: "tuple[str, ...]"
    protocol: str
    client_id: str
    session_expiry_s: int
    receive_maximum: int
    keepalive_s: int
    username: str
    password: Secret
    password_file: str
    password_env: str
    ca_file: str
    cert_file: str
    key_file: str
    message_id: str


class ListenerSettings(
    namedtuple(
        "ListenerSettings",
        (
            "url",
            "topics",
            "anonymous",
            "certificate_login",
            "ca_file",
            "cert_file",
            "key_file",
            "message_id",
        ),
    )
):
    """A place where devices connect; what of it goes up, and who is let in.

    `certificate_login` is "off", "optional" or "required".
    """

    __slots__ = ()
    url: Url
    topics: "tuple[str, ...]"
    anonymous: bool
    certificate_login: str
    ca_file: str
    cert_file: str
    key_file: str
    message_id: str


class NodesSettings(namedtuple("NodesSettings", ("url", "tokens_file", "cert_file", "key_file"))):
    """A place where nodes send batches over HTTP; `tokens_file` says who may."""

    __slots__ = ()
    url: Url
    tokens_file: str
    cert_file: str
    key_file: str


class EndpointSettings(
    namedtuple(
        "EndpointSettings",
        (
            "users_file",
            "packet_bytes_max",
            "topic_bytes_max",
            "topic_levels_max",
            "connections_max",
            "sessions_max",
            "receive_maximum",
            "inflight_max",
            "subscriptions_max",
            "queue_messages_max",
            "queue_bytes_max",
            "queued_bytes_max",
            "retained_messages_max",
            "retained_bytes_max",
            "messages_per_s_max",
            "bytes_per_s_max",
            "topic_alias_max",
            "session_expiry_s_max",
            "keepalive_s_max",
            "connect_timeout_s",
            "login_failures_per_minute",
            "sys_interval_s",
        ),
    )
):
    """The bounds of the broker behind all listeners; `endpoint_schema` says what each bounds."""

    __slots__ = ()
    users_file: str
    packet_bytes_max: int
    topic_bytes_max: int
    topic_levels_max: int
    connections_max: int
    sessions_max: int
    receive_maximum: int
    inflight_max: int
    subscriptions_max: int
    queue_messages_max: int
    queue_bytes_max: int
    queued_bytes_max: int
    retained_messages_max: int
    retained_bytes_max: int
    messages_per_s_max: int
    bytes_per_s_max: int
    topic_alias_max: int
    session_expiry_s_max: int
    keepalive_s_max: int
    connect_timeout_s: int
    login_failures_per_minute: int
    sys_interval_s: int


class AccessSettings(namedtuple("AccessSettings", ("users", "client_ids", "publish", "subscribe"))):
    """What some users and client ids (patterns with *) may do, as topic filters with %u and %c."""

    __slots__ = ()
    users: "tuple[str, ...]"
    client_ids: "tuple[str, ...]"
    publish: "tuple[str, ...]"
    subscribe: "tuple[str, ...]"


class LaneSettings(namedtuple("LaneSettings", ("name", "topics", "urgent"))):
    """A priority class and the topic filters of what belongs to it."""

    __slots__ = ()
    name: str
    topics: "tuple[str, ...]"
    urgent: bool


class JournalSettings(
    namedtuple(
        "JournalSettings", ("limit_bytes", "reserve_bytes", "overflow", "keep_delivered_bytes")
    )
):
    """The journal's bounds, and what happens at them."""

    __slots__ = ()
    limit_bytes: int
    reserve_bytes: int
    overflow: str
    keep_delivered_bytes: int


class UplinkSettings(
    namedtuple(
        "UplinkSettings",
        (
            "type",
            "url",
            "token",
            "token_file",
            "token_env",
            "ca_file",
            "cert_file",
            "key_file",
            "timeout_s",
            "batch_records",
            "batch_bytes",
            "batch_age_ms",
            "retry_max_s",
            "windows",
            "windows_utc_offset_minutes",
            "bytes_per_day",
            "compress",
        ),
    )
):
    """The target, and when to send how much; without `windows` always."""

    __slots__ = ()
    type: str
    url: Url
    token: Secret
    token_file: str
    token_env: str
    ca_file: str
    cert_file: str
    key_file: str
    timeout_s: int
    batch_records: int
    batch_bytes: int
    batch_age_ms: int
    retry_max_s: int
    windows: "tuple[Window, ...]"
    windows_utc_offset_minutes: int
    bytes_per_day: int
    compress: bool


class StatusSettings(namedtuple("StatusSettings", ("url",))):
    """Where the status is served; None for nowhere."""

    __slots__ = ()
    url: "Url | None"


class LogSettings(namedtuple("LogSettings", ("format", "level"))):
    """How and how much is logged."""

    __slots__ = ()
    format: str
    level: str


class PiSettings(
    namedtuple(
        "PiSettings",
        (
            "led",
            "watchdog_s",
            "power_fail_gpio",
            "power_fail_chip",
            "power_fail_level",
            "power_fail_medium",
        ),
    )
):
    """What is used of a Raspberry Pi; a `power_fail_gpio` below 0 is none."""

    __slots__ = ()
    led: bool
    watchdog_s: int
    power_fail_gpio: int
    power_fail_chip: str
    power_fail_level: str
    power_fail_medium: str


class GatewaySettings(
    namedtuple(
        "GatewaySettings",
        (
            "node",
            "sources",
            "listeners",
            "endpoint",
            "access",
            "lanes",
            "journal",
            "uplink",
            "status",
            "log",
            "source_types",
            "nodes",
            "pi",
        ),
    )
):
    """All of a gateway's settings.

    `sources` are the [[source]] tables of type "mqtt", `listeners` those of type "listen", `nodes`
    those of type "nodes", and `source_types` has the types of all of them in their order.  `lanes`
    are in the order of their priority and always hold the main one; `uplink` is None for a gateway
    that only holds.
    """

    __slots__ = ()
    node: NodeSettings
    sources: "tuple[SourceSettings, ...]"
    listeners: "tuple[ListenerSettings, ...]"
    endpoint: EndpointSettings
    access: "tuple[AccessSettings, ...]"
    lanes: "tuple[LaneSettings, ...]"
    journal: JournalSettings
    uplink: "UplinkSettings | None"
    status: StatusSettings
    log: LogSettings
    source_types: "tuple[str, ...]"
    nodes: "tuple[NodesSettings, ...]"
    pi: PiSettings

    def source_paths(self, type: str) -> "list[str]":
        """Return where the sources of a type stand, such as "source[1]", in their order."""
        return [f"source[{index}]" for index, each in enumerate(self.source_types) if each == type]


class HubNodeSettings(
    namedtuple("HubNodeSettings", ("name", "token", "token_file", "token_env", "token_hash"))
):
    """A node that may send; exactly one of the four kinds of token is given.

    `token_hash` is "sha256:" and 64 hex digits.
    """

    __slots__ = ()
    name: str
    token: Secret
    token_file: str
    token_env: str
    token_hash: str


class HubSettings(
    namedtuple("HubSettings", ("url", "database", "batch_bytes_max", "requests_per_s", "nodes"))
):
    """All of a hub's settings; `database` is secret because its URL may hold a password."""

    __slots__ = ()
    url: Url
    database: Secret
    batch_bytes_max: int
    requests_per_s: int
    nodes: "tuple[HubNodeSettings, ...]"
