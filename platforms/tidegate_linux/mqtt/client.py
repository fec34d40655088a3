"""A paho client made from a source's settings: identity, session, TLS.

Shared by the source and by `tidegate check`, so that the check tries what the source will do.
"""

import ssl
from pathlib import Path
from typing import cast

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tidegate.config.url import is_tls
from tidegate_linux.mqtt.channel import Wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import SourceSettings

CONNECT_S = 10.0  # For TCP, and again for TLS, and again for CONNACK.

# Retained messages come when the subscription is new, not at every reconnection [MQTT-3.3.1-10].
_RETAINED_IF_NEW = 1


def is_version_5(settings: "SourceSettings") -> bool:
    """Tell which of the two versions is to be spoken."""
    return settings.protocol == "5"


def tls_context(settings: "SourceSettings") -> "ssl.SSLContext | None":
    """Read the files for TLS; None where the URL says none.  Raises `OSError`.

    They are read at each connection, so that renewed certificates need no restart.
    """
    if not is_tls(settings.url):
        return None
    for path in (settings.ca_file, settings.cert_file, settings.key_file):
        if path:
            # OpenSSL's own error does not say which file it was.
            with Path(path).open("rb"):
                pass
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.cert_file:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file or None, password="")
    return context


def new_client(
    settings: "SourceSettings", client_id: str, wrapper: Wrapper, is_clean: bool = False
) -> Client:
    """Return a client that was never connected and whose socket will be the wrapper's channel.

    `is_clean`: its session ends with the connection (3.1.1; in MQTT 5 `connect` says so).
    """
    version_5 = is_version_5(settings)
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        # The session outlives the connection: what comes meanwhile is kept [MQTT-3.1.2-4].
        clean_session=None if version_5 else is_clean,
        protocol=MQTTv5 if version_5 else MQTTv311,
        # Or paho would speak MQTT 3.1 after a refusal, without being asked.
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_S
    if settings.username or settings.password:
        client.username_pw_set(settings.username, settings.password.reveal() or None)
    client.tls_set_context(cast("ssl.SSLContext", wrapper))
    return client


def connect(client: Client, settings: "SourceSettings", session_expiry_s: int) -> None:
    """Connect and send CONNECT; raises `OSError`.  Takes up to twice `CONNECT_S`."""
    url = settings.url
    if not is_version_5(settings):
        client.connect(url.host, url.port, settings.keepalive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    # Without it the session ends with the connection, whatever Clean Start says [MQTT-3.1.2-23].
    properties.SessionExpiryInterval = session_expiry_s
    properties.ReceiveMaximum = settings.receive_maximum
    client.connect(
        url.host, url.port, settings.keepalive_s, clean_start=False, properties=properties
    )


def forget_session(settings: "SourceSettings", client_id: str) -> None:
    """Have the broker delete a session; raises `OSError`.  Nothing is told of a refusal."""
    version_5 = is_version_5(settings)
    wrapper = Wrapper(tls_context(settings))
    client = new_client(settings, client_id, wrapper, is_clean=True)
    # A clean start deletes the old session, and without an expiry the new one ends here.
    if version_5:
        client.connect(settings.url.host, settings.url.port, clean_start=True)
    else:
        client.connect(settings.url.host, settings.url.port)
    channel = wrapper.channel
    assert channel is not None
    # To wait for the broker's end is to wait until it has done it.
    channel.finish(b"\xe0\x00")


def subscribe(client: Client, settings: "SourceSettings", filters: "list[str]") -> None:
    """Subscribe to `filters` at QoS 1 (decision 0035)."""
    if is_version_5(settings):
        options = SubscribeOptions(qos=1, retainHandling=_RETAINED_IF_NEW)
        client.subscribe([(filter, options) for filter in filters])
    else:
        client.subscribe([(filter, 1) for filter in filters])
