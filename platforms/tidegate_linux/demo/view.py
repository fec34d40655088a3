"""What the demo shows while it runs: a table that lives on a terminal, plain lines elsewhere."""

import time
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tidegate_linux.demo.sheet import Sheet

LINE_S = 2.0  # How often a plain line is printed.


class Numbers(NamedTuple):
    """The figures of one instant."""

    at_s: float
    acknowledged: int
    admitted: int
    held: int
    stored: int
    line: str
    gateway: str


class View:
    """Shows numbers and tells what happens; use it as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._next_s = 0.0

    def __enter__(self) -> "View":
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=5, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, at_s: float, what: str) -> None:
        """Say what happens now."""
        self._console.print(f"{at_s:5.1f} s  {what}", highlight=False, soft_wrap=True)

    def show(self, numbers: Numbers) -> None:
        """Show the figures."""
        if self._live is not None:
            self._live.update(_table(numbers))
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LINE_S
            text = (
                f"  acknowledged {numbers.acknowledged:,}  admitted {numbers.admitted:,}  "
                f"held {numbers.held:,}  in the hub {numbers.stored:,}  "
                f"line {numbers.line}  gateway {numbers.gateway}"
            )
            self.tell(numbers.at_s, text)


def _table(numbers: Numbers) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    for name, value in (
        ("acknowledged to devices", f"{numbers.acknowledged:,}"),
        ("admitted by the gateway", f"{numbers.admitted:,}"),
        ("held by the gateway", f"{numbers.held:,}"),
        ("in the hub's table", f"{numbers.stored:,}"),
        ("line", _coloured(numbers.line, "up")),
        ("gateway", _coloured(numbers.gateway, "running")),
    ):
        table.add_row(name, value)
    return table


def _coloured(word: str, good: str) -> str:
    return f"[green]{word}[/]" if word == good else f"[red]{word}[/]"


def show_sheet(console: Console, sheet: Sheet) -> None:
    """Print the balance sheet and the verdicts."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, count in sheet.lines:
        table.add_row(name, f"{count:,}")
    console.print()
    console.print(table)
    console.print()
    for verdict in sheet.verdicts:
        word = "[green]holds[/]" if verdict.holds else "[red]BROKEN[/]"
        console.print(
            f"{word}  {verdict.promise}: {verdict.found}", highlight=False, soft_wrap=True
        )
    console.print("\nit balances" if sheet.balances else "\nit does NOT balance")
