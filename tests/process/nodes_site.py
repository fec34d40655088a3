"""A site of MicroPython nodes, in real processes: nodes, lines, gateway, line, hub.

    with NodesSite(tmp_path) as site:
        site.node("n1", "mqtt")
        site.gateway.kill()
        site.gateway.spawn()
    verdict = site.settle()

Whatever a test does, all processes are gone at its end.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from fixtures.broker import free_port
from fixtures.gateway import PATHS, GatewayProcess
from fixtures.hub import HubProcess
from fixtures.proxy import DOWN, UP, Proxy
from process.micropython_node import MicroPythonNode
from process.nodes_verdict import ROWS, NodesVerdict, Row, judge_nodes

NODE_TOKEN = "token-of-a-node-6f1d0c7a"
SETTLE_S = 120.0
STATUS_S = 30
SNAPSHOT_S = 1.5  # What the gateway says of itself may be a second old.


class NodesSite:
    """MicroPython nodes -> (lines) -> gateway -> (line) -> hub, all on 127.0.0.1.

    `mqtt_line` and `http_line` lead to the gateway, `hub_line` to the hub.
    listener, tables: more of the gateway's source and of its file.
    """

    def __init__(
        self,
        folder: Path,
        listener: "dict[str, object] | None" = None,
        tables: "dict[str, object] | None" = None,
    ) -> None:
        (folder / "hub").mkdir()
        self.folder = folder
        self.hub = HubProcess(folder / "hub")
        self.nodes: list[MicroPythonNode] = []
        self._listener = listener or {}
        self._tables = tables or {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "NodesSite":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.hub)
            mqtt_port, http_port = free_port(), free_port()
            self.mqtt_line = stack.enter_context(Proxy(mqtt_port))
            self.http_line = stack.enter_context(Proxy(http_port))
            self.hub_line = stack.enter_context(Proxy(int(self.hub.url.rpartition(":")[2])))
            self.lines = [self.mqtt_line, self.http_line, self.hub_line]
            self.gateway = GatewayProcess(self.folder, "", self.hub_line.url)
            tokens = self.folder / "nodes.tokens"
            tokens.write_text(f"nodes {NODE_TOKEN}\n")
            tokens.chmod(0o600)
            listener = {
                "type": "listen", "url": f"mqtt://127.0.0.1:{mqtt_port}", **self._listener,
            }  # fmt: skip
            place = {
                "type": "nodes",
                "url": f"http://127.0.0.1:{http_port}",
                "tokens_file": str(tokens),
            }
            self.gateway.config["source"] = [listener, place]
            self.gateway.config["log"] = {"level": "info"}
            self.gateway.config.update(self._tables)
            stack.enter_context(self.gateway)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def uplink(self, kind: str) -> "dict[str, object]":
        """Return a node's uplink to this gateway, "mqtt" or "http"."""
        if kind == "mqtt":
            return {"type": "mqtt", "url": f"mqtt://127.0.0.1:{self.mqtt_line.port}"}
        return {"type": "http", "url": self.http_line.url, "token": NODE_TOKEN}

    def node(self, name: str, kind: str, mode: str = "put", **more: object) -> MicroPythonNode:
        """Start a node with an uplink to this gateway; `more` is for `MicroPythonNode`."""
        node = MicroPythonNode(self.folder / name, name, self.uplink(kind), mode, **more)
        self._stack.enter_context(node)
        self.nodes.append(node)
        return node

    def settle(self) -> NodesVerdict:
        """Heal everything, end the nodes, wait until nothing is held, judge the hub's table."""
        self.heal()
        for node in self.nodes:
            node.kill()
            check_balance(node.drain())
        self.wait_delivered()
        check_balance(self.status())
        return self.judge()

    def wait_delivered(self) -> None:
        """Wait until the hub has all that the gateway holds now."""
        time.sleep(SNAPSHOT_S)
        self.gateway.wait(lambda status: status["backlog"]["records"] == 0, SETTLE_S)

    def heal(self) -> None:
        """Have all lines and programs run again."""
        for line in self.lines:
            line.call_off()
            line.is_open = True
        if not self.gateway.is_running:
            self.gateway.spawn()

    @property
    def said(self) -> "dict[str, dict[int, int]]":
        """Return what all nodes have promised."""
        return {topic: runs for node in self.nodes for topic, runs in node.said.items()}

    def rows(self) -> "list[Row]":
        """Return the hub's table."""
        return self.hub.query(ROWS)

    def judge(self) -> NodesVerdict:
        """Judge the hub's table as it is, and what it says of streams and gaps."""
        assert self.hub.query("SELECT * FROM gaps") == []
        assert self.hub.query("SELECT * FROM origin_gaps") == []
        rows = self.rows()
        last = {row[0]: row[1] for row in rows}
        assert dict(self.hub.query("SELECT stream, through FROM ledger WHERE through > 0")) == last
        return judge_nodes(rows, self.said)

    def status(self) -> dict:
        """Return what `tidegate status --json` prints."""
        done = subprocess.run(
            [
                sys.executable, "-m", "tidegate_linux",
                "status", "--json", "-c", str(self.gateway.config_path),
            ],
            env={**os.environ, "PYTHONPATH": PATHS},
            capture_output=True,
            text=True,
            timeout=STATUS_S,
            check=True,
        )  # fmt: skip
        return json.loads(done.stdout)


class Mishaps:
    """Kills and cuts at a site, by chance; `kills` and `cuts` count them."""

    def __init__(self, site: NodesSite, chance: random.Random) -> None:
        self.kills = {"node": 0, "gateway": 0, "hub": 0}
        self._site = site
        self._chance = chance
        self._closings = 0
        self._next = 0

    @property
    def cuts(self) -> int:
        """Return how many connections were cut, and lines closed for a while."""
        return self._closings + sum(line.cuts for line in self._site.lines)

    def kill_next(self) -> None:
        """SIGKILL a node, the gateway or the hub, in turn; it starts again at once."""
        kinds = ("node", "gateway", "node", "hub")
        kind = kinds[self._next % len(kinds)]
        if kind == "node":
            nodes = self._site.nodes
            self._kill_node(nodes[self._next // 2 % len(nodes)])
        elif kind == "gateway":
            self._site.gateway.kill()
            self._site.gateway.spawn()
        else:
            self._site.hub.kill()
            self._site.hub.spawn()
        self.kills[kind] += 1
        self._next += 1

    def _kill_node(self, node: MicroPythonNode) -> None:
        node.kill()
        node.start()
        while self._chance.random() < 0.25:
            # Again while it opens its log, or has just found the gateway.
            self.rest(0.02, 0.3)
            node.kill()
            node.start()
            self.kills["node"] += 1

    def cut_one(self) -> None:
        """Cut a line: now, somewhere in what comes next, or for a while."""
        line = self._chance.choice(self._site.lines)
        how = self._chance.choice(("now", "within", "within", "closed"))
        with_reset = self._chance.random() < 0.5
        if how == "now":
            line.cut(with_reset)
        elif how == "within":
            line.cut_after(
                self._chance.choice((UP, DOWN)), self._chance.randrange(4000), with_reset
            )
        else:
            self._closings += 1
            line.is_open = False
            line.cut(with_reset)
            self.rest(0.1, 0.6)
            line.is_open = True

    def rest(self, least_s: float, most_s: float) -> None:
        """Let time go by."""
        time.sleep(self._chance.uniform(least_s, most_s))


def check_balance(status: dict) -> None:
    """Check that all is delivered and the balance holds, by what a node or a gateway says."""
    assert status["streams"]
    for stream in status["streams"]:
        dropped = stream["dropped"]
        gone = stream["delivered"] + stream["held"] + stream["quarantined"] + sum(dropped.values())
        assert stream["admitted"] == gone, status
        assert (stream["held"], stream["quarantined"], dropped) == (0, 0, {}), status
