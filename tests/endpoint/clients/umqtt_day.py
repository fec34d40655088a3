"""A day of umqtt.simple, on MicroPython: micropython umqtt_day.py HOST PORT PREFIX TLS.

It prints its report as JSON.  This client speaks MQTT 3.1.1, of QoS 0 and 1.
"""

import json
import sys

from umqtt.simple import MQTTClient

HOST, PORT, PREFIX, TLS = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "tls"

came = []


def join(name, clean=True, will=None):
    """Return a client that has connected, and whether its session was there."""
    client = MQTTClient(name, HOST, PORT, keepalive=30, **encryption())
    client.set_callback(lambda topic, payload, *_: came.append((topic, payload)))
    if will is not None:
        client.set_last_will(*will)
    return client, bool(client.connect(clean_session=clean))


def encryption():
    """Return the options for TLS; the certificate is not checked, as on most of these devices."""
    if not TLS:
        return {}
    import ssl

    sys.modules["ussl"] = ssl  # The name by which umqtt 1.3 asks for it.
    return {"ssl": True, "ssl_params": {"cert_reqs": ssl.CERT_NONE}}


def next_message(client):
    """Return the next message as texts."""
    while not came:
        client.wait_msg()
    topic, payload = came.pop(0)
    return topic.decode(), payload.decode()


def day():
    report = {"messages": []}
    device, _ = join(PREFIX)
    device.subscribe(PREFIX + "/t/#", 1)
    for qos, text in enumerate(("zero", "one")):
        device.publish(PREFIX + "/t/" + str(qos), text, qos=qos)
        topic, payload = next_message(device)
        report["messages"].append([topic[len(PREFIX) + 1 :], payload, qos])
    device.publish(PREFIX + "/r", "kept", retain=True, qos=1)
    device.subscribe(PREFIX + "/r", 1)
    report["retained"] = [next_message(device)[1], True]
    device.publish(PREFIX + "/r", "", retain=True, qos=1)
    report["removed"] = [next_message(device)[1] == ""]
    sleeper, before = join(PREFIX + "-s", clean=False)
    sleeper.subscribe(PREFIX + "/s", 1)
    sleeper.disconnect()
    for text in ("waited-1", "waited-2"):
        device.publish(PREFIX + "/s", text, qos=1)
    sleeper, after = join(PREFIX + "-s", clean=False)
    report["session_present"] = [before, after]
    report["session"] = [next_message(sleeper)[1] for _ in range(2)]
    sleeper.disconnect()
    device.subscribe(PREFIX + "/w", 1)
    dying, _ = join(PREFIX + "-w", will=(PREFIX + "/w", "gone", False, 1))
    dying.sock.close()
    report["will"] = [next_message(device)[1]]
    device.disconnect()
    return report


print(json.dumps(day()))
