"""Why a hub cannot be reached, as one sentence for the operator; never a secret in it.

requests wraps what urllib3 wraps around what the socket said; the operator wants the innermost.
"""

import errno
import socket
import ssl

import requests

from tidegate.config.url import Url

# OpenSSL's X509_V_ERR_*.
_CERTIFICATES = {
    9: "is not valid yet: is the clock of this machine right?",
    10: "has expired, or the clock of this machine is wrong",
    18: "is self-signed: name it in uplink.ca_file to trust it",
    19: "is signed by a root that is not trusted: name that root in uplink.ca_file",
    20: "is signed by an authority that is not trusted: name its root in uplink.ca_file",
    21: "is signed by an authority that is not trusted: name its root in uplink.ca_file",
    23: "has been revoked",
    62: "does not name the host of uplink.url",
    64: "does not name the address of uplink.url",
}
_NO_TLS = "does not speak TLS on this port: use its TLS port, or http://"
_WANTS_CERTIFICATE = "wants a client certificate: set uplink.cert_file and uplink.key_file"
_TLS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "found no common TLS parameters, or " + _WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": "does not trust the authority that signed uplink.cert_file",
    "SSLV3_ALERT_BAD_CERTIFICATE": "does not accept uplink.cert_file",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that uplink.cert_file has expired",
    "TLSV1_ALERT_PROTOCOL_VERSION": "does not speak TLS 1.2 or newer",
    "UNSUPPORTED_PROTOCOL": "does not speak TLS 1.2 or newer",
    "UNEXPECTED_EOF_WHILE_READING": "closed the connection during TLS",
}


def explain_error(error: Exception, url: Url) -> str:
    """Say what kept a request from being answered."""
    cause = innermost(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = _CERTIFICATES.get(cause.verify_code, f"was not accepted: {cause.verify_message}")
        return f"the hub's certificate {why}"
    if isinstance(cause, ssl.SSLError):
        reason = cause.reason or "unknown"
        return f"the hub {_TLS.get(reason, 'failed in TLS: ' + reason.lower())}"
    if isinstance(cause, socket.gaierror):
        return f"the name {url.host} cannot be resolved: {cause.strerror}"
    if isinstance(cause, ConnectionRefusedError):
        return f"nothing listens at {url.host} port {url.port}"
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return f"no answer from {url.host} port {url.port}"
    if isinstance(cause, ConnectionError):
        return f"the connection broke: {cause.strerror or 'closed before the answer was whole'}"
    if isinstance(cause, OSError) and cause.filename:
        return f"{cause.filename} cannot be read: {cause.strerror}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"{url.host} port {url.port} cannot be reached: {cause.strerror}"
    if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
        # requests has looked for the files for TLS and found none; it says so in words alone.
        return f"{cause}"
    if isinstance(error, requests.ConnectionError):
        return "the connection broke: closed before the answer was whole"
    return f"the answer is not HTTP: {type(cause).__name__}"


def never_sent(error: Exception) -> bool:
    """Tell whether the request surely never went out: no connection came about."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError)):
        return True
    cause = innermost(error)
    if isinstance(cause, requests.RequestException) or not isinstance(cause, OSError):
        return False
    if isinstance(cause, (ConnectionRefusedError, FileNotFoundError, socket.gaierror)):
        return True
    # A plain one is from requests itself, which has not found a file for TLS.
    return type(cause) is OSError and cause.errno in _NEVER_CONNECTED


_NEVER_CONNECTED = (None, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)


def innermost(error: BaseException) -> BaseException:
    """Return the error at the bottom: the last one that the operating system or TLS raised."""
    found = error
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and not isinstance(current, requests.RequestException):
            found = current
        waiting.extend([current.__context__, current.__cause__, getattr(current, "reason", None)])
        waiting.extend(current.args)
    return found
