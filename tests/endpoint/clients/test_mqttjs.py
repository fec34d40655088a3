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
PROGRAM = Path(__file__).with_name("mqttjs_day.js")


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
    done = subprocess.run(
        ["node", str(PROGRAM), place.url(scheme), str(version), prefix, str(place.ca)],
        env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=3 * WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place.check(json.loads(done.stdout), prefix)
