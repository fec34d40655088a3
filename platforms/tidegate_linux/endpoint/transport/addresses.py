"""The sockets on which a listener listens.

A host name stands for all its addresses, `localhost` for both loopbacks.  `[::]` is IPv6 only, so
that it and `0.0.0.0` can stand beside each other, and so that nobody has two addresses (an IPv4
client would be `::ffff:a.b.c.d` on the one, `a.b.c.d` on the other).
"""

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from tidegate_linux.endpoint.transport import limits

if TYPE_CHECKING:
    from tidegate.config.url import Url

LOOPBACKS = ("127.0.0.1", "::1")


class BindError(Exception):
    """Report that a listener cannot listen, and why."""


def listen(url: "Url") -> list[socket.socket]:
    """Return sockets that listen on all addresses of `url`, or raise `BindError`.

    A loopback that this machine does not have is left out, if it has the other one.
    """
    hosts = LOOPBACKS if url.host == "localhost" else (url.host,)
    sockets: list[socket.socket] = []
    problem = ""
    for family, address in _resolved(hosts, url.port):
        try:
            sockets.append(_listening(family, address))
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
            if url.host == "localhost" and _has_no_such(error):
                continue
            close(sockets)
            raise BindError(f"{address[0]} port {url.port}: {problem}") from error
    if not sockets:
        raise BindError(problem or "the host has no address")
    return sockets


def close(sockets: list[socket.socket]) -> None:
    """Release sockets."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.close()


def _resolved(
    hosts: tuple[str, ...], port: int
) -> "list[tuple[int, tuple[str, int] | tuple[str, int, int, int]]]":
    found = []
    for host in hosts:
        try:
            answers = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise BindError(f"{host} has no address: {error.strerror}") from error
        for family, _, _, _, address in answers:
            place = (int(family), address)
            if family in (socket.AF_INET, socket.AF_INET6) and place not in found:
                found.append(place)
    return found  # type: ignore[return-value]


def _listening(
    family: int, address: "tuple[str, int] | tuple[str, int, int, int]"
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # What is accepted inherits these, which saves five calls a connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.KEEPALIVE_PROBES)
        sock.bind(address)
        sock.listen(limits.BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _has_no_such(error: OSError) -> bool:
    """Tell whether the machine lacks such an address at all (IPv6 is switched off)."""
    return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
