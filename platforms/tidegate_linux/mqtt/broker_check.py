"""What a broker will lose, found out by trying: the part of `tidegate check` for MQTT sources.

Connects as the source would, but with a client id of its own: the gateway may be running, and to
use its client id would throw it out.  The probe's session is deleted again at the end.  Shared
subscriptions are not tried, because the probe would take messages away from the group.
"""

import os
import time
from typing import Any, NamedTuple

from tidegate.delivery.backoff import RETRY_QUERY, Backoff
from tidegate.delivery.chance import Chance
from tidegate.records.filters import shared
from tidegate_linux.mqtt.client import forget_session, is_version_5
from tidegate_linux.mqtt.connection import Connection, ConnectionEndError
from tidegate_linux.mqtt.faults import explain_error
from tidegate_linux.mqtt.waker import Waker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import SourceSettings

ERROR = "error"  # The source will not work, or not keep its promise.
WARNING = "warning"  # Something will be lost, or come twice, under conditions that are named.
INFO = "info"

TRY_S = 10.0  # After this no further attempt is made.
LOOK_S = 1.0  # How long to wait for what the broker says of itself.

_VERSION_TOPIC = "$SYS/broker/version"


class Finding(NamedTuple):
    """One thing found; `what` and `hint` as errors have them: lower case, no full stop."""

    level: str
    what: str
    hint: str


def check_broker(settings: "SourceSettings") -> list[Finding]:
    """Try the broker of a source; return what is to be known, the gravest first.

    Takes some seconds; changes nothing at the broker that outlives it.
    """
    findings = _look_at_settings(settings)
    probe_id = f"{settings.client_id}-check"
    filters = [filter for filter in settings.topics if shared(filter.encode()) is None]
    probe = settings._replace(client_id=probe_id, topics=(*filters, _VERSION_TOPIC))
    waker = Waker()
    try:
        first = _connect(probe, waker)
        try:
            version = _look(first)
        finally:
            first.close(is_polite=True)
        findings += _look_at_session(probe, first, waker)
        findings += _look_at_connack(settings, first.connack)
        findings += _look_at_subscriptions(first)
        findings += _look_at_version(settings, version)
        findings += _clean_up(probe)
    except ConnectionEndError as error:
        hint = "check url, user name, password and the files for TLS in this [[source]]"
        findings.append(Finding(ERROR, str(error), hint))
    finally:
        waker.close()
    order = [ERROR, WARNING, INFO]
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _look_at_settings(settings: "SourceSettings") -> list[Finding]:
    """Look at what a broker makes of the filters; `advise_gateway` has said what is unwise."""
    findings = []
    for filter in settings.topics:
        if shared(filter.encode()) is not None:
            what = f"{filter} is a shared subscription: the order of a topic's messages is lost"
            hint = "use a subscription that is not shared, unless order does not matter"
            findings.append(Finding(WARNING, what, hint))
        elif filter.startswith("$SYS"):
            what = f"{filter} changes all the time and has nothing from devices"
            findings.append(Finding(WARNING, what, "leave it out unless the hub needs it"))
    return findings


def _connect(settings: "SourceSettings", waker: Waker) -> Connection:
    """Return a connection that is subscribed; raise `ConnectionEndError` after a few attempts."""
    backoff = Backoff(RETRY_QUERY, Chance(int.from_bytes(os.urandom(8), "little")))
    began_s = time.monotonic()
    while True:
        connection = Connection(settings, 1, _clock_ms, waker)
        try:
            connection.open()
            while not connection.is_subscribed:
                connection.step(100)
            return connection
        except ConnectionEndError:
            connection.close(is_polite=False)
            at_ms = backoff.failed(_clock_ms())
            if at_ms is None or time.monotonic() - began_s > TRY_S:
                raise
            time.sleep(max(0, at_ms - _clock_ms()) / 1000)


def _look(connection: Connection) -> str:
    """Return what the broker says of itself, "" where it says nothing."""
    deadline_s = time.monotonic() + LOOK_S
    while time.monotonic() < deadline_s:
        messages = connection.step(100)
        connection.acknowledge([m.token for m in messages if isinstance(m.token, bytes)])
        for message in messages:
            if message.topic == _VERSION_TOPIC.encode():
                return message.payload[:100].decode("ascii", "replace")
    return ""


def _look_at_session(settings: "SourceSettings", first: Connection, waker: Waker) -> list[Finding]:
    second = _connect(settings, waker)
    second.close(is_polite=True)
    if not second.session_present:
        what = "the broker does not keep the session: what comes while the gateway is away is lost"
        hint = "allow persistent sessions at the broker"
        return [Finding(ERROR, what, hint)]
    granted_s = getattr(first.connack, "SessionExpiryInterval", None)
    if granted_s is not None and granted_s < settings.session_expiry_s:
        what = (
            f"the broker keeps the session for {granted_s} s only, not {settings.session_expiry_s}"
        )
        hint = "raise the broker's limit for the session expiry interval"
        return [Finding(ERROR if granted_s == 0 else WARNING, what, hint)]
    return []


def _look_at_connack(settings: "SourceSettings", connack: Any) -> list[Finding]:
    """Look at what a broker that speaks MQTT 5 tells of its limits [MQTT-3.2.2.3]."""
    findings = []
    if getattr(connack, "MaximumQoS", 2) == 0:
        what = "the broker has QoS 0 only: what comes while the connection is down is lost"
        findings.append(Finding(ERROR, what, "allow QoS 1 at the broker"))
    if getattr(connack, "RetainAvailable", 1) == 0:
        what = "the broker keeps no retained messages: a state is known once it changes"
        findings.append(Finding(INFO, what, "publish states again after a start"))
    if getattr(connack, "SharedSubscriptionAvailable", 1) == 0 and any(
        shared(filter.encode()) is not None for filter in settings.topics
    ):
        what = "the broker has no shared subscriptions"
        findings.append(Finding(ERROR, what, "leave out $share/…"))
    packet_bytes = getattr(connack, "MaximumPacketSize", None)
    if packet_bytes is not None:
        what = f"the broker takes no message from a device that is over {packet_bytes} bytes"
        findings.append(Finding(INFO, what, "raise its limit if devices send larger ones"))
    keepalive_s = getattr(connack, "ServerKeepAlive", None)
    if keepalive_s is not None:
        what = f"the broker wants a keepalive of {keepalive_s} s, and gets it"
        findings.append(Finding(INFO, what, "nothing is to be done"))
    return findings


def _look_at_subscriptions(connection: Connection) -> list[Finding]:
    findings = []
    for filter, why in connection.refused_filters.items():
        if filter != _VERSION_TOPIC:
            what = f"the subscription to {filter} was refused {why}"
            findings.append(Finding(ERROR, what, "allow it in the broker's access list"))
    for filter in connection.unsafe_filters:
        if filter != _VERSION_TOPIC:
            what = f"{filter} is granted at QoS 0 only: what comes while the line is down is lost"
            findings.append(Finding(ERROR, what, "allow QoS 1 at the broker"))
    return findings


def _look_at_version(settings: "SourceSettings", version: str) -> list[Finding]:
    if "mosquitto" not in version:
        what = f"the broker says it is {version!a}" if version else "the broker is unknown"
        hint = "look up how many messages it keeps for a client that is away, and where"
        return [Finding(INFO, what, hint)]
    what = (
        f"{version} keeps 1000 messages for a gateway that is away and drops the rest in silence, "
        "and it forgets all of them when it crashes, unless it is configured otherwise"
    )
    hint = (
        "in mosquitto.conf: max_queued_messages 0, max_queued_bytes as the disk allows, "
        "persistence true, autosave_on_changes true, autosave_interval 1"
    )
    findings = [Finding(WARNING, what, hint)]
    if not is_version_5(settings):
        what = "in 3.1.1 the broker decides how many messages it sends ahead, mosquitto 20"
        hint = 'protocol = "5" and receive_maximum, or max_inflight_messages in mosquitto.conf'
        findings.append(Finding(INFO, what, hint))
    return findings


def _clean_up(settings: "SourceSettings") -> list[Finding]:
    try:
        forget_session(settings, settings.client_id)
    except (OSError, UnicodeError) as error:
        what = f"the session {settings.client_id} is still at the broker: "
        what += explain_error(error, settings.url)
        return [Finding(INFO, what, "run the check again")]
    return []


def _clock_ms() -> int:
    return time.monotonic_ns() // 1_000_000
