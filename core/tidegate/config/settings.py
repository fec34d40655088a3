"""The settings of a gateway and of a hub: plain records, read from a tree of plain values.

Promises that what it returns is complete and consistent: every default is filled in, every value
checked, and what one key demands of another too.  Raises `SettingsError` for the first thing wrong.
Leaves to the platform to parse the file, to read the secrets and files that keys name, and to say
what a relative path is relative to.
"""

from collections import namedtuple

from tidegate.config.gateway_schema import GATEWAY, UPLINK
from tidegate.config.hub_schema import HUB
from tidegate.config.reader import read_table
from tidegate.config.rules import check_tls, first_of, one_of
from tidegate.config.schema import SettingsError
from tidegate.config.secret import Secret
from tidegate.config.url import Url
from tidegate.config.words import shown
from tidegate.delivery.schedule import parse_window
from tidegate.limits import LANES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tidegate.delivery.schedule import Window

MAIN_LANE = "main"  # Takes what no other lane takes, so there always is one.


class NodeSettings(namedtuple("NodeSettings", ("name", "data"))):
    """The gateway itself; `data` is a folder's path as it was written."""

    __slots__ = ()
    name: str
    data: str


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


class GatewaySettings(
    namedtuple(
        "GatewaySettings", ("node", "sources", "lanes", "journal", "uplink", "status", "log")
    )
):
    """All of a gateway's settings.

    `lanes` are in the order of their priority and always hold the main one; `uplink` is None for a
    gateway that only holds.
    """

    __slots__ = ()
    node: NodeSettings
    sources: "tuple[SourceSettings, ...]"
    lanes: "tuple[LaneSettings, ...]"
    journal: JournalSettings
    uplink: "UplinkSettings | None"
    status: StatusSettings
    log: LogSettings


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


def read_gateway(tree: "dict[str, Any]", host_name: str = "tidegate") -> GatewaySettings:
    """Return a gateway's settings; `host_name` is its name if it is given none.

    Raises `SettingsError`.
    """
    node, sources, lanes, journal, uplink, status, log = read_table(GATEWAY, tree)
    node = NodeSettings(*node)
    if not node.name:
        node = NodeSettings(host_name, node.data)
    return GatewaySettings(
        node,
        _sources(sources, node.name),
        _lanes([LaneSettings(*values) for values in lanes]),
        JournalSettings(*journal),
        None if uplink is None else _uplink(uplink),
        StatusSettings(*status),
        LogSettings(*log),
    )


def read_hub(tree: "dict[str, Any]") -> HubSettings:
    """Return a hub's settings; raise `SettingsError`."""
    url, database, batch_bytes_max, requests_per_s, node_values = read_table(HUB, tree)[0]
    if url is None:
        raise SettingsError("hub.url", "is empty", 'for example url = "http://127.0.0.1:8080"')
    if not database:
        raise SettingsError("hub.database", "is empty", 'for example "sqlite:///hub.db"')
    nodes = [HubNodeSettings(*values) for values in node_values]
    for index, node in enumerate(nodes):
        path = f"hub.node[{index}]"
        one_of(path, "token", _token_keys(node) + [("token_hash", node.token_hash != "")])
        first_of(path, "name", node.name, [other.name for other in nodes[:index]])
    check_tokens_differ(nodes)
    return HubSettings(url, database, batch_bytes_max, requests_per_s, tuple(nodes))


def check_tokens_differ(nodes: "Sequence[HubNodeSettings]") -> None:
    """Raise `SettingsError` when two nodes have the same token, as far as tokens are known yet."""
    seen: dict[object, str] = {}
    for index, node in enumerate(nodes):
        for name, token in (("token", node.token), ("token_hash", node.token_hash.lower())):
            if not token:
                continue
            if token in seen:
                problem = f"is the token of {seen[token]} too"
                raise SettingsError(f"hub.node[{index}].{name}", problem, "give each node its own")
            seen[token] = shown(node.name)


def _sources(value_lists: "list[list[Any]]", node_name: str) -> "tuple[SourceSettings, ...]":
    sources: list[SourceSettings] = []
    for index, values in enumerate(value_lists):
        path = f"source[{index}]"
        source = _source(SourceSettings(*values), path, f"tidegate-{node_name}-{index + 1}")
        # A broker throws out the older of two connections of one name, for ever in turns.
        others = [other.client_id for other in sources if other.url == source.url]
        first_of(path, "client_id", source.client_id, others)
        sources.append(source)
    return tuple(sources)


def _source(given: SourceSettings, path: str, client_id: str) -> SourceSettings:
    """Return the source with its login out of the URL and its client id filled in."""
    url = given.url
    if url.username and given.username:
        raise SettingsError(f"{path}.username", "is given in the url too", "keep one of the two")
    passwords = [
        ("password", bool(given.password)),
        ("password_file", given.password_file != ""),
        ("password_env", given.password_env != ""),
        ("password in the url", bool(url.password)),
    ]
    username = given.username or url.username
    if any(is_given for _, is_given in passwords):
        one_of(path, "password", passwords)
        if not username:  # MQTT 3.1.1 forbids it [MQTT-3.1.2-22].
            raise SettingsError(f"{path}.username", "is missing", "a password needs a user name")
    check_tls(path, given)
    if given.message_id and given.protocol != "5":
        problem = f"needs user properties, which MQTT {given.protocol} does not have"
        raise SettingsError(f"{path}.message_id", problem, 'set protocol = "5"')
    return SourceSettings(
        given.type,
        Url(url.scheme, url.host, url.port, url.path, "", Secret("")),
        given.topics,
        given.protocol,
        given.client_id or client_id,
        given.session_expiry_s,
        given.receive_maximum,
        given.keepalive_s,
        username,
        given.password or url.password,
        given.password_file,
        given.password_env,
        given.ca_file,
        given.cert_file,
        given.key_file,
        given.message_id,
    )


def _lanes(lanes: "list[LaneSettings]") -> "tuple[LaneSettings, ...]":
    """Return the lanes, with the main one at the end if it stands nowhere else."""
    for index, lane in enumerate(lanes):
        path = f"lane[{index}]"
        first_of(path, "name", lane.name, [other.name for other in lanes[:index]])
        if not lane.topics and lane.name != MAIN_LANE:
            hint = 'for example topics = ["site/+/alarm"]'
            raise SettingsError(f"{path}.topics", "is missing", hint)
    if MAIN_LANE not in [lane.name for lane in lanes]:
        lanes = lanes + [LaneSettings(MAIN_LANE, (), False)]
    if len(lanes) > LANES_MAX:
        problem = f"is given {len(lanes) - 1} times, and lane main is one more"
        raise SettingsError("lane", problem, f"write at most {LANES_MAX - 1} besides main")
    return tuple(lanes)


def _uplink(values: "list[Any]") -> UplinkSettings:
    """Return the uplink with its windows parsed."""
    values = list(values)
    at = [key.name for key in UPLINK.keys].index("windows")
    values[at] = tuple([parse_window(text) for text in values[at]])
    uplink = UplinkSettings(*values)
    one_of("uplink", "token", _token_keys(uplink))
    check_tls("uplink", uplink)
    return uplink


def _token_keys(given: "UplinkSettings | HubNodeSettings") -> "list[tuple[str, bool]]":
    return [
        ("token", bool(given.token)),
        ("token_file", given.token_file != ""),
        ("token_env", given.token_env != ""),
    ]
