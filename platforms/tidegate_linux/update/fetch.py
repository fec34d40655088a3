"""A release file from a path or a URL, as a stream.

What comes over the line is believed because of its signature, not of the way it came: http is as
good as https here.  On a line that breaks, the rest is asked for from where it broke, as long as
each attempt brings something; nothing is written before the caller writes it.  A server that gives
a byte now and then holds nobody for long: each piece has its time.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, TypeVar

import requests
from urllib3.exceptions import HTTPError

from tidegate_linux.http.faults import innermost
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.release_file import Stream

CONNECT_S = 15
STALL_S = 60  # A line that brings nothing for so long is taken for broken.
PIECE_S = 120  # For an answer's beginning, and for each piece of it: 546 bytes a second are enough.
_PIECE_BYTES = 64 * 1024
_WORLD_ERRORS = (requests.RequestException, HTTPError, OSError, ValueError)
_T = TypeVar("_T")
_PARTIAL = 206
_SCHEMES = ("http://", "https://")


@contextlib.contextmanager
def open_source(source: str, piece_s: float = PIECE_S) -> Iterator[Stream]:
    """Open a release file; raises `UpdateError` where there is none."""
    if source.lower().startswith(_SCHEMES):
        with requests.Session() as session:
            yield Download(session, source, piece_s)
        return
    with _open_file(source) as file:
        yield file


def _open_file(source: str) -> IO[bytes]:
    path = Path(source)
    try:
        if not path.is_file():
            raise UpdateError(f"there is no file {source}", "name a release file, or its URL")
        return path.open("rb")
    except OSError as error:
        raise _refused(source, error) from error


class Download:
    """The body of an answer, fetched on when the line breaks."""

    def __init__(self, session: requests.Session, url: str, piece_s: float) -> None:
        self._session = session
        self._url = url
        self._piece_s = piece_s
        self._at = 0
        self._mark = ""  # The file's ETag: the rest of another file must not be added to this one.
        self._held = b""
        self._answer = self._ask()
        self._mark = self._answer.headers.get("ETag", "")

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end of the file."""
        if not self._held:
            self._held = self._next_piece()
        piece, self._held = self._held[:size], self._held[size:]
        return piece

    def _next_piece(self) -> bytes:
        try:
            piece = self._in_time(self._receive)
        except _WORLD_ERRORS as error:
            if not self._at:
                raise _refused(self._url, error) from error
            self._answer.close()
            self._answer = self._ask()
            try:
                piece = self._in_time(self._receive)
            except _WORLD_ERRORS as again:
                raise _refused(self._url, again) from again
        self._at += len(piece)
        return piece

    def _receive(self) -> bytes:
        # As it was sent: a release file is never packed for the way.
        raw: Any = self._answer.raw
        piece: bytes = raw.read(_PIECE_BYTES, decode_content=False)
        return piece

    def _ask(self) -> requests.Response:
        headers = {"Accept-Encoding": "identity"}
        if self._at:
            headers["Range"] = f"bytes={self._at}-"
        try:
            answer = self._in_time(lambda: self._send(headers))
        except _WORLD_ERRORS as error:
            raise _refused(self._url, error) from error
        if not answer.ok:
            answer.close()
            raise UpdateError(
                f"{self._url} answers {answer.status_code}", "look at the URL with a browser"
            )
        if self._at and (
            answer.status_code != _PARTIAL or answer.headers.get("ETag", "") != self._mark
        ):
            answer.close()
            raise UpdateError(
                f"the line broke, and {self._url} does not go on where it did",
                "try again, or bring the file on a stick",
            )
        return answer

    def _send(self, headers: dict[str, str]) -> requests.Response:
        return self._session.get(
            self._url, headers=headers, stream=True, timeout=(CONNECT_S, STALL_S)
        )

    def _in_time(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, raise what it raises, and `UpdateError` if it takes too long.

        Whatever trickles starts the time-outs of a socket anew with each byte.  The thread that
        waits for more is left behind: it ends with the process.
        """
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # It is raised again where it is waited for.
                future.set_exception(error)

        thread = threading.Thread(target=run, name="download", daemon=True)
        thread.start()
        thread.join(self._piece_s)
        if thread.is_alive():
            raise UpdateError(
                f"{self._url} gives less than {_PIECE_BYTES} bytes in {self._piece_s:g} s",
                "bring the file on a stick, or over another line",
            )
        return future.result()


def _refused(source: str, error: Exception) -> UpdateError:
    return UpdateError(
        f"{source} cannot be read: {_reason(error)}", "try again, or bring the file on a stick"
    )


def _reason(error: Exception) -> str:
    """Return what kept us, as the operating system or TLS has it, without what wraps that."""
    cause = innermost(error)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.ConnectionError | HTTPError) and not isinstance(
        error, ValueError
    ):
        return "the connection broke before the file was whole"
    return str(error) or type(error).__name__
