"""A broker that dies while we connect ends that connection, and is no bug of ours."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from fixtures.sources import clock_ms, source_settings
from tidegate_linux.mqtt.connection import Connection, ConnectionEndError
from tidegate_linux.mqtt.waker import Waker


def slow_clock_ms():
    """Take so long that the reset is here before our first packet leaves."""
    time.sleep(0.02)
    return clock_ms()


@pytest.fixture
def resetting_port():
    """A port where every connection is accepted and reset at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()

    thread = threading.Thread(target=accept)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("clock", [clock_ms, slow_clock_ms])
def test_a_reset_while_opening_ends_the_connection(resetting_port, clock):
    settings = source_settings(f"mqtt://127.0.0.1:{resetting_port}")
    waker = Waker()
    for generation in range(1, 21):
        connection = Connection(settings, generation, clock, waker)
        with pytest.raises(ConnectionEndError):
            connection.open()
            while True:
                connection.step(1000)
        connection.close(is_polite=False)
    waker.close()
