"""A gateway with a board: its status has the board, and what ends it by itself is told at the end.

Here, on a machine that is no Pi, the settings say that it is one.
"""

import os
import time

import pytest

from builders import gateway_settings
from fixtures.broker import free_port
from tidegate_linux.journal.sqlite import read_state
from tidegate_linux.shell import Shell
from tidegate_pi.power import PowerFailedError

WAIT_S = 20.0


@pytest.fixture
def settings(tmp_path):
    source = {"type": "listen", "url": f"mqtt://127.0.0.1:{free_port()}"}
    tree = {
        "node": {"name": "site-7", "data": str(tmp_path), "board": "pi"},
        "source": [source],
        "uplink": None,
        "journal": {"limit_bytes": 20_000_000, "reserve_bytes": 0},
    }
    return gateway_settings(tree)


def test_a_power_failure_ends_the_gateway_in_order_and_says_so(settings, tmp_path):
    shell = Shell(settings, [])
    reader, writer = os.pipe()
    shell.start(writer)
    until_s = time.monotonic() + WAIT_S
    while shell.snapshot is None:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    board = shell.snapshot.fields["board"]
    assert {"model", "serial", "temperature_c", "throttled", "led", "power"} <= set(board)
    shell._end(PowerFailedError())
    # What wakes the main thread, which then asks for the end that has come.
    assert os.read(reader, 1) == b"\0"
    with pytest.raises(PowerFailedError) as caught:
        shell.stop()
    assert caught.value.what == "the power failed; what was taken in is committed"
    os.close(reader)
    os.close(writer)
    assert len(read_state(tmp_path).node) == 16


def test_a_power_failure_after_somebody_has_ended_the_gateway_is_no_error(settings):
    shell = Shell(settings, [])
    shell.start()
    shell.stop()
    shell._end(PowerFailedError())
    shell.stop()
