"""Why a broker cannot be used, as one sentence for the operator; never a secret in it."""

import socket
import ssl

from tidegate_linux.tls_faults import BROKEN_OFF, explain_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.url import Url

# Reason codes of MQTT 5 (section 2.4); paho translates those of 3.1.1 into them.
_REFUSALS = {
    0x00: "ended the connection",
    0x80: "refused the connection without a reason",
    0x81: "found the packet malformed",
    0x82: "found a protocol error",
    0x84: 'does not speak this version of MQTT: set protocol = "3.1.1", or "5"',
    0x85: "does not accept the client id",
    0x86: "does not accept the user name or the password",
    0x87: "does not authorise this client: check user name, password and access list",
    0x88: "is not available now",
    0x89: "is busy",
    0x8A: "has banned this client",
    0x8B: "is shutting down",
    0x8D: "got no sign of life within the keepalive time",
    0x8E: "gave the session to another client with the same client id: each gateway and each "
    "source needs its own",
    0x93: "was sent more than its receive maximum",
    0x95: "got a packet that is too large for it",
    0x97: "says a quota is used up",
    0x98: "ended the connection by an administrator's order",
    0x99: "found the payload format invalid",
    0x9C: "wants another server to be used",
    0x9D: "has moved to another server",
    0x9F: "gets too many connections at once",
    0xA0: "ended the connection after its longest allowed time",
}
SESSION_TAKEN_OVER = 0x8E

_SUBSCRIPTIONS = {
    0x80: "without a reason (access list?)",
    0x83: "by a rule of its own",
    0x87: "as not authorised",
    0x8F: "as an invalid filter",
    0x97: "because a quota is used up",
    0x9E: "because it has no shared subscriptions",
    0xA2: "because it has no wildcard subscriptions",
}

NO_TLS = f"the broker {BROKEN_OFF}"


def explain_refusal(code: int) -> str:
    """Say why the broker refused or ended a connection, after the words "the broker"."""
    return _REFUSALS.get(code, f"gave reason 0x{code:02x}")


def explain_subscription(code: int) -> str:
    """Say why the broker refused a subscription, after the words "was refused"."""
    return _SUBSCRIPTIONS.get(code, f"with reason 0x{code:02x}")


def explain_error(error: "OSError | UnicodeError", url: "Url") -> str:
    """Say what kept us from connecting, or broke the connection."""
    if isinstance(error, UnicodeError):
        # From the IDNA codec, for a name with an empty or a too long label.
        return f"{url.host} is no host name"
    if isinstance(error, ssl.SSLError):
        return explain_tls(error, "the broker", "mqtt://")
    if isinstance(error, socket.gaierror):
        return f"the name {url.host} cannot be resolved: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {url.host} port {url.port}"
    if isinstance(error, TimeoutError):
        return f"no answer from {url.host} port {url.port}"
    if isinstance(error, ConnectionError):
        return f"the connection broke: {error.strerror or 'closed'}"
    return f"{url.host} port {url.port} cannot be reached: {error.strerror or error}"


def explain_file(error: OSError) -> str:
    """Say what is wrong with the files for TLS."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "key_file does not belong to cert_file"
        reason = error.reason or "no PEM, or an encrypted key"
        return f"ca_file, cert_file or key_file cannot be used: {reason.lower()}"
    return f"{error.filename or 'a file for TLS'} cannot be read: {error.strerror}"
