"""A gateway that does not let a node in as it is: the node holds everything, and says why."""

import pytest

from process.nodes_site import NodesSite
from tidegate_linux.endpoint.access.users import Users

PASSWORD = "a-password-of-nodes"
OF_NODES = {
    "users": ["node-*"],
    "publish": ["$tidegate/#", "site/#"],
    "subscribe": ["$tidegate/#"],
}
OF_DEVICES = {"publish": ["site/%u/#"], "subscribe": ["command/%u/#"]}


def guarded_site(folder, access):
    """Return a site that lets only two nodes in, by their names."""
    data = folder / "gateway"
    data.mkdir()
    users = Users(data / "users")
    users.load()
    for name in ("node-1", "node-2"):
        users.add(name, PASSWORD.encode())
    return NodesSite(folder, {"anonymous": False}, {"access": access})


def log_in(node, name):
    node.config["uplink"].update(username=name, password=PASSWORD)


def put_some(node):
    """Let a node put for a moment; return its status then."""
    count = node.count
    if not node.is_running:
        node.start()
    status = node.wait(lambda _: node.count >= count + 20)
    return node.wait(lambda status: status["uptime_s"] >= 2) or status


def assert_held(site, node, words):
    """Check that all is held, and that status and log say why."""
    status = node.wait(lambda status: words in status["link"]["last_error"])
    assert status["backlog"]["records"] >= 20
    [stream] = status["streams"]
    assert stream["admitted"] == stream["held"]
    assert (stream["quarantined"], stream["dropped"]) == (0, {})
    assert words in node.log()
    assert site.hub.query("SELECT count(*) FROM records") == [(0,)]


@pytest.mark.parametrize(
    ("access", "name", "words"),
    [
        pytest.param([OF_DEVICES], "node-1", "may not subscribe", id="not-to-subscribe"),
        pytest.param(
            [{**OF_NODES, "publish": ["site/#"]}],
            "node-1",
            "not-allowed",
            id="not-to-publish",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [OF_NODES], "node-3", "the broker refuses us", id="unknown", marks=pytest.mark.slow
        ),
    ],
)
def test_a_node_that_is_not_let_in_holds_everything_and_says_why(tmp_path, access, name, words):
    with guarded_site(tmp_path, access) as site:
        node = site.node("n1", "mqtt")
        node.kill()
        log_in(node, name)
        put_some(node)
        assert_held(site, node, words)
        # Once the owner has mended it, all of it arrives.
        node.kill()
        log_in(node, "node-1")
        site.gateway.kill()
        site.gateway.config["access"] = [OF_NODES]
        site.gateway.spawn()
        verdict = site.settle()
    assert verdict.is_perfect, verdict
    assert verdict.records >= 20


def test_the_stream_of_another_node_is_refused_and_held(tmp_path):
    with guarded_site(tmp_path, [OF_NODES]) as site:
        node = site.node("n1", "mqtt")
        node.kill()
        log_in(node, "node-1")
        put_some(node)
        node.kill()
        delivered = node.drain()["streams"][0]["delivered"]
        log_in(node, "node-2")
        put_some(node)
        status = node.wait(lambda status: "foreign-node" in status["link"]["last_error"])
        assert status["streams"][0]["delivered"] == delivered
        assert status["streams"][0]["held"] >= 20
        assert "foreign-node" in node.log()
        node.kill()
        log_in(node, "node-1")
        verdict = site.settle()
    assert verdict.is_perfect, verdict


@pytest.mark.slow
def test_batches_over_the_size_of_packets_are_sent_smaller(tmp_path):
    with NodesSite(tmp_path, None, {"endpoint": {"packet_bytes_max": 1024}}) as site:
        site.mqtt_line.is_open = False
        node = site.node("n1", "mqtt")
        node.wait(lambda status: status["backlog"]["records"] >= 100)
        site.mqtt_line.is_open = True
        verdict = site.settle()
    assert verdict.is_perfect, verdict
    assert verdict.records >= 100
