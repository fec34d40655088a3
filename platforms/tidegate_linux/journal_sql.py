"""Run a query and take its rows, for code that knows the types of its own columns."""

import apsw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Bindings = tuple[int | str | bytes | None, ...]


def all_rows(connection: apsw.Connection, sql: str, bindings: "Bindings" = ()) -> "list[Any]":
    """Return every row, as a tuple."""
    return connection.execute(sql, bindings).fetchall()


def one_row(connection: apsw.Connection, sql: str, bindings: "Bindings" = ()) -> "Any":
    """Return the first row, as a tuple, or None; ends the query."""
    rows = connection.execute(sql, bindings).fetchall()
    return rows[0] if rows else None
