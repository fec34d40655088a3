"""The hub's HTTP: routes, the order of the checks, and JSON answers.

The order for a batch: announced size (413), token (401), rate (429), the body within its bounds
(413), and then the receiver, which decodes and applies it in a thread.  So a stranger costs neither
memory nor a decoding.  Every answer except /metrics is a JSON object; an error is
{"error": word, "detail": sentence}.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tidegate_hub.answers import RETRY_AFTER_S, Answer, refusal
from tidegate_hub.body import Budget, RefusedBodyError, announced_bytes, drain, read_body
from tidegate_hub.metrics import Metrics
from tidegate_hub.rate import Bucket
from tidegate_hub.tokens import TokenBook

THREADS = 4  # SQLite uses one at a time; PostgreSQL waits in one while another decodes.
FAILED_LOGINS_PER_S = 10  # All strangers together; a node with a wrong token is told to slow down.
HEALTH_TIMEOUT_S = 5


class Limits(NamedTuple):
    """What one request may take, and how often a node may ask (0: no limit)."""

    batch_bytes_max: int
    requests_per_s: int


class Receiving(Protocol):
    """What answers: the hub's `Receiver`, or a gateway's for its nodes."""

    def receive(self, name: str, owner: str, body: bytes) -> Answer:
        """Apply a batch."""

    def standing(self, name: str, owner: str, at_text: str) -> Answer:
        """Tell where a stream stands."""

    def check(self) -> Answer:
        """Tell whether it can work."""


class Refused(Exception):  # noqa: N818 - it ends a request, not the program.
    """Carry an answer out of the checks that come before a handler's own work."""

    def __init__(self, answer: Answer) -> None:
        Exception.__init__(self, answer)
        self.answer = answer


class Hub:
    """The handlers of the routes, and what they share.

    `close` waits for what the threads still do.
    """

    def __init__(
        self,
        receiver: Receiving,
        tokens: TokenBook,
        limits: Limits,
        metrics: Metrics,
        monotonic_s: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self._receiver = receiver
        self._tokens = tokens
        self._limits = limits
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._buckets = {name: Bucket(limits.requests_per_s) for name in tokens.names}
        self._failed_logins = Bucket(FAILED_LOGINS_PER_S)
        self._budget = budget or Budget()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hub")

    def close(self) -> None:
        self._threads.shutdown()

    async def post_batch(self, request: Request) -> Response:
        bytes_max = self._limits.batch_bytes_max
        try:
            if announced_bytes(request) > bytes_max:
                detail = f"a request may have {bytes_max} bytes"
                raise Refused(refusal(413, "too-large", detail))
            owner = self._admitted(request)
            body = await read_body(request, bytes_max, self._budget)
        except Refused as error:
            return await self._refuse(request, error.answer)
        except RefusedBodyError as error:
            retry_after_s = RETRY_AFTER_S if error.status == 503 else 0
            answer = refusal(error.status, error.word, error.detail, retry_after_s)
            return await self._refuse(request, answer)
        except ClientDisconnect:
            self._metrics.count("refused", 1, "disconnected")
            return Response(status_code=400)  # Nobody reads it.
        self._metrics.count("received_bytes", len(body))
        name = request.path_params["stream"]
        try:
            answer = await self._in_thread(lambda: self._receiver.receive(name, owner, body))
        finally:
            self._budget.give_back(len(body))
        return _response(answer)

    async def get_stream(self, request: Request) -> Response:
        try:
            owner = self._admitted(request)
        except Refused as error:
            return await self._refuse(request, error.answer)
        name, at = request.path_params["stream"], request.query_params.get("at", "")
        return _response(await self._in_thread(lambda: self._receiver.standing(name, owner, at)))

    async def get_health(self, _request: Request) -> Response:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return _response(await self._in_thread(self._receiver.check))
        except TimeoutError:
            detail = f"the database did not answer within {HEALTH_TIMEOUT_S} s"
            return _response(refusal(503, "unavailable", detail, RETRY_AFTER_S))

    async def get_metrics(self, _request: Request) -> Response:
        return PlainTextResponse(self._metrics.text(), media_type="text/plain; version=0.0.4")

    def _admitted(self, request: Request) -> str:
        """Return the name of the node that asks; raise `Refused` for a stranger or a hurry."""
        now_s = self._monotonic_s()
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        name = self._tokens.find(token.strip()) if scheme.lower() == "bearer" else None
        if name is None:
            wait_s = self._failed_logins.take(now_s)
            if wait_s:
                raise Refused(_slow_down("too many requests with an unknown token", wait_s))
            detail = "the token is missing" if not token else "the token is not known here"
            raise Refused(refusal(401, "unauthorized", detail))
        wait_s = self._buckets[name].take(now_s)
        if wait_s:
            limit = self._limits.requests_per_s
            raise Refused(_slow_down(f"a node may make {limit} requests a second", wait_s))
        return name

    async def _refuse(self, request: Request, answer: Answer) -> Response:
        self._metrics.count("refused", 1, str(answer.fields["error"]))
        if answer.status == 408:
            return _response(answer)
        try:
            await drain(request)
        except (ClientDisconnect, RuntimeError):
            # The peer is gone, or its stream was read to the end before: nothing is left to read.
            return _response(answer)
        return _response(answer)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def build_app(hub: Hub, has_metrics: bool = True) -> Starlette:
    """Return the ASGI application around `hub`; without /metrics where others tell the figures."""
    routes = [
        Route("/v1/streams/{stream}/batches", hub.post_batch, methods=["POST"]),
        Route("/v1/streams/{stream}", hub.get_stream, methods=["GET"]),
        Route("/healthz", hub.get_health, methods=["GET"]),
    ]
    if has_metrics:
        routes.append(Route("/metrics", hub.get_metrics, methods=["GET"]))
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _no_such_place, Exception: _our_fault},
    )


def _slow_down(detail: str, wait_s: float) -> Answer:
    return refusal(429, "too-many-requests", detail, max(1, math.ceil(wait_s)))


def _response(answer: Answer) -> JSONResponse:
    headers = {}
    if answer.retry_after_s:
        headers["Retry-After"] = str(answer.retry_after_s)
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(answer.fields, answer.status, headers)


def _no_such_place(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "not-found", 405: "method-not-allowed"}
    fields = {"error": words.get(error.status_code, "refused"), "detail": error.detail}
    return JSONResponse(fields, error.status_code, error.headers)


def _our_fault(_request: Request, _error: Exception) -> Response:
    # Starlette raises it again after this answer, so that the server logs it with its traceback.
    return JSONResponse({"error": "internal", "detail": "the hub has a fault; see its log"}, 500)
