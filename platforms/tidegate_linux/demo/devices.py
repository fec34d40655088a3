"""The demo's devices: each publishes numbered messages with QoS 1 and keeps account of its PUBACKs.

Every message bears an identity of its own as a user property, so that the gateway can tell a copy
that the broker sends twice from a new message.
"""

import json
import threading
import time
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

IDENTITY = "id"  # The user property; the gateway's message_id names it.
PERIOD_S = 0.02  # Each device sends fifty messages a second.
CONNECT_S = 10.0
FINISH_S = 20.0  # How long a device waits for its last PUBACKs.


class Device:
    """Publishes on its own topic, in a thread of its own, from `start` to `stop`."""

    def __init__(self, number: int, port: int) -> None:
        self.name = f"pump-{number:02}"
        self.topic = f"site/{self.name}/telemetry"
        self.published = 0  # Messages are numbered 1, 2, … without holes.
        self.acknowledged: set[int] = set()
        self._number_of: dict[int, int] = {}
        self._stopped = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=self.name, protocol=MQTTv5)
        self._client.on_publish = self._on_publish
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Publish from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Publish no more; return at once, while the last PUBACKs are still awaited."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until everything was acknowledged, or the patience is at its end."""
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stopped.is_set():
            if time.monotonic() >= due_s:
                self._publish()
                due_s += PERIOD_S
            # One thread for everything: a PUBACK cannot come before its number is known.
            self._client.loop(max(0.0, min(due_s - time.monotonic(), PERIOD_S)))
        until_s = time.monotonic() + FINISH_S
        while len(self.acknowledged) < self.published and time.monotonic() < until_s:
            self._client.loop(0.1)
        self._client.disconnect()

    def _publish(self) -> None:
        self.published += 1
        number = self.published
        celsius = 20 + (number * 7919 + len(self.name)) % 1000 / 100
        payload = json.dumps({"device": self.name, "n": number, "celsius": celsius})
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = (IDENTITY, f"{self.name}-{number}")
        info = self._client.publish(self.topic, payload, qos=1, properties=properties)
        self._number_of[info.mid] = number

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        if not reason.is_failure:
            self.acknowledged.add(self._number_of.pop(mid))
