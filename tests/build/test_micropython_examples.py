"""The examples for MicroPython compile, their configurations are right, and one of them runs."""

import json
import os
import shutil
import subprocess

import pytest

from fixtures.broker import free_port
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from fixtures.node_bundle import ROOT, builder
from test_micropython import program
from tidegate_linux.deploy.bundle import read_config

EXAMPLES = ROOT / "packaging" / "micropython" / "examples"
UMQTT = ROOT / ".venv" / "micropython"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/main.py"))


def test_there_are_examples():
    assert NAMES == ["esp32_deep_sleep", "pico_w_sensor", "unix_first_run"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_compiles_and_its_configuration_is_right(name, tmp_path):
    target = tmp_path / "main.mpy"
    subprocess.run([program("mpy-cross"), "-o", target, EXAMPLES / name / "main.py"], check=True)
    assert target.stat().st_size > 0
    data, settings = read_config(EXAMPLES / name / "config.json")
    assert settings.uplink is not None
    assert json.loads(data)["node"]["name"] == settings.name


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "out"
    builder().build(ROOT, out)
    return out / "lib"


def first_run(folder, modules):
    """Run the example in a folder of its own."""
    return subprocess.run(
        [program("micropython"), "main.py"],
        cwd=folder,
        env={**os.environ, "MICROPYPATH": f"{modules}:{UMQTT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_first_run_holds_without_a_gateway_and_delivers_with_one(tmp_path, modules):
    if not UMQTT.is_dir():
        pytest.skip("umqtt.simple is not installed: python3 build/bootstrap.py test")
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLES / "unix_first_run", folder)
    port = free_port()
    config = folder / "config.json"
    config.write_text(config.read_text().replace("1883", str(port)))
    main = folder / "main.py"
    main.write_text(main.read_text().replace("PATIENCE_MS = 10_000", "PATIENCE_MS = 1_000"))
    done = first_run(folder, modules)
    assert "no way out: 5 records are held" in done.stdout, done.stdout + done.stderr
    main.write_text(main.read_text().replace("PATIENCE_MS = 1_000", "PATIENCE_MS = 30_000"))
    with HubProcess(tmp_path) as hub:
        gateway = GatewayProcess(tmp_path, "", hub.url)
        gateway.config["source"] = [{"type": "listen", "url": f"mqtt://127.0.0.1:{port}"}]
        with gateway:
            done = first_run(folder, modules)
            assert "all of it is at the gateway" in done.stdout, done.stdout + done.stderr
            gateway.wait(lambda status: status["streams"][0]["delivered"] == 10)
        rows = hub.query("SELECT payload FROM records ORDER BY stream, seq")
    readings = [json.loads(payload)["reading"] for (payload,) in rows]
    assert readings == [0, 1, 2, 3, 4] * 2
