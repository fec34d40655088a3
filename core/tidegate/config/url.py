"""A URL as settings have it: scheme, host, port, path, and perhaps a name and a password.

Promises to accept only what every client understands the same way (a part of RFC 3986: no query,
no fragment, hosts in ASCII), and that no error it raises quotes a part of the text: half a URL may
be half a password.  Leaves to others which schemes and parts their key accepts.
"""

from collections import namedtuple

from tidegate.config.secret import Secret
from tidegate.records.text import check_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443, "http": 80, "https": 443}
PORT_MAX = 65535

_HEX = "0123456789abcdefABCDEF"
_HOST = "abcdefghijklmnopqrstuvwxyz0123456789.-_"


class Url(namedtuple("Url", ("scheme", "host", "port", "path", "username", "password"))):
    """A URL taken apart; `str()` gives it back without name and password.

    `host` has no brackets when it is an IPv6 address; `path` is empty or begins with "/" and has
    no "/" at its end.
    """

    __slots__ = ()
    scheme: str
    host: str
    port: int
    path: str
    username: str
    password: Secret

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_url(text: str, schemes: "Sequence[str]") -> Url:
    """Take a URL of one of these schemes (keys of `PORTS`) apart.

    Raises `ValueError` with what is wrong, which never quotes the text.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in schemes:
        wanted = " or ".join([name + "://" for name in schemes])
        raise ValueError(f"does not begin with {wanted}")
    for sign in "?#":
        if sign in rest:
            raise ValueError(f"has a {sign}, which must be percent-encoded in a password")
    authority, slash, path = rest.partition("/")
    if "@" in path:
        raise ValueError("has a / before the @, which must be percent-encoded in a password")
    at = authority.rfind("@")
    username, password = _parse_credentials(authority[:at]) if at >= 0 else ("", "")
    host, port = _parse_host(authority[at + 1 :])
    if any(not "!" <= letter <= "~" for letter in path):
        raise ValueError("has a path with a space or a letter that must be percent-encoded")
    path = (slash + path).rstrip("/")
    return Url(scheme, host, PORTS[scheme] if port < 0 else port, path, username, Secret(password))


def is_loopback(host: str) -> bool:
    """Tell whether what is sent to `host` stays on this machine."""
    if host == "localhost" or host.endswith(".localhost") or host == "::1":
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(_is_digits(part) for part in parts)


def is_tls(url: Url) -> bool:
    """Tell whether the URL's scheme is one of the encrypted ones."""
    return url.scheme in ("mqtts", "wss", "https")


def _parse_credentials(text: str) -> "tuple[str, str]":
    username, _, password = text.partition(":")
    return _percent_decoded(username), _percent_decoded(password)


def _parse_host(text: str) -> "tuple[str, int]":
    """Return the host and the port, -1 when the text has none."""
    if text.startswith("["):
        host, bracket, rest = text[1:].lower().partition("]")
        if not bracket or ":" not in host or any(letter not in _HEX + ":." for letter in host):
            raise ValueError("has an IPv6 address that is not hex digits and colons in brackets")
        if rest and rest[0] != ":":
            raise ValueError("has something between the IPv6 address and the port")
        colon, port_text = rest[:1], rest[1:]
    else:
        if text.count(":") > 1:
            raise ValueError("has more than one colon; an IPv6 address stands in brackets")
        host, colon, port_text = text.lower().partition(":")
        if not host:
            raise ValueError("has no host")
        if any(letter not in _HOST for letter in host):
            raise ValueError("has a host with a character that host names do not have")
    if not colon:
        return host, -1
    if not _is_digits(port_text) or len(port_text) > 5 or int(port_text) > PORT_MAX:
        raise ValueError(f"has a port that is not a whole number up to {PORT_MAX}")
    return host, int(port_text)


def _percent_decoded(text: str) -> str:
    """Return the text that `text` encodes; raise `ValueError` when it is not UTF-8."""
    data = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "%":
            data.extend(text[at].encode())
            at += 1
            continue
        digits = text[at + 1 : at + 3]
        if len(digits) != 2 or digits[0] not in _HEX or digits[1] not in _HEX:
            raise ValueError("has a % without two hex digits after it (a real one is written %25)")
        data.append(int(digits, 16))
        at += 3
    decoded = bytes(data)
    if any(byte < 0x20 or byte == 0x7F for byte in decoded):
        raise ValueError("has a control character in its name or password")
    try:
        check_utf8(decoded)
    except ValueError:
        raise ValueError("has a name or a password that is not UTF-8 when decoded")
    return decoded.decode()


def _is_digits(text: str) -> bool:
    return text != "" and all("0" <= letter <= "9" for letter in text)
