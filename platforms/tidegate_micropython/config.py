"""Reads a node's settings from `config.json`, or from a dict of the same shape.

Promises to judge as `tidegate.config.reading.node_reader` does, which has the whole schema and says
more about what to do: `keys` is made from that schema, and what one key demands of another is the
same code.  All of it is out of memory again before the engine comes in.
"""

import gc
import json
import sys

from tidegate.config.secret import Secret

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
_ALPHABETS = {"N": _PLAIN + _UPPER + "_.", "H": _PLAIN + _UPPER, "L": _PLAIN, "U": _UPPER}
_TEMPORARY = (
    "tidegate_micropython.keys",
    "tidegate.config.reading.node_rules",
    "tidegate.config.reading",
    "tidegate.config.url",
)


class ConfigError(Exception):
    """Report a wrong configuration: the key's path, and what is wrong."""


class Settings:
    """The values of one table as attributes, named as in `node_settings`."""


def load_node(config: "str | dict[str, Any]") -> "NodeSettings":
    """Return the settings in a file, or in a tree of plain values; raise `ConfigError`."""
    tree = _tree(config) if isinstance(config, str) else config
    try:
        return _settings(tree)
    except ValueError as error:
        raise ConfigError(": ".join(error.args))
    finally:
        for name in _TEMPORARY:
            if sys.modules.pop(name, None) is not None:
                parent, _, child = name.rpartition(".")
                delattr(sys.modules[parent], child)
        gc.collect()


def _tree(path: str) -> "Any":
    try:
        with open(path, "rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}")
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{path}: has more than {CONFIG_BYTES_MAX} bytes")
    try:
        return json.loads(data)
    except ValueError:
        raise ConfigError(f"{path}: is not JSON; names and texts stand in double quotes")


def _settings(tree: "Any") -> "NodeSettings":
    from tidegate.config.reading.node_rules import MAIN_LANE, check_journal, check_lanes
    from tidegate_micropython.keys import KEYS

    tables: dict[str, list[list[str]]] = {}
    for line in KEYS.split("\n"):
        if line:
            table, _, key = line.partition(".")
            tables.setdefault(table, []).append(key.split(" "))
    _refuse_unknown("", tree, tables)
    all_of_it = Settings()
    all_of_it.name = _read("node", tree.get("node", {}), tables["node"]).name or DEFAULT_NAME
    all_of_it.wifi = _optional("wifi", tree, tables)
    if all_of_it.wifi is not None and not all_of_it.wifi.hostname:
        name = all_of_it.name[:HOSTNAME_CHARACTERS_MAX]
        all_of_it.wifi.hostname = name.replace(".", "-").replace("_", "-")
    all_of_it.journal = journal = _read("journal", tree.get("journal", {}), tables["journal"])
    check_journal(journal.limit_bytes, journal.segment_bytes)
    all_of_it.uplink = _optional("uplink", tree, tables)
    if all_of_it.uplink is not None:
        _finish_uplink(all_of_it.uplink)
    trees = tree.get("lane", [])
    if not isinstance(trees, list) or len(trees) > LANES_MAX:
        raise ValueError("lane", f"is not a list of at most {LANES_MAX}")
    lanes = [_read(f"lane[{at}]", each, tables["lane"]) for at, each in enumerate(trees)]
    if not check_lanes(lanes):
        lanes.append(_read("lane", {"name": MAIN_LANE}, tables["lane"]))
    all_of_it.lanes = tuple(lanes)
    all_of_it.board = _read("board", tree.get("board", {}), tables["board"])
    return all_of_it


def _optional(name: str, tree: "dict[str, Any]", tables: "dict[str, Any]") -> "Any":
    return _read(name, tree[name], tables[name]) if name in tree else None


def _finish_uplink(uplink: "Any") -> None:
    """Take the URL apart, once what belongs together is found so."""
    from tidegate.config.reading.node_rules import check_uplink
    from tidegate.config.url import is_tls

    url = uplink.url
    uplink.username, uplink.password = check_uplink(
        uplink.type,
        url,
        uplink.username,
        uplink.password,
        uplink.token,
        uplink.ca_file,
        uplink.prefix,
    )
    uplink.host, uplink.port, uplink.path, uplink.tls = url.host, url.port, url.path, is_tls(url)
    del uplink.url


def _read(path: str, tree: "Any", keys: "list[list[str]]") -> "Any":
    """Return the values of one table; raise `ValueError` with a path and a problem."""
    _refuse_unknown(path, tree, [key[0] for key in keys])
    values = Settings()
    for name, kind, default, *bounds in keys:
        where = f"{path}.{name}"
        if name in tree:
            value = _value(where, kind, tree[name], default == "!", bounds)
        elif default == "!":
            raise ValueError(where, "is missing")
        else:
            value = _default(kind, default)
        setattr(values, name, value)
    return values


def _refuse_unknown(path: str, tree: "Any", known: "Any") -> None:
    if not isinstance(tree, dict):
        raise ValueError(path or "it", "is not a table")
    for name in sorted(tree):
        if name not in known:
            raise ValueError(f"{path}.{name}" if path else name, "is not a known key")


def _default(kind: str, default: str) -> "Any":
    if kind == "n":
        return int(default)
    if kind == "b":
        return default == "1"
    if kind == "f":
        return ()
    text = "" if default == "-" else default
    return Secret(text) if kind == "s" else text


def _value(where: str, kind: str, value: "Any", required: bool, bounds: "list[str]") -> "Any":
    if kind == "b":
        if value is not True and value is not False:
            raise ValueError(where, "is not true or false")
        return value
    if kind == "n":
        least, most = int(bounds[0]), int(bounds[1])
        is_whole = isinstance(value, int) and value is not True and value is not False
        if not is_whole or not least <= value <= most:
            raise ValueError(where, f"is not a whole number from {least} to {most}")
        return value
    if kind == "f":
        if not isinstance(value, list) or len(value) > int(bounds[0]):
            raise ValueError(where, f"is not a list of at most {bounds[0]}")
        for at, item in enumerate(value):
            _check_text(f"{where}[{at}]", item, True)
            _check_filter(f"{where}[{at}]", item)
            if item in value[:at]:
                raise ValueError(f"{where}[{at}]", "is given twice")
        return tuple(value)
    _check_text(where, value, required or kind == "c")
    return _text(where, kind, value, bounds)


def _check_text(where: str, value: "Any", required: bool) -> None:
    from tidegate.records.text import check_utf8

    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX:
        raise ValueError(where, f"is not a text of at most {TEXT_CHARACTERS_MAX} characters")
    if required and not value:
        raise ValueError(where, "is empty")
    if any(letter < " " or "\x7f" <= letter < "\xa0" for letter in value):
        raise ValueError(where, "has a control character in it")
    try:
        check_utf8(value.encode())
    except ValueError:
        raise ValueError(where, "is not valid Unicode")


def _text(where: str, kind: str, value: str, bounds: "list[str]") -> "Any":
    if kind == "u":
        from tidegate.config.url import parse_url

        try:
            return parse_url(value, bounds)
        except ValueError as error:
            raise ValueError(where, error.args[0])
    if kind == "c":
        if value not in bounds:
            raise ValueError(where, "is not one of " + ", ".join(bounds))
    elif kind == "p":
        _check_prefix(where, value)
    elif value:
        _check_letters(where, value, *bounds)
    return Secret(value) if kind == "s" else value


def _check_letters(where: str, value: str, code: str, least: str, most: str) -> None:
    """Refuse a text, which may be a secret and so is not quoted, by its letters or its length."""
    alphabet = _ALPHABETS.get(code)
    if alphabet is not None and any(letter not in alphabet for letter in value):
        raise ValueError(where, "has a letter that cannot be in it")
    if code == "V" and (value == "..." or any(not "!" <= letter <= "~" for letter in value)):
        raise ValueError(where, "is not a token of printable ASCII characters")
    if not int(least) <= len(value.encode()) <= int(most):
        raise ValueError(where, f"has not {least} to {most} bytes")


def _check_filter(where: str, text: str) -> None:
    from tidegate.records.filters import FilterMap

    try:
        FilterMap([(text.encode(), "")])
    except ValueError as error:
        raise ValueError(where, f"is not a topic filter: {error.args[0]}")


def _check_prefix(where: str, text: str) -> None:
    from tidegate.records.topics import check_topic

    try:
        if text:
            check_topic(text.encode())
    except ValueError as error:
        raise ValueError(where, f"cannot begin a topic: {error.args[0]}")
