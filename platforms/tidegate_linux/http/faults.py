"""Why a hub cannot be reached, as one sentence for the operator; never a secret in it.

requests wraps what urllib3 wraps around what the socket said; the operator wants the innermost.
"""

import errno
import socket
import ssl

import requests

from tidegate.config.url import Url
from tidegate_linux.tls_faults import explain_tls


def explain_error(error: Exception, url: Url) -> str:
    """Say what kept a request from being answered."""
    cause = innermost(error)
    if isinstance(cause, ssl.SSLError):
        return explain_tls(cause, "the hub", "http://", "uplink.")
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
