"""What a setting's text must look like beyond its kind: names, tokens, topic filters, windows.

Each check raises `ValueError` with what is wrong, worded to follow the value or the key's path.
None of them quotes the value: whether that may be shown is the reader's to decide.
"""

from tidegate.delivery.schedule import parse_window
from tidegate.limits import LANE_BYTES_MAX
from tidegate.records.filters import check_filter
from tidegate.records.stream import is_lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.url import Url

NAME_CHARACTERS_MAX = 64  # As long as a host name can be on Linux.
EXAMPLE_TOKENS = ("…", "...")  # What stands for a token in documentation.

_DIGITS = "0123456789"
_VARIABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + _DIGITS
_NAME = _VARIABLE + ".-"
# The long forms name the drivers that are used anyway; no other one is here.
_DATABASES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_HEX = "0123456789abcdefABCDEF"
_TOKEN_HASH = "sha256:"
_TOKEN_HASH_DIGITS = 64


def check_name(text: str) -> None:
    """Raise `ValueError` when `text` cannot name a node."""
    if len(text) > NAME_CHARACTERS_MAX or any(letter not in _NAME for letter in text):
        raise ValueError(f"is not 1 to {NAME_CHARACTERS_MAX} of a-z, A-Z, 0-9, dot, - and _")


def check_token(text: str) -> None:
    """Raise `ValueError`, which does not quote it, when `text` cannot be a token."""
    if text in EXAMPLE_TOKENS:
        raise ValueError("is the example from the documentation, not a token")
    if any(not "!" <= letter <= "~" for letter in text):
        # It travels in an HTTP header.
        raise ValueError("has a character that is not a printable ASCII one, or a space")


def check_environment(text: str) -> None:
    """Raise `ValueError` when `text` cannot name an environment variable."""
    if any(letter not in _VARIABLE for letter in text) or text[0] in _DIGITS:
        raise ValueError("is not the name of a variable, of A-Z, a-z, 0-9 and _")


def check_window(text: str) -> None:
    """Raise `ValueError` when `text` is not a window "HH:MM-HH:MM"; one may go over midnight."""
    try:
        parse_window(text)
    except ValueError:
        raise ValueError("is not a window of the day, HH:MM-HH:MM, with a minute in it")


def check_topic_filter(text: str) -> None:
    """Raise `ValueError` when one cannot subscribe to `text` [MQTT-4.7]."""
    try:
        check_filter(text.encode())
    except ValueError as error:
        raise ValueError(f"is not a topic filter: {error.args[0]}")


def check_lane(text: str) -> None:
    """Raise `ValueError` when `text` cannot name a lane."""
    if not is_lane(text):
        raise ValueError(f"is not 1 to {LANE_BYTES_MAX} of a-z, 0-9 and the hyphen")


def check_target(url: "Url") -> None:
    """Raise `ValueError` when an uplink cannot send to `url`."""
    if url.username or url.password:
        raise ValueError("has a user name or a password in it; the target asks for a token")
    _check_port(url)


def check_broker(url: "Url") -> None:
    """Raise `ValueError` when a source cannot connect to `url`."""
    if url.path:
        raise ValueError("has a path, which MQTT does not know; topics have a key of their own")
    _check_port(url)


def _check_port(url: "Url") -> None:
    if url.port == 0:
        raise ValueError("has port 0, to which nothing connects")


def check_listener(url: "Url") -> None:
    """Raise `ValueError` when `url` is more than a place to listen at; port 0 is any free one."""
    if url.path or url.username or url.password:
        raise ValueError("has more than a host and a port in it")


def check_endpoint(url: "Url") -> None:
    """Raise `ValueError` when devices cannot be listened for at `url`; port 0 is any free one."""
    if url.username or url.password:
        raise ValueError("has a user name or a password in it; users have a file of their own")
    if url.path and url.scheme not in ("ws", "wss"):
        raise ValueError("has a path, which only ws:// and wss:// know")


def check_plain_filter(text: str) -> None:
    """Raise `ValueError` when `text` is not a topic filter, or a shared one."""
    check_topic_filter(text)
    if text.startswith("$share/"):
        raise ValueError("is a shared one; write the filter in it")


def check_database(text: str) -> None:
    """Raise `ValueError` when `text` is not the URL of a database that the hub knows."""
    dialect, separator, _ = text.partition("://")
    if not separator or dialect not in _DATABASES:
        raise ValueError("does not begin with sqlite:// or postgresql://")


def check_token_hash(text: str) -> None:
    """Raise `ValueError` when `text` is not the hash of a token."""
    digits = text[len(_TOKEN_HASH) :]
    if (
        not text.startswith(_TOKEN_HASH)
        or len(digits) != _TOKEN_HASH_DIGITS
        or any(digit not in _HEX for digit in digits)
    ):
        raise ValueError(f"is not {_TOKEN_HASH} and {_TOKEN_HASH_DIGITS} hex digits")
