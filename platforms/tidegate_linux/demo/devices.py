"""The demo's devices: each publishes numbered messages with QoS 1 and keeps account of its PUBACKs.

They are ordinary MQTT 5 clients of somebody else (paho) with a kept session.  When the gateway is
killed they connect again and send again what was not acknowledged; nothing in the messages says
which one is a copy, that is for the gateway's endpoint to know.
"""

import json
import threading
import time
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PERIOD_S = 0.02  # Each device sends fifty messages a second.
FINISH_S = 20.0  # How long a device waits for its last PUBACKs.
RETRY_S = 0.1
SESSION_S = 3600


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
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
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
            # Not before CONNACK: paho would send it at once, ahead of what has to be sent again.
            if time.monotonic() >= due_s and self._client.is_connected():
                self._publish()
                due_s += PERIOD_S
            self._turn(max(0.0, min(due_s - time.monotonic(), PERIOD_S)))
        until_s = time.monotonic() + FINISH_S
        while len(self.acknowledged) < self.published and time.monotonic() < until_s:
            self._turn(RETRY_S)
        self._client.disconnect()

    def _turn(self, wait_s: float) -> None:
        """Let paho read and write; connect again where the gateway is gone."""
        # One thread for everything: a PUBACK cannot come before its number is known.
        if self._client.loop(wait_s) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            try:
                self._client.reconnect()
            except OSError:
                time.sleep(RETRY_S)

    def _publish(self) -> None:
        self.published += 1
        number = self.published
        celsius = 20 + (number * 7919 + len(self.name)) % 1000 / 100
        payload = json.dumps({"device": self.name, "n": number, "celsius": celsius})
        info = self._client.publish(self.topic, payload, qos=1)
        self._number_of[info.mid] = number

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        if not reason.is_failure:
            self.acknowledged.add(self._number_of.pop(mid))
