"""Reading a request's body within bounds: of one body, of all together, and of patience.

A peer that lies about a length, sends without end, or sends one byte a minute costs no more than
what is named here.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from tidegate.limits import BATCH_BYTES_MAX

IN_FLIGHT_BYTES_MAX = 256 * 1024 * 1024  # Bodies of all requests together; eight of the largest.
SILENCE_S = 60  # A line may be slow, but this long without a byte it is dead.
DRAIN_S = 10  # How long we listen to a body that we have refused already.
DRAIN_BYTES_MAX = BATCH_BYTES_MAX + 64 * 1024  # So every batch that keeps to the protocol ends.


class RefusedBodyError(Exception):
    """Report a body that was not read: the HTTP `status`, the `word` and the `detail` to answer."""

    def __init__(self, status: int, word: str, detail: str) -> None:
        Exception.__init__(self, status, word, detail)
        self.status = status
        self.word = word
        self.detail = detail


class Budget:
    """Bytes that bodies may take together.  Not thread-safe: the event loop owns it."""

    def __init__(self, bytes_max: int = IN_FLIGHT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.used_bytes = 0

    def take(self, count_bytes: int) -> None:
        """Count `count_bytes` in; raise `RefusedBodyError` when there is no room for them."""
        if self.used_bytes + count_bytes > self._bytes_max:
            raise RefusedBodyError(503, "busy", "too many batches arrive at once")
        self.used_bytes += count_bytes

    def give_back(self, count_bytes: int) -> None:
        self.used_bytes -= count_bytes


def announced_bytes(request: Request) -> int:
    """Return the length that the request announces, 0 when it announces none."""
    text = request.headers.get("content-length", "")
    # The server has refused what is no number; a very long number is simply too large.
    return int(text[:18]) if text.isascii() and text.isdigit() else 0


async def read_body(
    request: Request, bytes_max: int, budget: Budget, silence_s: float = SILENCE_S
) -> bytes:
    """Return the whole body, counted in `budget` for as long as it takes to read it.

    The caller counts the returned bytes back once it is done with them.  Raises
    `RefusedBodyError`, and what Starlette raises when the peer hangs up.
    """
    chunks: list[bytes] = []
    total = 0
    stream = request.stream()
    try:
        while True:
            chunk = await _next_chunk(stream, silence_s)
            if chunk is None:
                return b"".join(chunks)
            if total + len(chunk) > bytes_max:
                raise RefusedBodyError(413, "too-large", f"a request may have {bytes_max} bytes")
            budget.take(len(chunk))
            total += len(chunk)
            chunks.append(chunk)
    except BaseException:
        budget.give_back(total)
        raise


async def _next_chunk(stream: AsyncIterator[bytes], silence_s: float) -> bytes | None:
    try:
        async with asyncio.timeout(silence_s):
            return await anext(stream, None)
    except TimeoutError:
        raise RefusedBodyError(408, "timeout", f"no byte came for {silence_s} s") from None


async def drain(request: Request) -> None:
    """Read what is left of a refused body, up to bounds, and throw it away.

    A server that closes on unread bytes resets the connection, and the peer then often loses the
    answer that tells it what is wrong.
    """
    if announced_bytes(request) > DRAIN_BYTES_MAX:
        return
    total = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                total += len(chunk)
                if total > DRAIN_BYTES_MAX:
                    return
    except TimeoutError:
        return
