"""Run a query and take its rows, for code that knows the types of its own columns.

SQLite keeps any type in any column, and a flipped bit may make a text of a number, or another
number.  `unsealed` checks what must be right.
"""

from binascii import crc32

import apsw

from tidegate.errors import STORAGE_CORRUPT, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Bindings = tuple[int | str | bytes | None, ...]


def all_rows(connection: apsw.Connection, sql: str, bindings: "Bindings" = ()) -> "list[Any]":
    """Return every row, as a tuple."""
    return connection.execute(sql, bindings).fetchall()


def seal_of(*values: object) -> int:
    """Return the checksum of a row's values, which are numbers and texts."""
    return crc32(repr(values).encode())


def unsealed(table: str, row: "Any") -> "Any":
    """Return a row without its last column, which must be the seal of the others."""
    *values, seal = row
    if seal != seal_of(*values):
        raise StorageError(STORAGE_CORRUPT, f"a row of table {table} is not what was stored")
    return values


def one_row(connection: apsw.Connection, sql: str, bindings: "Bindings" = ()) -> "Any":
    """Return the first row, as a tuple, or None; ends the query."""
    rows = connection.execute(sql, bindings).fetchall()
    return rows[0] if rows else None
