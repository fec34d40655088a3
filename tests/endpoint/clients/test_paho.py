"""Eclipse paho, Python: over TCP, TLS, WebSocket, both versions; a restart of the gateway too."""

import queue
import ssl

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from endpoint.clients.place import SOME_WAYS, VERSIONS, WAIT_S

pytestmark = pytest.mark.xdist_group("clients")  # They share a gateway.


class Device:
    """One paho client; what comes is in `came`, CONNACKs are in `joined`."""

    def __init__(self, place, scheme, version, name, clean=True, will=None):
        self.came: queue.Queue = queue.Queue()
        self.joined: queue.Queue = queue.Queue()
        self.subscribed: queue.Queue = queue.Queue()
        transport = "websockets" if scheme.startswith("ws") else "tcp"
        options = {} if version == 5 else {"clean_session": clean}
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2, name, protocol=version, transport=transport, **options
        )
        if scheme.startswith("ws"):
            self.paho.ws_set_options(path="/mqtt")
        if scheme in ("mqtts", "wss"):
            self.paho.tls_set_context(ssl.create_default_context(cafile=place.ca))
        if will is not None:
            self.paho.will_set(*will)
        self.paho.on_message = lambda _client, _data, message: self.came.put(message)
        self.paho.on_connect = lambda *arguments: self.joined.put(arguments[2].session_present)
        self.paho.on_subscribe = lambda *arguments: self.subscribed.put(arguments[3])
        if version == 5:
            expiry = paho.Properties(paho.PacketTypes.CONNECT)
            expiry.SessionExpiryInterval = 0 if clean else 3600
            options = {"clean_start": clean, "properties": expiry}
        self.paho.reconnect_delay_set(0.1, 0.5)
        self.paho.connect("localhost", place.ports[scheme], **(options if version == 5 else {}))
        self.paho.loop_start()
        self.session_present = self.joined.get(timeout=WAIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.paho.disconnect()
        self.paho.loop_stop()

    def subscribe(self, topic, qos):
        self.paho.subscribe(topic, qos)
        assert [code.value for code in self.subscribed.get(timeout=WAIT_S)] == [qos]

    def publish(self, topic, payload, qos, retain=False):
        self.paho.publish(topic, payload, qos, retain).wait_for_publish(WAIT_S)

    def next(self):
        return self.came.get(timeout=WAIT_S)

    def break_off(self):
        """End the connection as a power cut does."""
        self.paho.loop_stop()
        self.paho._sock_close()


def day(place, scheme, version, prefix):
    report = {"messages": []}
    with Device(place, scheme, version, prefix) as device:
        device.subscribe(f"{prefix}/t/#", 2)
        for qos, text in enumerate(("zero", "one", "two")):
            device.publish(f"{prefix}/t/{qos}", text, qos)
            message = device.next()
            topic = message.topic.partition("/")[2]
            report["messages"].append([topic, message.payload.decode(), message.qos])
        device.publish(f"{prefix}/r", "kept", 1, retain=True)
        device.subscribe(f"{prefix}/r", 1)
        message = device.next()
        report["retained"] = [message.payload.decode(), message.retain]
        device.publish(f"{prefix}/r", "", 1, retain=True)
        message = device.next()
        report["removed"] = [message.payload == b"" and not message.retain]
        report |= sleep_and_wake(place, scheme, version, prefix, device)
        device.subscribe(f"{prefix}/w", 2)
        will = (f"{prefix}/w", "gone", 1)
        Device(place, scheme, version, f"{prefix}-w", will=will).break_off()
        report["will"] = [device.next().payload.decode()]
    return report


def sleep_and_wake(place, scheme, version, prefix, device):
    name = f"{prefix}-s"
    with Device(place, scheme, version, name, clean=False) as sleeper:
        sleeper.subscribe(f"{prefix}/s", 1)
        present = [sleeper.session_present]
    for text in ("waited-1", "waited-2"):
        device.publish(f"{prefix}/s", text, 2)
    with Device(place, scheme, version, name, clean=False) as sleeper:
        present.append(sleeper.session_present)
        texts = [sleeper.next().payload.decode() for _ in range(2)]
    return {"session_present": present, "session": texts}


@pytest.mark.parametrize("scheme, version", SOME_WAYS)
def test_a_day_of_paho(place, scheme, version):
    prefix = place.prefix()
    place.check(day(place, scheme, version, prefix), prefix)


@pytest.mark.parametrize("version", VERSIONS)
def test_paho_goes_on_where_the_gateway_was_killed(place, version):
    prefix = place.prefix()
    with (
        Device(place, "mqtt", version, prefix, clean=False) as device,
        Device(place, "mqtt", version, f"{prefix}-s", clean=False) as sleeper,
    ):
        sleeper.subscribe(f"{prefix}/#", 2)
        waiting = [device.paho.publish(f"{prefix}/n", str(number), 2) for number in range(100)]
        place.gateway.kill()
        place.gateway.start()
        for number in range(100, 200):
            waiting.append(device.paho.publish(f"{prefix}/n", str(number), 2))
        for each in waiting:
            each.wait_for_publish(WAIT_S)
        texts = [sleeper.next().payload.decode() for _ in range(200)]
    # Exactly once, in order, over the crash: QoS 2 in kept sessions.
    assert texts == [str(number) for number in range(200)]
    place.wait_records(prefix, {"n": texts})


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
def test_large_messages_of_paho_come_whole(place, scheme):
    prefix = place.prefix()
    payload = bytes(range(256)) * 4000
    with Device(place, scheme, 5, prefix) as device:
        device.subscribe(f"{prefix}/big", 2)
        for qos in (0, 1, 2):
            device.publish(f"{prefix}/big", payload, qos)
            assert device.next().payload == payload
