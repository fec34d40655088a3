"""Writes the keys of a node's configuration for boards: the schema, without its helps and hints.

    python build/node_keys.py > platforms/tidegate_micropython/keys.py

A board reads its `config.json` by this table, which takes a tenth of the memory that the schema
does; `tests/on_micropython/test_config.py` holds the file to the schema, and both to one judgement.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from tidegate.config import checks, node_schema, schema
from tidegate.limits import LANE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HEAD = '''"""The keys of a node's `config.json`, made from `node_schema` by build/node_keys.py.

A line a key: its path, its kind, its default (! for required, - for empty), and the kind's bounds.
Kinds: t text, s secret, c choice, n number, b boolean, f topic filters, p topic prefix, u URL.
Bounds of a text: which letters it has (a code of `config`), and how many bytes.
"""

KEYS = """\\
'''
TAIL = '"""\n'

ANY_BYTES = 8192 * 4  # The reader's own bound is one of characters, which `config` has too.
# What a check of a text allows: the code of its letters, and how many bytes.
ALPHABETS: "dict[Callable[[Any], object] | None, tuple[str, int, int]]" = {
    None: ("*", 0, ANY_BYTES),
    checks.check_name: ("N", 1, checks.NAME_CHARACTERS_MAX),
    checks.check_lane: ("L", 1, LANE_BYTES_MAX),
    checks.check_token: ("V", 1, ANY_BYTES),
    node_schema.check_ssid: ("*", 1, node_schema.SSID_BYTES_MAX),
    node_schema.check_passphrase: (
        "*",
        node_schema.PASSPHRASE_BYTES_MIN,
        node_schema.PASSPHRASE_BYTES_MAX,
    ),
    node_schema.check_country: ("U", 2, 2),
    node_schema.check_hostname: ("H", 1, node_schema.HOSTNAME_CHARACTERS_MAX),
}
KINDS = {schema.TEXT: "t", schema.PATH: "t", schema.SECRET: "s"}


def line_of(table: schema.Table, key: schema.Key) -> str:
    """Return one key as a line of words."""
    default = "!" if key.default is None else key.default
    if key.kind in schema.NUMBERS:
        words = ["n", default, key.least, key.most]
    elif key.kind == schema.BOOLEAN:
        words = ["b", int(key.default)]
    elif key.kind == schema.CHOICE:
        words = ["c", default, *key.choices]
    elif key.kind == schema.TEXTS:
        words = ["f", "-", key.most]
    elif key.kind == schema.URL:
        words = ["u", default, *key.choices]
    elif key.check is node_schema.check_prefix:
        words = ["p", default or "-"]
    else:
        words = [KINDS[key.kind], default or "-", *ALPHABETS[key.check]]
    return " ".join([f"{table.name}.{key.name}", *map(str, words)])


def keys_text() -> str:
    """Return the content of keys.py."""
    lines = [line_of(table, key) for table in node_schema.NODE.tables for key in table.keys]
    return HEAD + "".join(line + "\n" for line in lines) + TAIL


if __name__ == "__main__":
    sys.stdout.write(keys_text())
