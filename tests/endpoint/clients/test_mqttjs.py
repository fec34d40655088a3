"""MQTT.js on node: a day over TCP, TLS and WebSocket."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.clients.place import SOME_WAYS, WAIT_S

pytestmark = pytest.mark.xdist_group("clients")  # They share a gateway.

MODULES = Path(sys.prefix) / "node" / "node_modules"
HERE = Path(__file__).parent


def require_mqttjs():
    """Skip the test, and say why, where there is no node or no MQTT.js."""
    if shutil.which("node") is None:
        pytest.skip("node is missing: apt-get install nodejs npm")
    if not (MODULES / "mqtt").is_dir():
        pytest.skip(f"MQTT.js is missing: npm install --prefix {MODULES.parent} mqtt")


@pytest.mark.parametrize("scheme, version", SOME_WAYS)
def test_a_day_of_mqttjs(place, scheme, version):
    require_mqttjs()
    prefix = place.prefix()
    with start("mqttjs_day.js", place, scheme, version, prefix) as node:
        output, errors = node.communicate(timeout=3 * WAIT_S)
    assert node.returncode == 0, errors
    place.check(json.loads(output), prefix)


@pytest.mark.parametrize("scheme, version", [("ws", 4), ("mqtts", 5)])
def test_mqttjs_goes_on_where_the_gateway_was_killed(place, scheme, version):
    require_mqttjs()
    prefix = place.prefix()
    with start("mqttjs_outage.js", place, scheme, version, prefix) as node:
        assert node.stdout.readline() == "half\n"
        place.gateway.kill()
        place.gateway.start()
        output, errors = node.communicate(timeout=3 * WAIT_S)
    assert node.returncode == 0, errors
    # Exactly once over the crash: QoS 2 in a kept session.
    came = json.loads(output)
    assert sorted(came, key=int) == [str(number) for number in range(200)]
    place.wait_records(prefix, {"n": came})


def start(program, place, scheme, version, prefix):
    """Start a program on node."""
    command = ["node", str(HERE / program), place.url(scheme), str(version), prefix, str(place.ca)]
    return subprocess.Popen(
        command,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
