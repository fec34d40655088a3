"""A site without a broker of somebody else, in real processes: devices, gateway, line, hub.

with Site(tmp_path) as site:
    with site.load():
        site.kill()
    verdict = site.settle()
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixtures.broker import free_port
from fixtures.fleet import Fleet
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from process.verdict import Verdict, judge

SETTLE_S = 120.0


class Site:
    """Devices -> the gateway's own endpoint -> hub, all on 127.0.0.1.

    data: the gateway's folder, if it is not to be below `folder`.
    prefix: what the gateway's command begins with.
    program: the gateway's program, if it is not the one of this checkout.
    """

    def __init__(
        self,
        folder: Path,
        data: "Path | None" = None,
        prefix: "list[str] | None" = None,
        program: "list[str] | None" = None,
    ) -> None:
        (folder / "hub").mkdir()
        self.port = free_port()
        self.hub = HubProcess(folder / "hub")
        self.restarts_s: list[float] = []
        self.fleet: Fleet | None = None
        self._folder = folder
        self._data = data
        self._prefix = prefix or []
        self._program = program
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Site":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.hub)
            url = f"mqtt://127.0.0.1:{self.port}"
            self.gateway = GatewayProcess(self._folder, url, self.hub.url)
            self.gateway.config["source"] = [{"type": "listen", "url": url}]
            self.gateway.config["log"] = {"level": "info"}
            self.gateway.prefix = self._prefix
            if self._program is not None:
                self.gateway.program = self._program
            if self._data is not None:
                self.gateway.config["node"] = {"name": "site-7", "data": str(self._data)}
            stack.push(self.gateway)
            self.spawn()
            self.wait_listening()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def load(self, devices: int = 20, per_s: float = 20) -> Iterator[None]:
        """Have devices publish all the time; at the end until all is acknowledged."""
        self.fleet = Fleet(self.port, devices, per_s)
        with self.fleet:
            yield

    def kill(self) -> None:
        """SIGKILL the gateway, and start it again without waiting for anything."""
        self.gateway.kill()
        self.spawn()

    def spawn(self) -> None:
        """Start the gateway and wait for nothing."""
        path = self.gateway.log_path
        self._log_bytes = path.stat().st_size if path.exists() else 0
        self._spawned_s = time.monotonic()
        self.gateway.spawn()

    def wait_listening(self) -> None:
        """Wait until the gateway that was started last listens; note how long it took."""
        deadline = time.monotonic() + SETTLE_S
        while "listening: url=mqtt://" not in self._new_log():
            assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"
            assert time.monotonic() < deadline, f"it does not listen:\n{self.gateway.log()}"
            time.sleep(0.01)
        if self._spawned_s:
            self.restarts_s.append(time.monotonic() - self._spawned_s)
            self._spawned_s = 0.0

    def pause(self, seconds: float) -> None:
        """Let time go by; the gateway must not end by itself meanwhile."""
        time.sleep(seconds)
        assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"

    def settle(self, unless: "Sequence[tuple[float, float]]" = ()) -> Verdict:
        """Wait until all that was acknowledged is with the hub; judge its table.

        What was acknowledged in one of the times `unless`, from and until, is not waited for.
        """
        deadline = time.monotonic() + SETTLE_S
        while self.missing(unless) and time.monotonic() < deadline:
            assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"
            time.sleep(0.2)
        self.gateway.wait(lambda status: status["backlog"]["records"] == 0, SETTLE_S)
        assert self.hub.query("SELECT count(*) FROM gaps")[0][0] == 0
        rows = self.hub.query(
            "SELECT stream, seq, topic, payload FROM records ORDER BY stream, seq"
        )
        return judge(rows, self.sent)

    @property
    def sent(self) -> dict[str, int]:
        """Return how many messages of each device were acknowledged."""
        assert self.fleet is not None
        return self.fleet.sent

    def missing(self, unless: "Sequence[tuple[float, float]]" = ()) -> int:
        """Return how many acknowledged messages the hub has not."""
        assert self.fleet is not None
        count = 0
        topics = dict(
            self.hub.query("SELECT topic, count(DISTINCT payload) FROM records GROUP BY topic")
        )
        for device in self.fleet.devices:
            spared = sum(
                any(first_s <= at_s <= last_s for first_s, last_s in unless)
                for at_s in device.acknowledged_s
            )
            have = topics.get(f"site/{device.name}", 0)
            count += max(0, device.acknowledged - spared - have)
        return count

    def _new_log(self) -> str:
        with self.gateway.log_path.open("rb") as log:
            log.seek(self._log_bytes)
            return log.read().decode(errors="replace")
