"""Reads the types of [[source]]: brokers to subscribe to, listeners for devices and for nodes."""

from tidegate.config.reading.rules import (
    check_listener_tls,
    check_nodes_tls,
    check_tls,
    first_of,
    one_of,
)
from tidegate.config.schema import SettingsError
from tidegate.config.secret import Secret
from tidegate.config.settings import (
    LISTEN,
    MQTT,
    NODES,
    ListenerSettings,
    NodesSettings,
    SourceSettings,
)
from tidegate.config.url import Url, is_loopback
from tidegate.config.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WEB_SOCKET_PATH = "/mqtt"  # What clients and other brokers use when nothing else is agreed.


def read_sources(value_lists: "list[list[Any]]", node_name: str) -> "tuple[SourceSettings, ...]":
    """Return the brokers to subscribe to among the values of all [[source]] tables."""
    sources: list[SourceSettings] = []
    for index, values in enumerate(value_lists):
        if values[0] != MQTT:
            continue
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


def read_listeners(value_lists: "list[list[Any]]") -> "tuple[ListenerSettings, ...]":
    """Return the listeners among the values of all [[source]] tables."""
    listeners: list[ListenerSettings] = []
    for index, values in enumerate(value_lists):
        if values[0] == LISTEN:
            path = f"source[{index}]"
            listener = _listener(ListenerSettings(*values[1:]))
            check_listener_tls(path, listener)
            _check_place(path, listener.url, [other.url for other in listeners])
            listeners.append(listener)
    return tuple(listeners)


def _listener(given: ListenerSettings) -> ListenerSettings:
    """Return the listener with what depends on its URL filled in."""
    url = given.url
    if url.scheme in ("ws", "wss") and not url.path:
        url = Url(url.scheme, url.host, url.port, WEB_SOCKET_PATH, "", Secret(""))
    # The first minute must work; who can be reached from elsewhere has to be told to let all in.
    is_given = given.anonymous in (True, False)
    anonymous = given.anonymous if is_given else is_loopback(url.host)
    return ListenerSettings(url, given.topics, anonymous, *given[3:])


def read_nodes(value_lists: "list[list[Any]]") -> "tuple[NodesSettings, ...]":
    """Return the places where nodes send to among the values of all [[source]] tables."""
    taken = [listener.url for listener in read_listeners(value_lists)]
    places: list[NodesSettings] = []
    for index, values in enumerate(value_lists):
        if values[0] == NODES:
            path = f"source[{index}]"
            place = NodesSettings(*values[1:])
            if not place.tokens_file:
                hint = "name a file with a line for each node: its name and its token"
                raise SettingsError(f"{path}.tokens_file", "is missing", hint)
            check_nodes_tls(path, place)
            _check_place(path, place.url, taken)
            taken.append(place.url)
            places.append(place)
    return tuple(places)


def _check_place(path: str, url: Url, before: "list[Url]") -> None:
    if url.port == 0:
        return  # Any free one: there is one for each.
    for other in before:
        if (other.host, other.port) == (url.host, url.port):
            problem = shown(f"{url.host}:{url.port}") + " is listened at twice"
            raise SettingsError(f"{path}.url", problem, "give each listener its own host or port")
