"""A requests session as the uplink wants it, and how to end its request from another thread.

Nothing but the settings decides where a request goes and what it trusts.  From the environment come
no proxy, no authorities and no `.netrc` (whose password would take the token's place); no redirect
is followed, because a captive portal redirects, and the token would go with it; no cookie is kept.
"""

import http.cookiejar
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tidegate.config.settings import UplinkSettings
from tidegate.version import VERSION

# Short, because a connection that is begun while the line is down often never comes about though
# the line is back: what was held should be on its way again within seconds.
CONNECT_S = 5.0

# Where distributions keep the authorities that they trust; OpenSSL's own answer comes first.
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Session:
    """One connection at a time to one hub, kept alive; for one thread, except `abort`."""

    def __init__(self, settings: UplinkSettings) -> None:
        self._timeout_s = float(settings.timeout_s)
        self._connection: Any = None
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = settings.ca_file or system_authorities() or True
        if settings.cert_file:
            self._session.cert = (settings.cert_file, settings.key_file)
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Authorization": f"Bearer {settings.token.reveal()}",
                "User-Agent": f"tidegate/{VERSION}",
            }
        )
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        adapter.poolmanager.pool_classes_by_scheme = {
            "http": self._pools_of(HTTPConnectionPool),
            "https": self._pools_of(HTTPSConnectionPool),
        }
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def prepare(self, method: str, url: str, body: bytes | None) -> requests.PreparedRequest:
        """Return a request that is ready to be sent."""
        headers = {} if body is None else {"Content-Type": "application/vnd.tidegate.batch"}
        return self._session.prepare_request(
            requests.Request(method, url, headers=headers, data=body)
        )

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        """Send it; return the answer with its body unread.  Raises what requests raises."""
        return self._session.send(
            request,
            stream=True,
            allow_redirects=False,
            timeout=(CONNECT_S, self._timeout_s),
            verify=self._session.verify,
            cert=self._session.cert,
        )

    def disconnect(self) -> None:
        """Close the connection, if there is one; the next request makes a new one."""
        self._session.close()

    def abort(self) -> None:
        """Let the request that runs in another thread fail at once."""
        sock = getattr(self._connection, "sock", None)
        if sock is None:
            return
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It has ended by itself, or shakes hands over TLS, which has a time limit of its own.
            return

    def _pools_of(self, kind: Any) -> Callable[..., Any]:
        """Return a maker of connection pools that is like `kind`, but knows its connections."""

        def make_pool(*arguments: Any, **options: Any) -> Any:
            pool = kind(*arguments, **options)
            make_connection = pool.ConnectionCls
            pool.ConnectionCls = lambda **settings: self._adopt(make_connection(**settings))
            return pool

        return make_pool

    def _adopt(self, connection: Any) -> Any:
        """Remember a connection, and give it as long for sending as for the answer.

        urllib3 sends under the time limit for connecting, which on a slow line would be far too
        short for a body.
        """
        send = connection.request

        def request(*arguments: Any, **options: Any) -> Any:
            if connection.sock is None:
                connection.connect()
            connection.timeout = self._timeout_s
            return send(*arguments, **options)

        connection.request = request
        self._connection = connection
        return connection


def system_authorities() -> str:
    """Return the file of the authorities that this system trusts; "" leaves it to requests, which
    brings certifi's."""
    own = ssl.get_default_verify_paths().cafile
    for path in (own, *_AUTHORITIES):
        if path and Path(path).is_file():
            return path
    return ""
