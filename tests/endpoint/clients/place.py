"""A gateway with four listeners and a hub, in real processes, for clients that others wrote.

Every client goes through the same day; `EXPECTED` is what it must have seen at its end:

    messages   of QoS 0, 1 and 2, published and received
    retained   what a new subscription gets, and that nothing is left once it was removed
    session    whether it was there at the reconnect, and what had waited in it
    will       what others get when a connection breaks

A day is `(place, scheme, version) -> report`, and `Place.check` judges the report and the hub.
"""

import contextlib
import itertools
import time
from pathlib import Path

import pytest

from fixtures.broker import free_port
from fixtures.certificates import Authority
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess

SCHEMES = ("mqtt", "mqtts", "ws", "wss")
VERSIONS = (4, 5)
WAIT_S = 20.0

# Each address and each version with every client; all pairs only where minutes are there.
QUICK_WAYS = (("mqtt", 4), ("mqtts", 5), ("ws", 5), ("wss", 4))
SOME_WAYS = [
    pytest.param(*way, marks=() if way in QUICK_WAYS else pytest.mark.slow)
    for way in itertools.product(SCHEMES, VERSIONS)
]

EXPECTED: dict[str, list] = {
    "messages": [["t/0", "zero", 0], ["t/1", "one", 1], ["t/2", "two", 2]],
    "retained": ["kept", True],
    "removed": [True],
    "session_present": [False, True],
    "session": ["waited-1", "waited-2"],
    "will": ["gone"],
}
# What the hub has of it, whatever the client: each once, but for what QoS 1 allows.
RECORDS = {
    "t/0": ["zero"],
    "t/1": ["one"],
    "t/2": ["two"],
    "r": ["kept", ""],
    "s": ["waited-1", "waited-2"],
    "w": ["gone"],
}


class Place:
    """The processes, and the addresses where they listen."""

    def __init__(self, folder: Path) -> None:
        for name in ("hub", "ca"):
            (folder / name).mkdir(parents=True)
        authority = Authority(folder / "ca")
        certificate, key = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        self.ca = authority.certificate
        self.ports = {scheme: free_port() for scheme in SCHEMES}
        self.hub = HubProcess(folder / "hub")
        self._folder = folder
        self._tls = {"cert_file": str(certificate), "key_file": str(key)}
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Place":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.hub)
            self.gateway = GatewayProcess(self._folder, "", self.hub.url)
            self.gateway.config["source"] = [self._listener(scheme) for scheme in SCHEMES]
            stack.enter_context(self.gateway)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def url(self, scheme: str) -> str:
        """Return where clients find a listener."""
        path = "/mqtt" if scheme.startswith("ws") else ""
        return f"{scheme}://localhost:{self.ports[scheme]}{path}"

    def prefix(self) -> str:
        """Return the first level of topics, and the client identifier, that nobody else uses."""
        return f"day{next(self._numbers)}"

    def check(self, report: dict, prefix: str, lacks_qos_2: bool = False) -> None:
        """Assert that a client saw what it should, and that the hub has it."""
        expected, wanted = dict(EXPECTED), dict(RECORDS)
        if lacks_qos_2:
            expected["messages"] = EXPECTED["messages"][:2]
            del wanted["t/2"]
        assert report == expected
        self.wait_records(prefix, wanted)

    def wait_records(self, prefix: str, wanted: dict) -> None:
        """Wait until the hub has these records, and no others of this prefix."""
        deadline = time.monotonic() + WAIT_S
        while (found := self.records(prefix)) != wanted:
            assert time.monotonic() < deadline, f"the hub has {found}\n{self.gateway.log()}"
            time.sleep(0.05)

    def records(self, prefix: str) -> dict:
        """Return what the hub has: topic without the prefix -> payloads in their order."""
        rows = self.hub.query(
            f"SELECT topic, payload FROM records WHERE topic LIKE '{prefix}/%' ORDER BY seq"
        )
        found: dict[str, list[str]] = {}
        for topic, payload in rows:
            name = (topic.decode() if isinstance(topic, bytes) else topic).partition("/")[2]
            found.setdefault(name, []).append(bytes(payload or b"").decode())
        return found

    def _listener(self, scheme: str) -> dict[str, object]:
        tls = self._tls if scheme in ("mqtts", "wss") else {}
        return {"type": "listen", "url": self.url(scheme).replace("localhost", "127.0.0.1"), **tls}
