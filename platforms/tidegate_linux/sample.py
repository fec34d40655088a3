"""The sample configuration files, rendered from the schema so that no key or default is left out.

packaging/config holds them as files for people to copy; a test keeps those equal to what stands
here.  After a change of the schema: `python -m tidegate_linux.sample packaging/config`.

In a sample every line without a "#" is live.  A comment begins with "# "; a "#" right before a key
or a table switches off what would be accepted without it: a key at its default, or an example of a
table that may be left out.
"""

import json
import sys
import textwrap
from pathlib import Path

from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.schema import CHOICE, NUMBERS, Key, Table, known_choices

_WIDTH = 100
_GROUPED_FROM = 100_000  # From here on digits are hard to count.
_ENDLESS_FROM = 0xFFFFFFFF  # A bound that nobody reaches says nothing.

_HEAD = """\
The configuration of a Tidegate {what}: every key there is. A line that begins with # and a key
shows that key's default. Unknown keys are refused by name; `tidegate {command} -c FILE` says what
is wrong. Relative paths begin at the folder of this file. Keep a file with secrets in it
unreadable for others: chmod 640."""


def sample_gateway() -> str:
    """Return the text of packaging/config/gateway.toml."""
    return _sample(GATEWAY, "gateway", "check")


def sample_hub() -> str:
    """Return the text of packaging/config/hub.toml."""
    return _sample(HUB, "hub", "hub")


def _sample(root: Table, what: str, command: str) -> str:
    lines = [f"# {line}" for line in _HEAD.format(what=what, command=command).splitlines()]
    for table in root.tables:
        lines += _table_lines(table, "")
    return "\n".join(lines) + "\n"


def _table_lines(table: Table, path: str) -> list[str]:
    path = f"{path}.{table.name}" if path else table.name
    off = "#" if table.many and table.least == 0 else ""
    header = f"[[{path}]]" if table.many else f"[{path}]"
    lines = ["", *_comment(table.help), off + header]
    for key in table.keys:
        lines += _key_lines(key, off)
    for inner in table.tables:
        lines += _table_lines(inner, path)
    for _, variant in table.variants:
        lines += _table_lines(variant, path.removesuffix(table.name).rstrip("."))
    return lines


def _key_lines(key: Key, off: str) -> list[str]:
    if key.example is None:
        off = "#"
    value = key.default if key.example is None else key.example
    return ["", *_comment(_help(key)), f"{off}{key.name} = {_toml(value)}"]


def _help(key: Key) -> str:
    if key.kind in NUMBERS:
        return key.help + _bounds(key)
    if key.kind == CHOICE:
        now, later = known_choices(key)
        coming = f"; not yet: {', '.join(later)}" if later else ""
        return f"{key.help} ({', '.join(now)}{coming})"
    return key.help


def _bounds(key: Key) -> str:
    if key.most < _ENDLESS_FROM:
        return f" ({_toml(key.least)} to {_toml(key.most)})"
    return f" (at least {_toml(key.least)})" if key.least > 0 else ""


def _comment(sentence: str) -> list[str]:
    text = sentence[0].upper() + sentence[1:] + "."
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and value >= _GROUPED_FROM:
        return f"{value:_}"
    # Of these values JSON's form is TOML's form too.
    return json.dumps(value, ensure_ascii=False)


def main(arguments: list[str]) -> int:
    """Write both samples into the folder that is named."""
    (folder,) = arguments
    Path(folder, "gateway.toml").write_text(sample_gateway(), encoding="utf-8")
    Path(folder, "hub.toml").write_text(sample_hub(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
