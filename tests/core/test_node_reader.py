"""A node's configuration comes out complete and consistent, or with one error that says why not."""

from node_trees import CANARY, RIGHT, WRONG, http, lanes, uplink
from support import raises
from tidegate.config.reading.node_reader import read_node
from tidegate.config.schema import SettingsError


def test_a_node_needs_no_configuration():
    settings = read_node({})
    assert settings.name == "tidegate"
    assert settings.wifi is None and settings.uplink is None
    assert settings.journal[1:4] == (262_144, 65_536, "drop-oldest")
    assert [lane.name for lane in settings.lanes] == ["main"]
    assert settings.board == ("", 8, "pool.ntp.org")


def test_what_is_right_is_read():
    for tree in RIGHT:
        assert read_node(tree).lanes


def test_each_wrong_configuration_has_one_error_that_names_the_key():
    for tree, path, problem in WRONG:
        with raises(SettingsError) as caught:
            read_node(tree)
        assert caught.error.path == path, (tree, caught.error.args)
        assert problem in caught.error.problem, (tree, caught.error.args)
        assert caught.error.hint
        assert CANARY not in str(caught.error.args)


def test_a_url_is_taken_apart():
    settings = read_node(uplink(url="mqtts://u:p%40@gate.example:18883", ca_file="ca.der")).uplink
    assert (settings.host, settings.port, settings.path, settings.tls) == (
        "gate.example",
        18883,
        "",
        True,
    )
    assert settings.username == "u" and settings.password.reveal() == "p@"
    settings = read_node(http(url="https://hub.example/tide/", ca_file="ca.der")).uplink
    assert (settings.port, settings.path, settings.tls) == (443, "/tide", True)
    assert settings.token.reveal() == CANARY


def test_the_hostname_is_made_of_the_name():
    name = "a.b_c" + "x" * 40
    settings = read_node({"node": {"name": name}, "wifi": {"ssid": "s"}})
    assert settings.wifi.hostname == "a-b-c" + "x" * 27
    settings = read_node({"node": {"name": name}, "wifi": {"ssid": "s", "hostname": "h"}})
    assert settings.wifi.hostname == "h"


def test_main_is_the_last_lane_unless_it_is_placed():
    assert [lane.name for lane in read_node(lanes("alarm")).lanes] == ["alarm", "main"]
    placed = {"lane": [{"name": "main"}, {"name": "slow", "topics": ["slow/#"]}]}
    assert [lane.name for lane in read_node(placed).lanes] == ["main", "slow"]
