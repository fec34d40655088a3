"""What could keep devices from a listener: its port, its files for TLS, the users."""

import base64
import errno
import ssl
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

from tidegate.config.settings import GatewaySettings, ListenerSettings, NodesSettings
from tidegate.config.url import Url, is_tls
from tidegate_linux.endpoint.access.users import Users, UsersError
from tidegate_linux.journal.folder import lock_holder
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, Finding
from tidegate_linux.nodes.tokens import TokensError, load_tokens
from tidegate_linux.status.server import listen

EXPIRY_DAYS_MIN = 30  # A visit to the site is planned weeks ahead.
_DAY_S = 24 * 3600

_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18


def check_listener(listener: ListenerSettings, folder: Path) -> list[Finding]:
    """Look whether devices can connect to a listener; it is not opened for longer than a moment.

    Where the gateway of the data folder `folder` runs, it is that one which has the port.
    """
    findings = [_check_port(listener.url, folder)]
    if is_tls(listener.url):
        findings += _check_tls(listener)
    return findings


def check_nodes(place: NodesSettings, folder: Path) -> list[Finding]:
    """Look whether nodes can send to a place over HTTP."""
    findings = [_check_port(place.url, folder)]
    if is_tls(place.url):
        files = ("", place.cert_file, place.key_file)
        findings += _check_tls(ListenerSettings(place.url, (), False, "off", *files, ""))
    path = Path(place.tokens_file)
    try:
        count = len(load_tokens(path).names)
    except TokensError as error:
        return [*findings, Finding(ERROR, f"{path} {error.what}", error.hint)]
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        what = f"{path} can be read by others, and may hold tokens"
        return [*findings, Finding(WARNING, what, f"chmod 600 {path}")]
    return [*findings, Finding(INFO, f"{count} may send, by {path}", "")]


def check_users(settings: GatewaySettings) -> list[Finding]:
    """Look whether somebody can log in, and whether others can read the passwords' hashes."""
    users = Users(settings.endpoint.users_file)
    try:
        users.load()
    except UsersError as error:
        return [Finding(ERROR, error.what, error.hint)]
    count = len(users.names())
    path = users.path
    if not count:
        closed = [
            str(listener.url)
            for listener in settings.listeners
            if not listener.anonymous and listener.certificate_login == "off"
        ]
        if closed:
            what = f"there is no user in {path}, and {closed[0]} lets in nobody else"
            return [Finding(ERROR, what, "tidegate user add NAME")]
        return [Finding(INFO, "there are none, and no listener needs any", "")]
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        what = f"{path} can be read by others, who may guess the passwords in their own time"
        return [Finding(WARNING, what, f"chmod 600 {path}")]
    return [Finding(INFO, f"{count} in {path}", "")]


def _check_port(url: Url, folder: Path) -> Finding:
    try:
        listen(url).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and lock_holder(folder):
            return Finding(INFO, f"the gateway runs and has {url}", "")
        what = f"{url} cannot be listened at: {(error.strerror or str(error)).lower()}"
        hint = "name another host or port in the url of this [[source]]"
        if error.errno == errno.EACCES:
            hint = "ports below 1024 are root's: name another one, or give the service the right"
        return Finding(ERROR, what, hint)
    return Finding(INFO, f"{url} is free", "")


def _check_tls(listener: ListenerSettings) -> list[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password of ours OpenSSL asks for one on the terminal, and never ends.
        context.load_cert_chain(listener.cert_file, listener.key_file, password=lambda: b"")
    except (OSError, ValueError) as error:
        return [_unusable(listener, error)]
    findings = []
    if listener.ca_file:
        try:
            context.load_verify_locations(listener.ca_file)
        except (OSError, ValueError):
            what = f"{listener.ca_file} has no certificate that can be read"
            findings.append(Finding(ERROR, what, "name a PEM file in ca_file"))
    return [*findings, _check_expiry(Path(listener.cert_file), time.time())]


def _unusable(listener: ListenerSettings, error: Exception) -> Finding:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        what = f"{listener.key_file} is not the key of the certificate in {listener.cert_file}"
        return Finding(ERROR, what, "name the key that the certificate was made with in key_file")
    what = f"{listener.cert_file} and {listener.key_file} cannot be used for TLS"
    if reason:
        what += f": {str(reason).replace('_', ' ').lower()}"
    return Finding(ERROR, what, "name PEM files, the key's without a password")


def _check_expiry(path: Path, wall_s: float) -> Finding:
    try:
        begin_s, end_s = validity(path.read_bytes())
    except (ValueError, IndexError, OSError):
        return Finding(WARNING, f"{path} does not tell until when it is valid", "make it anew")
    if wall_s < begin_s:
        hint = "look at the clock of this machine, or have it made anew"
        return Finding(ERROR, f"the certificate in {path} is not valid yet", hint)
    days = int((end_s - wall_s) // _DAY_S)
    if days < 0:
        return Finding(ERROR, f"the certificate in {path} has expired", "have it renewed")
    if days < EXPIRY_DAYS_MIN:
        return Finding(WARNING, f"the certificate in {path} expires in {days} days", "renew it")
    return Finding(INFO, f"the certificate in {path} is valid for {days} more days", "")


def validity(pem: bytes) -> tuple[float, float]:
    """Return from when to when the first certificate is valid; raise `ValueError`, `IndexError`."""
    _, begin, rest = pem.partition(b"-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition(b"-----END CERTIFICATE-----")
    if not begin or not end:
        raise ValueError("no certificate")
    certificate = _fields(base64.b64decode(body))[0][1]
    fields = _fields(_fields(certificate)[0][1])
    if fields[0][0] == _VERSION:  # Version 1 has none.
        fields = fields[1:]
    # RFC 5280, 4.1: serial number, signature, issuer, validity.
    times = _fields(fields[3][1])
    return _seconds(*times[0]), _seconds(*times[1])


def _fields(der: bytes) -> list[tuple[int, bytes]]:
    """Return the tags and contents of what stands in a sequence."""
    fields, at = [], 0
    while at < len(der):
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(der[at : at + count], "big")
            at += count
        fields.append((tag, der[at : at + size]))
        at += size
    return fields


def _seconds(tag: int, text: bytes) -> float:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("not a time")
    digits = text.decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280, 4.1.2.5.1: two digits of the year.
        digits = ("20" if int(digits[:2]) < 50 else "19") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
