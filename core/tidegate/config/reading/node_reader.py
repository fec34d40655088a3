"""Reads a MicroPython node's settings from a tree of plain values, its `config.json`.

Promises what `gateway_reader` does, by the same reader and with the same errors: every default is
filled in, every value checked, unknown keys are refused by name.  Leaves to the platform to parse
the file.
"""

from tidegate.config.node_schema import HOSTNAME_CHARACTERS_MAX, NODE
from tidegate.config.node_settings import (
    BoardSettings,
    NodeJournalSettings,
    NodeLaneSettings,
    NodeSettings,
    NodeUplinkSettings,
    WifiSettings,
)
from tidegate.config.reading.node_rules import (
    MAIN_LANE,
    check_journal,
    check_lanes,
    check_uplink,
)
from tidegate.config.reading.reader import read_table
from tidegate.config.schema import SettingsError
from tidegate.config.url import is_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_NAME = "tidegate"


def read_node(tree: "dict[str, Any]") -> NodeSettings:
    """Return a node's settings; raise `SettingsError` for the first thing wrong."""
    (name,), wifi, journal_values, uplink, lane_values, board = read_table(NODE, tree)
    name = name or DEFAULT_NAME
    journal = NodeJournalSettings(*journal_values)
    lanes = [NodeLaneSettings(*values) for values in lane_values]
    try:
        check_journal(journal.folder, journal.limit_bytes, journal.segment_bytes)
        uplink_settings = None if uplink is None else _uplink(uplink)
        has_main = check_lanes(lanes)
    except ValueError as error:
        raise SettingsError(*error.args)
    if not has_main:
        lanes = lanes + [NodeLaneSettings(MAIN_LANE, (), False)]
    return NodeSettings(
        name,
        None if wifi is None else _wifi(WifiSettings(*wifi), name),
        journal,
        uplink_settings,
        tuple(lanes),
        BoardSettings(*board),
    )


def _wifi(given: WifiSettings, name: str) -> WifiSettings:
    if given.hostname:
        return given
    letters = ["-" if letter in "._" else letter for letter in name[:HOSTNAME_CHARACTERS_MAX]]
    return WifiSettings(
        given.ssid, given.password, given.country, "".join(letters), given.timeout_s
    )


def _uplink(values: "list[Any]") -> NodeUplinkSettings:
    """Return the uplink with its URL taken apart."""
    type, url, username, password, token, ca_file, prefix = values[:7]
    username, password = check_uplink(type, url, username, password, token, ca_file, prefix)
    return NodeUplinkSettings(
        type,
        url.host,
        url.port,
        url.path,
        is_tls(url),
        username,
        password,
        token,
        ca_file,
        prefix,
        *values[7:],
    )
