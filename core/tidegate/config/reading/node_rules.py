"""What one key of a node's configuration demands of others.

Apart from `node_reader` because a board has these rules too, where it has not the schema.  Raises
`ValueError` with a key's path, the problem and a hint.
"""

from tidegate.config.url import is_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tidegate.config.secret import Secret
    from tidegate.config.url import Url

LANES_MAX = 8  # As in `limits`, which a board would load for this alone.
MAIN_LANE = "main"  # Takes what no other lane takes, so there always is one.
HTTP, MQTT_PLAIN = "http", "mqtt-plain"
# One segment is written, one is being emptied; with fewer than four the limit cannot be kept to.
SEGMENTS_MIN = 4
PACKAGES = ("tidegate", "tidegate_micropython")


def check_journal(folder: str, limit_bytes: int, segment_bytes: int) -> None:
    """Refuse a folder that is no place for a log, and segments too large to keep to the limit."""
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    if not folder:
        raise ValueError("journal.folder", "is empty", "write tidegate-log")
    if parts and parts[0] in PACKAGES:
        # The board's working folder comes first where it looks for modules.
        problem = f"begins with {parts[0]}, which would hide the package"
        raise ValueError("journal.folder", problem, "write tidegate-log")
    if limit_bytes < SEGMENTS_MIN * segment_bytes:
        problem = f"{segment_bytes} is more than a quarter of limit_bytes"
        hint = f"write {limit_bytes // SEGMENTS_MIN} or less"
        raise ValueError("journal.segment_bytes", problem, hint)


def check_uplink(
    type: str,
    url: "Url",
    username: str,
    password: "Secret",
    token: "Secret",
    ca_file: str,
    prefix: str,
) -> "tuple[str, Secret]":
    """Return the name and the password, from wherever they are given."""
    _check_url(type, url)
    others: list[tuple[str, object]] = [] if type == MQTT_PLAIN else [("prefix", prefix)]
    if type == HTTP:
        others.extend([("username", username), ("password", password)])
    else:
        others.append(("token", token))
    for name, value in others:
        if value:
            problem = f'is for another type than "{type}"'
            raise ValueError(f"uplink.{name}", problem, "remove it, or write another type")
    if ca_file and not is_tls(url):
        # Who names a certificate believes the line encrypted: better no line than a plain one.
        problem = f"is for TLS, and the url begins with {url.scheme}://"
        raise ValueError("uplink.ca_file", problem, f"write {url.scheme}s://")
    if is_tls(url) and not ca_file:
        hint = "name the authority's file: a board knows none"
        raise ValueError("uplink.ca_file", "is missing, and the url asks for TLS", hint)
    if type == HTTP:
        if not token:
            raise ValueError("uplink.token", "is missing", "give token")
        return "", password
    for name, ours, theirs in (
        ("username", username, url.username),
        ("password", password, url.password),
    ):
        if ours and theirs:
            raise ValueError(f"uplink.{name}", "is given in the url too", "keep one of the two")
    username, password = username or url.username, password or url.password
    if password and not username:  # MQTT 3.1.1 forbids it [MQTT-3.1.2-22].
        raise ValueError("uplink.username", "is missing", "a password needs a user name")
    return username, password


def _check_url(type: str, url: "Url") -> None:
    is_http = url.scheme in ("http", "https")
    if is_http != (type == HTTP):
        wanted = "http:// or https://" if type == HTTP else "mqtt:// or mqtts://"
        problem = f'begins with {url.scheme}://, and type is "{type}"'
        raise ValueError("uplink.url", problem, f"write {wanted}, or another type")
    if url.port == 0:
        raise ValueError("uplink.url", "has port 0, to which nothing connects", "write its port")
    if url.path and not is_http:
        problem = "has a path, which MQTT does not know"
        raise ValueError("uplink.url", problem, "for topics there is prefix, with mqtt-plain")
    if is_http and (url.username or url.password):
        problem = "has a user name or a password in it; the target asks for a token"
        raise ValueError("uplink.url", problem, "write them nowhere, and give token")


def check_lanes(lanes: "Sequence[Any]") -> bool:
    """Tell whether lane main is among them, after a look at all of their names and topics."""
    names: list[str] = []
    for lane in lanes:
        path = f"lane[{len(names)}]"
        if lane.name in names:
            problem = f'"{lane.name}" is given twice'
            raise ValueError(f"{path}.name", problem, "give each its own name")
        if not lane.topics and lane.name != MAIN_LANE:
            hint = 'for example "topics": ["greenhouse/+/alarm"]'
            raise ValueError(f"{path}.topics", "is missing", hint)
        names.append(lane.name)
    has_main = MAIN_LANE in names
    if len(names) + (not has_main) > LANES_MAX:
        problem = f"is given {len(names)} times, and lane main is one more"
        raise ValueError("lane", problem, f"write at most {LANES_MAX - 1} besides main")
    return has_main
