"""A status server is not to be kept busy by peers that are slow on purpose."""

import socket
import threading

import requests

from tidegate.config.secret import Secret
from tidegate.config.url import Url
from tidegate_linux.status.server import READ_S, THREADS, StatusServer
from tidegate_linux.status.survey import Snapshot

FIELDS = {"health": {"problems": [], "warnings": []}}
PAUSE_S = 0.5


def drip(port, stopped):
    """Send a header that never ends, a byte at a time."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        while not stopped.wait(PAUSE_S):
            try:
                sock.send(b"x")
            except OSError:
                return


def test_peers_that_drip_keep_nobody_out_for_longer_than_one_request_may_take():
    url = Url("http", "127.0.0.1", 0, "", "", Secret(""))
    server = StatusServer(url, lambda: Snapshot(0, (), (), FIELDS), lambda: 0)
    stopped = threading.Event()
    server.start()
    try:
        while not server.url:
            stopped.wait(0.005)
        port = int(server.url.rpartition(":")[2])
        peers = [threading.Thread(target=drip, args=(port, stopped)) for _ in range(THREADS)]
        for peer in peers:
            peer.start()
        stopped.wait(2 * PAUSE_S)
        answer = requests.get(server.url + "/healthz", timeout=READ_S + 3)
        assert answer.status_code == 200
    finally:
        stopped.set()
        server.close()
    for peer in peers:
        peer.join()
