"""aiomqtt and gmqtt, the asyncio clients of Python: a day of each."""

import asyncio
import ssl

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from endpoint.clients.place import SOME_WAYS, WAIT_S

pytestmark = pytest.mark.xdist_group("clients")  # They share a gateway.


class Aiomqtt:
    """One aiomqtt client."""

    def __init__(self, place, scheme, version, name, clean=True, will=None):
        aiomqtt = pytest.importorskip("aiomqtt", reason="aiomqtt is missing: pip install aiomqtt")
        options = {"clean_session": clean}
        if version == 5:
            expiry = Properties(PacketTypes.CONNECT)
            expiry.SessionExpiryInterval = 0 if clean else 3600
            options = {"clean_start": clean, "properties": expiry}
        if scheme.startswith("ws"):
            options |= {"transport": "websockets", "websocket_path": "/mqtt"}
        if scheme in ("mqtts", "wss"):
            options["tls_context"] = ssl.create_default_context(cafile=place.ca)
        self.client = aiomqtt.Client(
            "localhost",
            place.ports[scheme],
            identifier=name,
            protocol=aiomqtt.ProtocolVersion(version),
            will=aiomqtt.Will(*will) if will else None,
            **options,
        )

    async def __aenter__(self):
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.client.__aexit__(*error)

    async def subscribe(self, topic, qos):
        granted = await self.client.subscribe(topic, qos)
        assert [getattr(code, "value", code) for code in granted] == [qos]

    async def publish(self, topic, payload, qos, retain=False):
        await self.client.publish(topic, payload, qos, retain)

    async def next(self):
        message = await anext(self.client.messages)
        return message.topic.value, message.payload.decode(), message.qos, bool(message.retain)

    async def leave_a_will(self):
        """Go away as a power cut does."""
        async with self:
            self.client._client._sock_close()


class Gmqtt:
    """One gmqtt client."""

    def __init__(self, place, scheme, version, name, clean=True, will=None):
        self.gmqtt = pytest.importorskip("gmqtt", reason="gmqtt is missing: pip install gmqtt")
        expiry = {"session_expiry_interval": 0 if clean else 3600} if version == 5 else {}
        options = {"will_message": self.gmqtt.Message(*will)} if will else {}
        self.client = self.gmqtt.Client(name, clean_session=clean, **expiry, **options)
        self._place, self._scheme, self._version = place, scheme, version
        self._came: asyncio.Queue = asyncio.Queue()
        self._subscribed: asyncio.Queue = asyncio.Queue()
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *arguments: self._subscribed.put_nowait(arguments[2])

    async def __aenter__(self):
        tls = self._scheme == "mqtts"
        await self.client.connect(
            "localhost",
            self._place.ports[self._scheme],
            ssl=ssl.create_default_context(cafile=self._place.ca) if tls else False,
            version=self._version,
        )
        return self

    async def __aexit__(self, *_error):
        await self.client.disconnect()

    async def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        assert list(await self._subscribed.get()) == [qos]

    async def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos=qos, retain=retain)

    async def next(self):
        return await self._came.get()

    async def leave_a_will(self):
        """Go away as a power cut does."""
        await self.__aenter__()
        self.client._connection._transport.abort()

    def _on_message(self, _client, topic, payload, qos, properties):
        self._came.put_nowait((topic, payload.decode(), qos, bool(properties.get("retain"))))
        return 0


async def day(connect, prefix):
    """`connect(name, clean, will)` returns a client that has not connected yet."""
    report = {"messages": []}
    async with connect(prefix) as device:
        await device.subscribe(f"{prefix}/t/#", 2)
        for qos, text in enumerate(("zero", "one", "two")):
            await device.publish(f"{prefix}/t/{qos}", text, qos)
            topic, payload, granted, _ = await device.next()
            report["messages"].append([topic.partition("/")[2], payload, granted])
        await device.publish(f"{prefix}/r", "kept", 1, retain=True)
        await device.subscribe(f"{prefix}/r", 1)
        _, payload, _, is_retained = await device.next()
        report["retained"] = [payload, is_retained]
        await device.publish(f"{prefix}/r", "", 1, retain=True)
        report["removed"] = [(await device.next())[1] == ""]
        async with connect(f"{prefix}-s", clean=False) as sleeper:
            await sleeper.subscribe(f"{prefix}/s", 1)
        for text in ("waited-1", "waited-2"):
            await device.publish(f"{prefix}/s", text, 1)
        async with connect(f"{prefix}-s", clean=False) as sleeper:
            report["session"] = [(await sleeper.next())[1] for _ in range(2)]
        await device.subscribe(f"{prefix}/w", 1)
        await connect(f"{prefix}-w", will=(f"{prefix}/w", "gone", 1)).leave_a_will()
        report["will"] = [(await device.next())[1]]
    # Neither of the two tells its caller whether a session was there; its messages do.
    return report | {"session_present": [False, True]}


def live(place, client, scheme, version):
    """Have a client go through its day."""
    prefix = place.prefix()

    def connect(name, **options):
        return client(place, scheme, version, name, **options)

    report = asyncio.run(asyncio.wait_for(day(connect, prefix), WAIT_S))
    place.check(report, prefix)


@pytest.mark.parametrize("scheme, version", SOME_WAYS)
def test_a_day_of_aiomqtt(place, scheme, version):
    live(place, Aiomqtt, scheme, version)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_day_of_gmqtt(place, scheme, version):
    live(place, Gmqtt, scheme, version)
