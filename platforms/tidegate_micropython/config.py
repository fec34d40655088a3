"""Reads a node's settings from `config.json`, or from a dict of the same shape.

Promises to judge as `tidegate.config.reading.node_reader` does, which has the whole schema and says
more about what to do: `keys` is made from that schema, and what one key demands of another is the
same code.  All of it, this module too, is out of memory again before the engine comes in.
"""

import gc
import json
import sys

from tidegate.config.reading.node_rules import MAIN_LANE, check_journal, check_lanes, check_uplink
from tidegate.config.secret import Secret
from tidegate.config.url import is_tls, parse_url
from tidegate.records.text import check_utf8
from tidegate.records.topics import check_topic
from tidegate_micropython.keys import KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.config.node_settings import NodeSettings

CONFIG_BYTES_MAX = 16_384
TEXT_CHARACTERS_MAX = 8192
LANES_MAX = 8
DEFAULT_NAME = "tidegate"
HOSTNAME_CHARACTERS_MAX = 32

_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLAIN = _LOWER + "0123456789-"
# V: what is visible in ASCII.
_ALPHABETS = {
    "N": _PLAIN + _UPPER + "_.",
    "H": _PLAIN + _UPPER,
    "L": _PLAIN,
    "U": _UPPER,
    "V": "".join([chr(code) for code in range(0x21, 0x7F)]),
}


class Settings:
    """The values of one table as attributes, named as in `node_settings`."""


def load_node(config: "str | dict[str, Any]") -> "NodeSettings":
    """Return the settings in a file, or in a tree of plain values.

    Raises `ValueError` with a key's path, what is wrong with it, and perhaps what to do.
    """
    return _settings(_tree(config) if isinstance(config, str) else config)


def forget() -> None:
    """Let go of this module and of what only it needs."""
    for name in (
        "tidegate_micropython.config",
        "tidegate_micropython.keys",
        "tidegate.config.reading.node_rules",
        "tidegate.config.reading",
        "tidegate.config.url",
    ):
        if sys.modules.pop(name, None) is not None:
            parent, _, child = name.rpartition(".")
            delattr(sys.modules[parent], child)
    gc.collect()


def _tree(path: str) -> "Any":
    try:
        with open(path, "rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(path, f"cannot be read: {error}")
    if len(data) > CONFIG_BYTES_MAX:
        raise ValueError(path, f"has more than {CONFIG_BYTES_MAX} bytes")
    try:
        return json.loads(data)
    except ValueError:
        raise ValueError(path, "is not JSON; names and texts stand in double quotes")


def _settings(tree: "Any") -> "NodeSettings":
    tables: dict[str, list[list[str]]] = {}
    for line in KEYS.split("\n")[:-1]:
        table, _, key = line.partition(".")
        tables.setdefault(table, []).append(key.split(" "))
    _refuse_unknown("", tree, tables)
    found = Settings()
    found.name = _read("node", tree.get("node", {}), tables).name or DEFAULT_NAME
    found.wifi = _read("wifi", tree["wifi"], tables) if "wifi" in tree else None
    if found.wifi is not None and not found.wifi.hostname:
        hostname = found.name[:HOSTNAME_CHARACTERS_MAX]
        found.wifi.hostname = hostname.replace(".", "-").replace("_", "-")
    found.journal = _read("journal", tree.get("journal", {}), tables)
    journal = found.journal
    check_journal(journal.folder, journal.limit_bytes, journal.segment_bytes)
    found.uplink = _uplink(_read("uplink", tree["uplink"], tables)) if "uplink" in tree else None
    trees = tree.get("lane", [])
    if not isinstance(trees, list) or len(trees) > LANES_MAX:
        raise ValueError("lane", f"is not a list of at most {LANES_MAX}")
    lanes = [_read("lane", trees[at], tables, f"[{at}]") for at in range(len(trees))]
    if not check_lanes(lanes):
        lanes.append(_read("lane", {"name": MAIN_LANE}, tables))
    found.lanes = lanes
    found.board = _read("board", tree.get("board", {}), tables)
    return found


def _uplink(uplink: "Any") -> "Any":
    """Return the uplink with its URL taken apart, once what belongs together is found so."""
    url = uplink.url
    login = uplink.username, uplink.password, uplink.token
    uplink.username, uplink.password = check_uplink(
        uplink.type, url, *login, uplink.ca_file, uplink.prefix
    )
    uplink.host, uplink.port, uplink.path, uplink.tls = url.host, url.port, url.path, is_tls(url)
    uplink.url = None  # In memory a deleted attribute keeps its value, and with it this module.
    del uplink.url
    return uplink


def _read(table: str, tree: "Any", tables: "dict[str, list[list[str]]]", at: str = "") -> "Any":
    """Return the values of one table."""
    keys = tables[table]
    _refuse_unknown(table + at, tree, [key[0] for key in keys])
    values = Settings()
    for name, kind, default, *bounds in keys:
        where = f"{table}{at}.{name}"
        if name in tree:
            value = tree[name]
        elif default == "!":
            raise ValueError(where, "is missing")
        else:
            value = _default(kind, default)
        setattr(values, name, _value(where, kind, value, default == "!", bounds))
    return values


def _refuse_unknown(path: str, tree: "Any", known: "Any") -> None:
    if not isinstance(tree, dict):
        raise ValueError(path, "is not a table")
    for name in sorted(tree):
        if name not in known:
            raise ValueError(f"{path}.{name}" if path else name, "is not a known key")


def _default(kind: str, default: str) -> "Any":
    if kind == "n":
        return int(default)
    if kind == "b":
        return default == "1"
    return () if kind == "f" else "" if default == "-" else default


def _value(where: str, kind: str, value: "Any", required: bool, bounds: "list[str]") -> "Any":
    is_truth = value is True or value is False
    if kind == "b":
        if not is_truth:
            raise ValueError(where, "is not true or false")
        return value
    if kind == "n":
        least, most = int(bounds[0]), int(bounds[1])
        if is_truth or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(where, f"is not a whole number from {least} to {most}")
        return value
    if kind != "f":
        return _text(where, kind, value, required, bounds)
    if not isinstance(value, (list, tuple)) or len(value) > int(bounds[0]):
        raise ValueError(where, f"is not a list of at most {bounds[0]}")
    for at in range(len(value)):
        _text(f"{where}[{at}]", kind, value[at], True, bounds)
        if value[at] in value[:at]:
            raise ValueError(f"{where}[{at}]", "is given twice")
    return tuple(value)


def _text(where: str, kind: str, text: "Any", required: bool, bounds: "list[str]") -> "Any":
    """Check a text, which may be a secret and so is never quoted."""
    if not isinstance(text, str) or len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(where, f"is not a text of at most {TEXT_CHARACTERS_MAX} characters")
    if not text and (required or kind == "c"):
        raise ValueError(where, "is empty")
    problem = ""
    if any(letter < " " or "\x7f" <= letter < "\xa0" for letter in text):
        problem = "has a control character in it"
    elif kind == "c":
        if text not in bounds:
            problem = "is not one of " + ", ".join(bounds)
    elif text:
        try:
            return _checked(kind, text, bounds)
        except ValueError as error:
            problem = error.args[0]
    if problem:
        raise ValueError(where, problem)
    return Secret(text) if kind == "s" else text


def _checked(kind: str, text: str, bounds: "list[str]") -> "Any":
    """Return what a text that is not empty stands for; raise `ValueError` with the problem."""
    data = text.encode()
    check_utf8(data)
    if kind == "u":
        return parse_url(text, bounds)
    if kind == "p":
        check_topic(data)
    elif kind == "f":
        from tidegate.records.filters import FilterMap

        FilterMap([(data, "")])
    else:
        code, least, most = bounds
        is_example = code == "V" and text == "..."
        if is_example or any(letter not in _ALPHABETS.get(code, text) for letter in text):
            raise ValueError("has letters that cannot be in it")
        if not int(least) <= len(data) <= int(most):
            raise ValueError(f"has not {least} to {most} bytes")
    return Secret(text) if kind == "s" else text
