"""Release files over a line that breaks, and from paths that are none."""

import contextlib
import http.server
import os
import socket
import threading
import time

import pytest

from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.fetch import open_source

CONTENT = os.urandom(600_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; each answer of `breaks` ends after so many bytes, `etags` says what it is."""

    def __init__(self, breaks=(), etags=("a",), knows_ranges=True, status=200):
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks = list(breaks)
        self.etags = list(etags)
        self.knows_ranges = knows_ranges
        self.status = status
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/x.update"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range", "")
        server.asked.append(asked)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        is_part = bool(asked) and server.knows_ranges
        body = CONTENT[first:] if is_part else CONTENT
        self.send_response(206 if is_part else server.status)
        self.send_header("Content-Length", str(len(body)))
        tag = server.etags.pop(0) if len(server.etags) > 1 else server.etags[0]
        self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(**options):
    with Server(**options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def fetched(source, piece=10_000):
    content = b""
    with open_source(source) as stream:
        while data := stream.read(piece):
            assert len(data) <= piece
            content += data
    return content


@pytest.mark.parametrize("piece", [10_000, 1 << 20])
def test_a_url_gives_what_is_there(piece):
    with serving() as server:
        assert fetched(server.url, piece) == CONTENT
        assert server.asked == [""]


def test_a_file_gives_what_is_there(tmp_path):
    path = tmp_path / "x.update"
    path.write_bytes(CONTENT)
    assert fetched(str(path)) == CONTENT


def test_a_line_that_breaks_is_gone_on_with():
    with serving(breaks=[200_000, 70_000, 1]) as server:
        assert fetched(server.url) == CONTENT
        assert len(server.asked) == 4


def test_where_nothing_more_comes_it_gives_up():
    with (
        serving(breaks=[200_000, 0, 0, 0]) as server,
        pytest.raises(UpdateError, match="cannot be read"),
    ):
        fetched(server.url)


def test_the_rest_of_another_file_is_not_taken():
    with (
        serving(breaks=[200_000], etags=["a", "b"]) as server,
        pytest.raises(UpdateError, match="does not go on where it did"),
    ):
        fetched(server.url)


def test_a_server_that_begins_anew_is_not_taken_for_the_rest():
    with (
        serving(breaks=[200_000], knows_ranges=False) as server,
        pytest.raises(UpdateError, match="does not go on where it did"),
    ):
        fetched(server.url)


def test_another_answer_is_named():
    with serving(status=404) as server, pytest.raises(UpdateError, match="answers 404"):
        fetched(server.url)


@pytest.mark.parametrize(
    "source",
    [
        *("http://127.0.0.1:9/x", "http://[::1", "https://", "/none", "/", "ftp://x/y"),
        *("http://a..b/x", f"http://{'a' * 70}.example/x", "http://\udcff/x", "/a\0b"),
    ],
)
def test_what_is_not_there_is_one_clear_error(source):
    with pytest.raises(UpdateError) as caught:
        fetched(source)
    assert source in caught.value.what
    assert caught.value.hint
    assert "Pool" not in caught.value.what


def test_a_redirect_to_what_is_no_url_is_one_clear_error():
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::bad/\r\n\r\n"
    with raw_answer(answer) as url, pytest.raises(UpdateError, match="cannot be read"):
        fetched(url)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_server_that_trickles_holds_nobody_for_long(head):
    began_s = time.monotonic()
    with (
        raw_answer(head, trickle=b"a") as url,
        pytest.raises(UpdateError, match=r"gives less than 65536 bytes in 0\.5 s"),
        open_source(url, 0.5) as stream,
    ):
        stream.read(1000)
    assert time.monotonic() - began_s < 10


@contextlib.contextmanager
def raw_answer(head, trickle=b""):
    """Serve bytes as they are, and then one more of `trickle` every few moments."""
    ended = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(head)
            while trickle and not ended.wait(0.1):
                connection.sendall(trickle)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        finally:
            ended.set()
            thread.join()
