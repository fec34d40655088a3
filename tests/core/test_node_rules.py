"""What one key of a node demands of others is refused with a path, a problem and a hint."""

from support import raises
from tidegate.config.node_settings import NodeLaneSettings
from tidegate.config.reading import node_rules
from tidegate.config.secret import Secret
from tidegate.config.url import parse_url
from tidegate.limits import LANES_MAX

NONE = Secret("")


def test_the_bound_of_lanes_is_that_of_all_platforms():
    assert node_rules.LANES_MAX == LANES_MAX


def test_four_segments_fit_the_limit():
    node_rules.check_journal("log", 16_384, 4096)
    with raises(ValueError) as caught:
        node_rules.check_journal("log", 16_383, 4096)
    path, problem, hint = caught.error.args
    assert path == "journal.segment_bytes" and "4096" in problem and "4095" in hint


def test_no_log_hides_the_package():
    for folder in ("/log/tidegate", "tidegate-log", "tidegates/x", "/"):
        node_rules.check_journal(folder, 16_384, 4096)
    for folder in ("", "tidegate", "/tidegate", "./tidegate/log", "//tidegate_micropython/"):
        with raises(ValueError) as caught:
            node_rules.check_journal(folder, 16_384, 4096)
        assert caught.error.args[0] == "journal.folder" and "tidegate-log" in caught.error.args[2]


def test_the_login_comes_from_either_place():
    url = parse_url("mqtt://u:p@h", ("mqtt",))
    name, password = node_rules.check_uplink("mqtt", url, "", NONE, NONE, "", "")
    assert (name, password.reveal()) == ("u", "p")
    url = parse_url("mqtt://h", ("mqtt",))
    assert node_rules.check_uplink("mqtt", url, "v", Secret("q"), NONE, "", "")[0] == "v"


def test_no_plain_line_where_an_authority_is_named():
    url = parse_url("http://h", ("http",))
    with raises(ValueError) as caught:
        node_rules.check_uplink("http", url, "", NONE, Secret("t"), "ca.pem", "")
    assert caught.error.args[0] == "uplink.ca_file"


def test_only_main_may_be_without_topics():
    assert node_rules.check_lanes([NodeLaneSettings("main", (), False)])
    assert not node_rules.check_lanes([NodeLaneSettings("a", ("b",), False)])
    with raises(ValueError):
        node_rules.check_lanes([NodeLaneSettings("a", (), False)])
