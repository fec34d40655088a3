"""What `tidegate deploy` refuses, and that it says why in two lines, none of them with a secret."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from fixtures.deployment import (
    CONFIG,
    board,
    deploy,
    expect_error,
    make_bundles,
    write_config,
)
from fixtures.gateway import PATHS
from test_micropython import program
from tidegate_linux.deploy import programs
from tidegate_linux.deploy.board import Board
from tidegate_linux.deploy.errors import DeployError


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return make_bundles(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, CONFIG)


def test_a_port_that_cannot_be_used_says_why(tmp_path, bundles, config):
    done = deploy(tmp_path / "none", config, bundles[0])
    expect_error(done, "no such port")
    expect_error(deploy(config, config, bundles[0]), "is not a serial port")
    with board(tmp_path) as serial:
        handle = os.open(serial.port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        expect_error(deploy(serial.port, config, bundles[0]), "is in use")
        os.close(handle)


def test_a_device_that_is_no_micropython_is_told_from_one(tmp_path, bundles, config):
    outside, port = os.openpty()
    expect_error(deploy(os.ttyname(port), config, bundles[0]), "no MicroPython answers")
    os.close(port)
    os.close(outside)


def test_without_the_tool_it_says_what_to_install(tmp_path, bundles, config):
    code = (
        "import sys\nsys.modules['mpremote'] = None\nfrom tidegate_linux.cli import main\nmain()\n"
    )
    arguments = ["deploy", "--port", "x", "-c", config, "--bundle", bundles[0]]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
    )
    expect_error(done, "is not installed")
    assert "tidegate[deploy]" in done.stderr


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "line 1"),
        ("[]", "is not an object"),
        ('{"wifi": {"ssid": "x", "password": "hunter2hunter2", "password": "y"}}', "given twice"),
        ('{"wifi": {"ssid": "x", "passwort": "hunter2hunter2"}}', "wifi.passwort"),
        ('{"wifi": {"ssid": "x", "password": ["hunter2hunter2"]}}', "wifi.password"),
        ('{"wifi": {"ssid": 7, "password": "hunter2hunter2"}}', "wifi.ssid"),
        ('{"wifi": {"ssid": "x", "password": hunter2hunter2}}', "line 1"),
        (b'{"wifi": {"ssid": "\xff"}}', "is not UTF-8"),
    ],
)
def test_a_wrong_configuration_is_refused_before_the_port_is_opened(tmp_path, bundles, text, what):
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    expect_error(deploy("/no/such/port", path, bundles[0]), what)


def test_a_bundle_that_was_changed_or_is_none_is_refused(tmp_path, bundles, config):
    expect_error(deploy("x", config, tmp_path / "none"), "no bundle there")
    changed = tmp_path / "changed"
    subprocess.run(["cp", "-r", bundles[0], changed], check=True)
    (changed / "lib" / "tidegate" / "errors.mpy").write_bytes(b"M\x06\x00\x1f")
    expect_error(deploy("x", config, changed), "is not as it was built")
    (changed / "SHA256SUMS").write_text("")
    expect_error(deploy("x", config, changed), "is not a bundle")


def test_an_option_that_is_missing_is_a_usage_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tidegate_linux", "deploy"],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--port" in done.stderr


class OldBoard:
    """A line to a board that says of itself what the test wants."""

    def __init__(self, **said):
        self.said = {
            "name": "micropython",
            "version": [1, 28, 0],
            "bytecode": 6,
            "machine": "a board",
            "path": ["", ".frozen", "/flash", "/flash/lib"],
            "here": "/flash",
            "root": [],
            "block": 512,
            "free": 1,
            "total": 1,
            "heap": 1,
            "wifi": True,
            "lacking": [],
            **said,
        }

    def run(self, _program):
        return json.dumps(self.said)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"name": "circuitpython"}, "runs circuitpython"),
        ({"version": [1, 23, 0]}, "1.23.0, too old"),
        ({"bytecode": 5}, "bytecode of version 5, not 6"),
    ],
)
def test_a_board_that_cannot_run_the_node_is_refused(said, what):
    assert Board(OldBoard()).facts([], 6).folder == "/flash/lib"
    assert Board(OldBoard(path=["", "/rom/lib"])).facts([], 6).folder == "/flash/lib"
    with pytest.raises(DeployError, match=what):
        Board(OldBoard(**said)).facts([], 6)


def test_what_runs_on_the_board_compiles_with_the_oldest_compiler(tmp_path):
    texts = [text for name, text in vars(programs).items() if name.isupper()]
    assert len(texts) >= 7
    for text in texts:
        path = tmp_path / "program.py"
        path.write_text(programs.with_arguments(text, folders=["a'b"]))
        subprocess.run([program("mpy-cross"), "-o", tmp_path / "out.mpy", path], check=True)
