"""Reads a tree of plain values (from TOML or JSON) by a schema.

Promises exactly one error for a wrong configuration, the first in the order of the schema, that
names the key, the value and what to do; and that no error quotes a secret or any part of one.
Leaves to `settings` what one key demands of another, and to the platform whether files exist.
"""

from tidegate.config.schema import (
    BOOLEAN,
    CHOICE,
    HUSHED,
    NUMBERS,
    SECRET,
    TEXTS,
    UNSET,
    URL,
    Key,
    SettingsError,
    Table,
    known_choices,
    variant_of,
)
from tidegate.config.secret import Secret
from tidegate.config.url import parse_url
from tidegate.config.words import kind_of, listed, nearest, shown
from tidegate.records.text import check_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TEXT_CHARACTERS_MAX = 8192  # The longest text that makes sense is a token of some kilobytes.


def read_table(table: Table, tree: object, path: str = "") -> "list[Any]":
    """Return the values of the keys and then the inner tables, all in the order of the schema.

    An inner table becomes such a list itself, a list of tables a list of them, and an optional
    table that is not there None.  Raises `SettingsError`.
    """
    if not isinstance(tree, dict):
        if isinstance(tree, list):
            hint = f"write [{path}] once, with one pair of brackets"
        else:
            hint = f"write [{path}] on a line of its own and the keys below it"
        raise SettingsError(path, f"is {kind_of(tree)}, not a table", hint)
    _refuse_unknown(table, tree, path)
    values = [_read_key(key, tree, path) for key in table.keys]
    for inner in table.tables:
        inner_path = joined(path, inner.name)
        if inner.many:
            values.append(_read_many(inner, tree.get(inner.name, []), inner_path))
        elif inner.name in tree or inner.least > 0:
            values.append(read_table(inner, tree.get(inner.name, {}), inner_path))
        else:
            values.append(None)
    return values


def joined(path: str, name: str) -> str:
    """Return the path of the key `name` in the table at `path`."""
    return f"{path}.{name}" if path else name


def _refuse_unknown(table: Table, tree: "dict[str, Any]", path: str) -> None:
    known = [key.name for key in table.keys] + [inner.name for inner in table.tables]
    for name in sorted(tree):
        if name in known:
            continue
        plain = shown(name)[1:-1]
        where = joined(path, plain if plain == name else shown(name))
        if name in table.foreign:
            hint = f"remove it; here can be: {', '.join(known)}"
            raise SettingsError(where, f"is for another type than {shown(tree['type'])}", hint)
        near = nearest(name, known)
        if near:
            raise SettingsError(where, "is not a known key", f"did you mean {shown(near)}?")
        raise SettingsError(where, "is not a known key", f"known here: {', '.join(known)}")


def _read_many(table: Table, trees: object, path: str) -> "list[list[Any]]":
    if isinstance(trees, dict):
        raise SettingsError(
            path,
            "is one table, not a list of them",
            f"write [[{path}]], with two pairs of brackets",
        )
    if not isinstance(trees, list):
        raise SettingsError(
            path, f"is {kind_of(trees)}, not a list of tables", f"write [[{path}]] for each of them"
        )
    if len(trees) < table.least:
        needed = " and ".join([key.name for key in table.keys if key.default is None])
        raise SettingsError(path, "is missing", f"write at least one [[{path}]] with {needed}")
    if len(trees) > table.most:
        raise SettingsError(
            path, f"is given {len(trees)} times", f"write at most {table.most} of [[{path}]]"
        )
    values = []
    for index, tree in enumerate(trees):
        values.append(read_table(variant_of(table, tree), tree, f"{path}[{index}]"))
    return values


def _read_key(key: Key, tree: "dict[str, Any]", table_path: str) -> "Any":
    path = joined(table_path, key.name)
    if key.name not in tree:
        if key.default is None:
            raise SettingsError(path, "is missing", f"add {key.name}: {key.help}")
        if key.default == UNSET and key.kind == BOOLEAN:
            return UNSET
        value = key.default
    else:
        value = tree[key.name]
    if key.kind == TEXTS:
        return _read_texts(key, value, path)
    if key.kind in NUMBERS:
        return _read_number(key, value, path)
    if key.kind == BOOLEAN:
        if value is not True and value is not False:
            raise SettingsError(path, f"is {kind_of(value)}", "write true or false, without quotes")
        return value
    return _read_text(key, value, path)


def _read_number(key: Key, value: object, path: str) -> int:
    hint = f"write a {key.kind} from {key.least} to {key.most}"
    # On CPython True is an int; on MicroPython it is not.
    if value is True or value is False or not isinstance(value, int):
        raise SettingsError(path, f"is {kind_of(value)}, not a whole number", hint)
    if not key.least <= value <= key.most:
        # A number may have thousands of digits, more than CPython converts to text.
        number = str(value) if abs(value) < 1 << 64 else "the number"
        side = "below" if value < key.least else "above"
        bound = key.least if value < key.least else key.most
        raise SettingsError(path, f"{number} is {side} {bound}", hint)
    return value


def _read_texts(key: Key, value: object, path: str) -> "tuple[str, ...]":
    if isinstance(value, tuple):
        value = list(value)  # A default.
    if not isinstance(value, list):
        raise SettingsError(path, f"is {kind_of(value)}, not a list", _hint(key))
    if not key.least <= len(value) <= key.most:
        raise SettingsError(
            path, f"has {len(value)} items", f"write {key.least} to {key.most} of them; {key.help}"
        )
    for index, item in enumerate(value):
        _read_text(key, item, f"{path}[{index}]")
        if item in value[:index]:
            raise SettingsError(f"{path}[{index}]", f"{shown(item)} is given twice", "remove one")
    return tuple(value)


def _read_text(key: Key, value: object, path: str) -> "Any":
    text = _plain_text(key, value, path)
    if key.kind == URL:
        return _read_url(key, text, path)
    if key.kind == CHOICE:
        _check_choice(key, text, path)
    if key.check is not None and text:
        try:
            key.check(text)
        except ValueError as error:
            quoted = "" if key.kind in (SECRET, HUSHED) else shown(text) + " "
            raise SettingsError(path, quoted + error.args[0], _hint(key))
    return Secret(text) if key.kind == SECRET else text


def _plain_text(key: Key, value: object, path: str) -> str:
    """Return the value if it is a text that can be a value; an optional key may be empty."""
    if not isinstance(value, str):
        raise SettingsError(path, f"is {kind_of(value)}, not text", "write one text, in quotes")
    if value == "" and (key.default is None or key.kind in (CHOICE, TEXTS)):
        raise SettingsError(path, "is empty", _hint(key))
    if len(value) > TEXT_CHARACTERS_MAX:
        raise SettingsError(
            path, f"has {len(value)} characters", f"shorten it to {TEXT_CHARACTERS_MAX}"
        )
    # A control character would go on into logs, headers and packets.
    if any(letter < " " or "\x7f" <= letter < "\xa0" for letter in value):
        raise SettingsError(path, "has a control character in it", "remove it, line ends too")
    try:
        check_utf8(value.encode())
    except ValueError:
        raise SettingsError(path, "is not valid Unicode", "remove what is half a character")
    return value


def _check_choice(key: Key, text: str, path: str) -> None:
    now, later = known_choices(key)
    if text in later:
        raise SettingsError(path, f"{shown(text)} is not in this version yet", f"use {listed(now)}")
    if text not in now:
        near = nearest(text, now)
        hint = f"did you mean {shown(near)}?" if near else f"write one of {listed(now)}"
        raise SettingsError(path, f"{shown(text)} is not one of {listed(now)}", hint)


def _read_url(key: Key, text: str, path: str) -> "Any":
    """Return the URL, or None when an optional one is empty."""
    if text == "":
        return None
    try:
        url = parse_url(text, key.choices)
        if key.check is not None:
            key.check(url)
    except ValueError as error:
        # Only a URL in which no secret can be is quoted.
        quoted = shown(text) + " " if "@" not in text and "?" not in text else ""
        raise SettingsError(path, quoted + error.args[0], _hint(key))
    return url


def _hint(key: Key) -> str:
    example = key.example if key.example is not None else key.default
    if isinstance(example, str) and example:
        return f"for example {key.name} = {shown(example)}"
    if isinstance(example, tuple) and example:
        return f"for example {key.name} = [{listed(example)}]"
    return f"{key.name}: {key.help}"
