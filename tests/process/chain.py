"""The whole chain in real processes: publishers, Mosquitto, gateway, hub; and lines between them.

    with Chain(tmp_path) as chain, chain.load():
        chain.kill_gateway()
        ...
    verdict = chain.settle()

Every part can be killed and started again at any time.  Whatever a test does, all processes are
gone at its end.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixtures.broker import Broker
from fixtures.gateway import GatewayProcess
from fixtures.hub import HubProcess
from fixtures.mqtt_tap import MqttTap
from fixtures.proxy import Proxy
from fixtures.publisher import IDENTITY_NAME, Publisher
from process.verdict import Verdict, judge

SETTLE_S = 120.0
PUBLISHER_WINDOW = 200
WINDOW = 1000  # Messages the broker has in flight to the gateway, at most.
QUEUE = ["max_queued_messages 0", f"max_inflight_messages {WINDOW}"]


class Chain:
    """Publishers -> broker -> (line) -> gateway -> (line) -> hub, all on 127.0.0.1.

    database: the hub's, an SQLAlchemy URL; by default SQLite.
    with_identity: publishers name their messages, and the gateway knows by which property.
    persistence: the broker's, as `Broker` has it.
    data: the gateway's folder, if it is not to be below `folder`.
    """

    def __init__(
        self,
        folder: Path,
        database: str = "",
        with_identity: bool = True,
        persistence: str = "none",
        data: "Path | None" = None,
        uplink: "dict[str, object] | None" = None,
        starts_gateway: bool = True,
    ) -> None:
        (folder / "hub").mkdir()
        self.broker = Broker(folder / "broker", persistence=persistence, options=QUEUE)
        self.hub = HubProcess(folder / "hub", database)
        self.restarts_s: list[float] = []
        self._with_identity = with_identity
        self._folder = folder
        self._data = data
        self._uplink = uplink
        self._starts_gateway = starts_gateway
        self._stack = contextlib.ExitStack()
        self._publishers: list[Publisher] = []

    def __enter__(self) -> "Chain":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.broker)
            stack.enter_context(self.hub)
            self.tap = MqttTap()
            self.broker_line = stack.enter_context(Proxy(self.broker.port, self.tap))
            self.hub_line = stack.enter_context(Proxy(int(self.hub.url.rpartition(":")[2])))
            self.gateway = self._make_gateway()
            stack.push(self.gateway)
            if self._starts_gateway:
                self.spawn_gateway()
                self.wait_connected()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _make_gateway(self) -> GatewayProcess:
        gateway = GatewayProcess(
            self._folder,
            f"mqtt://127.0.0.1:{self.broker_line.port}",
            self.hub_line.url,
            source={"message_id": IDENTITY_NAME} if self._with_identity else {},
            uplink=self._uplink,
        )
        gateway.config["log"] = {"level": "info"}
        if self._data is not None:
            gateway.config["node"] = {"name": "site-7", "data": str(self._data)}
        return gateway

    @contextlib.contextmanager
    def load(self, publishers: int = 4, per_s: float = 300, messages: int = 0) -> Iterator[None]:
        """Publish all the time, or `messages` each; at the end until all is acknowledged."""
        first = len(self._publishers)
        with contextlib.ExitStack() as stack:
            for number in range(first + 1, first + publishers + 1):
                publisher = Publisher(
                    self.broker.port, f"p{number}", per_s, PUBLISHER_WINDOW, messages,
                    self._with_identity,
                )  # fmt: skip
                self._publishers.append(publisher)
                stack.enter_context(publisher)
            yield
            if messages:
                for publisher in self._publishers[first:]:
                    publisher.wait()

    @property
    def sent(self) -> dict[str, int]:
        """Return how many messages of each publisher the broker acknowledged."""
        return {publisher.name: publisher.acknowledged for publisher in self._publishers}

    def kill_gateway(self) -> None:
        """SIGKILL it, and start it again without waiting for anything."""
        self.gateway.kill()
        self.spawn_gateway()

    def spawn_gateway(self) -> None:
        """Start the gateway and wait for nothing."""
        path = self.gateway.log_path
        self._log_bytes = path.stat().st_size if path.exists() else 0
        self._spawned_s = time.monotonic()
        self.gateway.spawn()

    def wait_connected(self) -> None:
        """Wait until the gateway that was started last has its subscription; note how long."""
        deadline = time.monotonic() + SETTLE_S
        while "connected to the broker" not in self.new_log():
            assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"
            assert time.monotonic() < deadline, f"no connection:\n{self.gateway.log()}"
            time.sleep(0.01)
        if self._spawned_s:
            self.restarts_s.append(time.monotonic() - self._spawned_s)
            self._spawned_s = 0.0

    def wait_reconnected(self, known: int) -> None:
        """Wait until the gateway has made a connection behind the `known` first ones, by itself."""
        deadline = time.monotonic() + SETTLE_S
        while self.broker_line.connections <= known:
            assert time.monotonic() < deadline, f"no connection:\n{self.gateway.log()}"
            time.sleep(0.01)

    def pause(self, seconds: float) -> None:
        """Let time go by; the gateway must not end by itself meanwhile."""
        time.sleep(seconds)
        assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"

    def new_log(self) -> str:
        """Return what the gateway has logged since it was started last."""
        with self.gateway.log_path.open("rb") as log:
            log.seek(self._log_bytes)
            return log.read().decode(errors="replace")

    def kill_hub(self) -> None:
        """SIGKILL it, and start it again."""
        self.hub.kill()
        self.hub.start()

    def kill_both(self, order: list[str]) -> None:
        """SIGKILL gateway and hub in this order, with nothing between, and start them again."""
        for name in order:
            if name == "gateway":
                self.gateway.kill()
            else:
                self.hub.kill()
        self.spawn_gateway()
        self.hub.start()

    def settle(self) -> Verdict:
        """Wait until all that was acknowledged to publishers is with the hub; judge the table."""
        sent = self.sent
        self.wait_for(lambda: self._has_all(sent))
        self.gateway.wait(lambda status: status["backlog"]["records"] == 0, SETTLE_S)
        return self.judge(sent)

    def settle_promised(self, unless: "Sequence[tuple[float, float]]" = ()) -> Verdict:
        """Wait until all that the gateway acknowledged to the broker is with the hub; judge it."""
        self.wait_for(lambda: not self.missing(unless))
        self.gateway.wait(lambda status: status["backlog"]["records"] == 0, SETTLE_S)
        return self.judge(self.sent)

    def missing(self, unless: "Sequence[tuple[float, float]]" = ()) -> set[bytes]:
        """Return the payloads that the gateway acknowledged and the hub has not.

        What was acknowledged in one of the times `unless`, from and until, does not count.
        """
        promised = {
            each.payload
            for each in self.tap.acknowledged
            if not any(first_s <= each.at_s <= last_s for first_s, last_s in unless)
        }
        return promised - {bytes(row[0]) for row in self.hub.query("SELECT payload FROM records")}

    def _has_all(self, sent: dict[str, int]) -> bool:
        """Tell whether there are enough rows, and then whether these are the ones."""
        total = sum(sent.values())
        if self.hub.query("SELECT count(*) FROM records")[0][0] < total:
            return False
        return self.hub.query("SELECT count(DISTINCT payload) FROM records")[0][0] >= total

    def judge(self, sent: dict[str, int]) -> Verdict:
        """Judge the hub's table as it is."""
        assert self.hub.query("SELECT count(*) FROM gaps")[0][0] == 0
        rows = self.hub.query(
            "SELECT stream, seq, topic, payload FROM records ORDER BY stream, seq"
        )
        return judge(rows, sent)

    def wait_for(self, condition) -> None:
        """Wait until `condition()`; at the latest until SETTLE_S, then it is judged as it is."""
        deadline = time.monotonic() + SETTLE_S
        while not condition() and time.monotonic() < deadline:
            assert self.gateway.is_running, f"the gateway has ended:\n{self.gateway.log()}"
            time.sleep(0.2)


class Meanwhile:
    """Do something again and again in a thread, until the context ends; its error is raised."""

    def __init__(self, act) -> None:
        self._act = act
        self._ending = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Meanwhile":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._thread.join(SETTLE_S)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._act(self._ending)
        except Exception as error:
            self._error = error


def traces(log: str) -> list[str]:
    """Return the beginnings of what Python prints when a program has a bug."""
    return re.findall(r"Traceback.*", log)
