"""Which machine is taken for a Raspberry Pi, and that others have nothing of one."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from fixtures.gateway import PATHS
from pi.planted import PiTree, settings_of
from tidegate_linux.board import Process, find_board
from tidegate_linux.board import is_pi as is_taken_for_pi
from tidegate_pi.board import PiBoard

PROCESS = Process(lambda error: None, threading.Event())


@pytest.mark.parametrize(
    ("board", "is_pi", "is_taken"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("pi", False, True),
        ("none", True, False),
    ],
)
def test_the_device_tree_decides_unless_the_settings_do(tmp_path, board, is_pi, is_taken):
    tree = PiTree(tmp_path, is_pi)
    settings = settings_of(tmp_path, board=board)
    assert is_taken_for_pi(settings, tree.root) == is_taken
    found = find_board(settings, PROCESS, tree.root)
    assert isinstance(found, PiBoard) == is_taken


def test_another_board_with_a_device_tree_is_no_pi(tmp_path):
    tree = PiTree(tmp_path, is_pi=False)
    tree.write("sys/firmware/devicetree/base/compatible", "pine64,rock64\0rockchip,rk3328\0")
    assert find_board(settings_of(tmp_path), PROCESS, tree.root) is None


def test_settings_that_do_nothing_are_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "tidegate.board"):
        assert find_board(settings_of(tmp_path), PROCESS, tmp_path) is None
        assert caplog.messages == []
        find_board(settings_of(tmp_path, {"power_fail_gpio": 17}), PROCESS, tmp_path)
    assert "[pi] does nothing here" in caplog.messages[0]


def test_a_machine_that_is_no_pi_imports_nothing_of_one(tmp_path):
    tree = PiTree(tmp_path, is_pi=False)
    script = (
        "import pathlib, sys, threading\n"
        "import tidegate_linux.shell, tidegate_linux.check.check\n"
        "from builders import gateway_settings\n"
        "from tidegate_linux.board import Process, find_board\n"
        "process = Process(print, threading.Event())\n"
        f"find_board(gateway_settings(), process, pathlib.Path({str(tree.root)!r}))\n"
        "print([name for name in sys.modules if 'tidegate_pi' in name or 'gpiod' in name])\n"
    )
    paths = os.pathsep.join([PATHS, "tests/core"])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
