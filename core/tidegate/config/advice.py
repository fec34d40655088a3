"""What is allowed in a configuration and still unwise: one line of warning for each.

Promises to say only what can be known from the settings alone, and never to quote a secret.  What
only a look at files, brokers and the hub can tell is the platform's to add.
"""

from tidegate.config.settings import LISTEN, MQTT, NODES
from tidegate.config.url import is_loopback, is_tls
from tidegate.records.filters import overlap
from tidegate.store.admission import RECENT_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.config.secret import Secret
    from tidegate.config.settings import GatewaySettings, HubSettings, ListenerSettings
    from tidegate.config.url import Url

TOKEN_CHARACTERS_MIN = 16  # As hex digits 64 bits, beyond guessing over a network.
SESSION_EXPIRY_S_MIN = 3600  # A broker that forgets sooner loses data while a gateway is repaired.
# A node's record in a batch of its own, with its properties and the topic that it is asked on.
NODE_PACKET_BYTES_MIN = 8192

_COMMON = ("admin", "changeme", "default", "example", "hunter2", "password", "secret", "token")


def advise_gateway(settings: "GatewaySettings") -> "list[str]":
    """Return the warnings about a gateway's settings."""
    warnings = []
    for path, source in zip(settings.source_paths(MQTT), settings.sources):
        warnings += _plaintext(f"{path}.url", source.url, "messages and the login")
        if source.protocol == "5" and source.session_expiry_s < SESSION_EXPIRY_S_MIN:
            warnings.append(
                f"{path}.session_expiry_s: the broker forgets what it holds after "
                + f"{source.session_expiry_s} s without the gateway"
            )
        if source.message_id and source.receive_maximum > RECENT_MAX:
            warnings.append(
                f"{path}.receive_maximum: of more than {RECENT_MAX} messages that come again, "
                + "message_id finds no copies"
            )
        warnings += _overlap(path, source.topics)
    for path, listener in zip(settings.source_paths(LISTEN), settings.listeners):
        warnings += _exposed(path, listener)
    if settings.listeners and settings.endpoint.packet_bytes_max < NODE_PACKET_BYTES_MIN:
        warnings.append(
            "endpoint.packet_bytes_max: nodes' records of up to 4,096 bytes need packet_bytes_max "
            + "of 8,192 or more; one that does not fit holds up all behind it"
        )
    for path, place in zip(settings.source_paths(NODES), settings.nodes):
        if not is_loopback(place.url.host) and not is_tls(place.url):
            warnings.append(
                f"{path}.url: nodes send records and tokens to {place.url.host} in plaintext; "
                + "use https://"
            )
    if settings.uplink is None:
        warnings.append("uplink: is missing; messages are held and go nowhere")
    else:
        warnings += _plaintext("uplink.url", settings.uplink.url, "messages and the token")
        warnings += _weak("uplink.token", settings.uplink.token)
    if settings.status.url is not None and not is_loopback(settings.status.url.host):
        warnings.append("status.url: anybody who reaches this host can read the status")
    return warnings


def advise_hub(settings: "HubSettings") -> "list[str]":
    """Return the warnings about a hub's settings."""
    warnings = []
    if not is_loopback(settings.url.host):
        warnings.append(
            "hub.url: is plaintext for other hosts; put a proxy that speaks TLS in front of it"
        )
    for index, node in enumerate(settings.nodes):
        warnings += _weak(f"hub.node[{index}].token", node.token)
    return warnings


def _plaintext(path: str, url: "Url", what: str) -> "list[str]":
    if is_tls(url) or is_loopback(url.host):
        return []
    return [f"{path}: sends {what} to {url.host} in plaintext; use {url.scheme}s://"]


def _exposed(path: str, listener: "ListenerSettings") -> "list[str]":
    """Warn about a listener that lets in, or lets listen, whoever reaches this host."""
    url = listener.url
    if is_loopback(url.host):
        return []
    if listener.anonymous and not is_tls(url):
        return [
            f"{path}.anonymous: anybody who reaches {url.host} can publish and subscribe without "
            + f"a name, and anybody on the way can read and change it; use {url.scheme}s:// and "
            + "tidegate user add"
        ]
    if listener.anonymous and listener.certificate_login != "required":
        return [
            f"{path}.anonymous: anybody who reaches {url.host} can publish and subscribe without "
            + "a name; use tidegate user add"
        ]
    if not is_tls(url):
        return [
            f"{path}.url: clients send messages and passwords to {url.host} in plaintext; "
            + f"use {url.scheme}s://"
        ]
    return []


def _overlap(path: str, topics: "Sequence[str]") -> "list[str]":
    """Warn about the first two filters that a broker may serve one by one [MQTT-3.3.4-2]."""
    filters = [topic.encode() for topic in topics]
    for index, filter in enumerate(filters):
        for earlier in filters[:index]:
            if overlap(earlier, filter):
                names = f'"{earlier.decode()}" and "{filter.decode()}"'
                return [f"{path}.topics: {names} overlap; what both match may arrive twice"]
    return []


def _weak(path: str, token: "Secret") -> "list[str]":
    if not token:
        return []
    text = token.reveal()
    if text.lower() in _COMMON or len(set(text)) < 3:
        return [f"{path}: is one that everybody tries first"]
    if len(text) < TOKEN_CHARACTERS_MIN:
        return [f"{path}: is shorter than {TOKEN_CHARACTERS_MIN} characters and can be guessed"]
    return []
