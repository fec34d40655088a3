"""What configuration keys and tables are, as data, and how they are written down shortly.

`gateway_schema` and `hub_schema` are made of these, `settings_reader` reads by them, and a platform
renders its sample files from them, so that a key is described once.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.config.url import Url

TEXT = "text"
SECRET = "secret"  # The name of a kind, not a secret.
PATH = "path"  # A text too; a platform says what a relative one is relative to.
HUSHED = "text of a secret"  # Plain text, but who mistakes the key writes the secret itself there.
INTEGER = "whole number"
BYTES = "number of bytes"
DURATION_S = "number of seconds"
BOOLEAN = "true or false"
CHOICE = "choice"
TEXTS = "list of texts"
URL = "URL"

UNSET = ""  # The default of a truth that hangs on other keys.
LATER = "later:"  # Before a choice that this version knows only by name.

NUMBERS = (INTEGER, BYTES, DURATION_S)


class Key(
    namedtuple(
        "Key", ("name", "kind", "default", "least", "most", "choices", "check", "example", "help")
    )
):
    """One key: its kind, its default (None: required), its bounds, and one sentence of help.

    `least` and `most` bound a number, or the length of a list.  `choices` are what a choice or a
    URL's scheme can be; `LATER` in it opens those that this version knows only by name.  `check`
    raises `ValueError` for a value that is of the right kind and still wrong, item by item in a
    list.  `example` is what a sample shows instead of the default, or None.
    """

    __slots__ = ()
    name: str
    kind: str
    default: "Any"
    least: int
    most: int
    choices: "tuple[str, ...]"
    check: "Callable[[Any], object] | None"
    example: "Any"
    help: str


class Table(
    namedtuple(
        "Table",
        ("name", "many", "least", "most", "keys", "tables", "help", "variants", "foreign"),
    )
):
    """A table of keys, which may hold further tables.

    With `many` it is a list of such tables, `least` to `most` of them.  Without, it may be left
    out: with `least` 1 all its keys then have their defaults, with `least` 0 there is none of it.
    `variants` are (type, table): what one of the list looks like whose key "type" says so.
    `foreign` are the keys that such a sister has and this one has not.
    """

    __slots__ = ()
    name: str
    many: bool
    least: int
    most: int
    keys: "tuple[Key, ...]"
    tables: "tuple[Table, ...]"
    help: str
    variants: "tuple[tuple[str, Table], ...]"
    foreign: "tuple[str, ...]"


class SettingsError(Exception):
    """Report one wrong setting: its key's `path`, the `problem` and a `hint` what to do."""

    def __init__(self, path: str, problem: str, hint: str) -> None:
        super().__init__(path, problem, hint)
        self.path = path
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


def text(
    name: str,
    default: "str | None",
    help: str,
    check: "Callable[[str], object] | None" = None,
    example: "str | None" = None,
) -> Key:
    """Make a key of text."""
    return Key(name, TEXT, default, 0, 0, (), check, example, help)


def path(name: str, default: str, help: str, example: "str | None" = None) -> Key:
    """Make a key of a file's or a folder's path."""
    return Key(name, PATH, default, 0, 0, (), None, example, help)


def secret(
    name: str, default: str, help: str, check: "Callable[[str], object] | None" = None
) -> Key:
    """Make a key of a text that is never shown."""
    return Key(name, SECRET, default, 0, 0, (), check, None, help)


def hushed(name: str, help: str, check: "Callable[[str], object]") -> Key:
    """Make a key of a text that says something of a secret, such as where it is."""
    return Key(name, HUSHED, "", 0, 0, (), check, None, help)


def number(name: str, kind: str, default: int, least: int, most: int, help: str) -> Key:
    """Make a key of a whole number; `kind` says of what."""
    return Key(name, kind, default, least, most, (), None, None, help)


def boolean(name: str, default: bool, help: str) -> Key:
    """Make a key that is true or false."""
    return Key(name, BOOLEAN, default, 0, 0, (), None, None, help)


def boolean_or_unset(name: str, example: bool, help: str) -> Key:
    """Make a key that is true or false, and `UNSET` when it is not given."""
    return Key(name, BOOLEAN, UNSET, 0, 0, (), None, example, help)


def choice(
    name: str,
    default: "str | None",
    choices: "tuple[str, ...]",
    help: str,
    example: "str | None" = None,
) -> Key:
    """Make a key that is one of a few words."""
    return Key(name, CHOICE, default, 0, 0, choices, None, example, help)


def texts(
    name: str,
    default: "tuple[str, ...] | None",
    least: int,
    most: int,
    help: str,
    check: "Callable[[str], object] | None",
    example: "tuple[str, ...] | None" = None,
) -> Key:
    """Make a key of a list of texts; `check` sees each of them."""
    return Key(name, TEXTS, default, least, most, (), check, example, help)


def url(
    name: str,
    default: "str | None",
    schemes: "tuple[str, ...]",
    help: str,
    check: "Callable[[Url], object]",
    example: "str | None" = None,
) -> Key:
    """Make a key of a URL of one of these schemes."""
    return Key(name, URL, default, 0, 0, schemes, check, example, help)


def table(name: str, keys: "tuple[Key, ...]", help: str, tables: "tuple[Table, ...]" = ()) -> Table:
    """Make a table that may be left out, which leaves its keys at their defaults."""
    return Table(name, False, 1, 1, keys, tables, help, (), ())


def optional_table(name: str, keys: "tuple[Key, ...]", help: str) -> Table:
    """Make a table that may be left out, and then there is no such thing."""
    return Table(name, False, 0, 1, keys, (), help, (), ())


def table_list(name: str, least: int, most: int, keys: "tuple[Key, ...]", help: str) -> Table:
    """Make a table of which there may be several."""
    return Table(name, True, least, most, keys, (), help, (), ())


def with_variants(first: Table, *others: "tuple[str, Table]") -> Table:
    """Make a list of tables whose key "type" decides which keys it has; the first is the usual."""
    every = [
        key.name for table in (first,) + tuple([table for _, table in others]) for key in table.keys
    ]
    variants = tuple([(word, _among(table, every, ())) for word, table in others])
    return _among(first, every, variants)


def variant_of(table: Table, tree: object) -> Table:
    """Return the table that a tree in the list has the type of."""
    if isinstance(tree, dict):
        for word, variant in table.variants:
            if tree.get("type") == word:
                return variant
    return table


def _among(table: Table, every: "list[str]", variants: "tuple[tuple[str, Table], ...]") -> Table:
    """Return the table as one of several whose keys are `every`."""
    own = [key.name for key in table.keys]
    foreign = tuple([name for name in every if name not in own])
    return Table(
        table.name,
        table.many,
        table.least,
        table.most,
        table.keys,
        table.tables,
        table.help,
        variants,
        foreign,
    )


def known_choices(key: Key) -> "tuple[list[str], list[str]]":
    """Return what a choice can be, and what it will be able to be in a later version."""
    now = [word for word in key.choices if not word.startswith(LATER)]
    return now, [word[len(LATER) :] for word in key.choices if word.startswith(LATER)]
