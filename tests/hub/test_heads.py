"""A peer that is slow to say what it wants is let go, and whoever waits in between is not."""

import contextlib
import socket
import time
from types import SimpleNamespace

from tidegate_hub.heads import HEAD_S, Heads

PAUSE_S = 75


def request(complete):
    return SimpleNamespace(response_complete=complete)


class Connection:
    def __init__(self, cycle):
        self.cycle = cycle


def test_a_head_that_never_ends_is_overdue():
    heads, slow = Heads(PAUSE_S), Connection(cycle=None)
    assert heads.overdue([slow], 100) == []
    assert heads.overdue([slow], 100 + HEAD_S) == []
    assert heads.overdue([slow], 101 + HEAD_S) == [slow]


def test_a_connection_may_be_silent_between_two_requests_and_work_as_long_as_it_takes():
    heads, one = Heads(PAUSE_S), Connection(cycle=request(False))
    for now_s in range(0, 500, 50):
        assert heads.overdue([one], now_s) == []
    one.cycle.response_complete = True
    assert heads.overdue([one], 500) == []
    assert heads.overdue([one], 500 + PAUSE_S) == []
    one.cycle = request(True)  # Served since it was last looked at.
    assert heads.overdue([one], 600) == []
    assert heads.overdue([one], 600 + PAUSE_S + HEAD_S) == []
    assert heads.overdue([one], 601 + PAUSE_S + HEAD_S) == [one]


def test_what_has_gone_is_forgotten():
    heads, one = Heads(PAUSE_S), Connection(cycle=None)
    assert heads.overdue([one], 0) == []
    assert heads.overdue([], 10) == []
    assert heads.overdue([one], 1000) == []


def test_the_hub_ends_a_connection_whose_head_drips(hub):
    address = ("127.0.0.1", int(hub.url.rpartition(":")[2]))
    started_s = time.monotonic()
    with socket.create_connection(address) as slow, contextlib.suppress(OSError):
        slow.settimeout(1)
        slow.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        while time.monotonic() < started_s + 3 * HEAD_S:
            slow.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                if slow.recv(100) == b"":
                    break
    assert HEAD_S - 1 < time.monotonic() - started_s < HEAD_S + 10
    assert hub.get("/healthz").status_code == 200
