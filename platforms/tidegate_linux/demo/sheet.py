"""The demo's balance sheet: what devices were told is safe, against what is in the hub's table.

The hub's database is read as its owner would, through the view `records`, and every message is
found again by what the device wrote into it, not by any number of ours.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from tidegate_linux.demo.devices import Device

_ROWS = "SELECT stream, seq, CAST(payload AS TEXT) FROM records ORDER BY stream, seq"


class Row(NamedTuple):
    """One record of the hub; `device` is "" where somebody else has published it."""

    stream: str
    seq: int
    device: str
    number: int


class Verdict(NamedTuple):
    """One promise, what was found, and whether it holds."""

    promise: str
    found: str
    holds: bool


class Sheet(NamedTuple):
    """The balance: (what, how many) line by line, and the verdicts."""

    lines: list[tuple[str, int]]
    verdicts: list[Verdict]

    @property
    def balances(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)


def read_rows(database: Path) -> list[Row]:
    """Return all records that the hub holds, by stream and number."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(5000)
        rows = []
        for stream, seq, payload in connection.execute(_ROWS):
            rows.append(Row(stream, seq, *_origin(payload)))
        return rows
    finally:
        connection.close()


def _origin(payload: str) -> tuple[str, int]:
    """Return which device a payload names, and the number; ("", 0) for somebody else's."""
    try:
        fields = json.loads(payload)
        return str(fields["device"]), int(fields["n"])
    except (ValueError, TypeError, KeyError):
        return "", 0


def count_rows(database: Path) -> int:
    """Return how many records the hub holds; 0 where it cannot be told just now."""
    try:
        connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return int(connection.execute("SELECT count(*) FROM records").get)
        finally:
            connection.close()
    except apsw.Error:
        return 0


def draw_up(
    devices: Sequence[Device], status: dict[str, Any], rows: list[Row], held_at_kill: int
) -> Sheet:
    """Return the balance; `status` is the gateway's last word, after it has delivered all."""
    published = sum(device.published for device in devices)
    promised = {(device.name, n) for device in devices for n in device.acknowledged}
    arrived = [(row.device, row.number) for row in rows if row.device]
    streams = status["streams"]
    admitted, delivered, held, quarantined = (
        sum(stream[name] for stream in streams)
        for name in ("admitted", "delivered", "held", "quarantined")
    )
    dropped = sum(sum(stream["dropped"].values()) for stream in streams)
    lost = len(promised - set(arrived))
    twice = len(arrived) - len(set(arrived)) + len(rows) - len({row[:2] for row in rows})
    swapped = inversions(rows)
    accounted = delivered + held + quarantined + dropped
    lines = [
        ("published by the devices", published),
        ("acknowledged to them by the gateway", len(promised)),
        ("published by others", len(rows) - len(arrived)),
        ("admitted by the gateway", admitted),
        ("in the hub's table", len(rows)),
    ]
    balance = f"{admitted:,} = {delivered:,} + {held:,} + {quarantined:,} + {dropped:,}"
    verdicts = [
        Verdict(
            "P1 durable before acknowledged",
            f"{lost:,} of {len(promised):,} lost; {held_at_kill:,} were held at the kill",
            lost == 0 and len(promised) == published > 0 and held_at_kill > 0,
        ),
        Verdict("P2 nothing twice", f"{twice:,} of {len(rows):,} twice", twice == 0),
        Verdict("P3 order", f"{swapped:,} out of order, by device", swapped == 0),
        Verdict(
            "P4 the balance",
            f"admitted {balance} delivered, held, quarantined, dropped",
            admitted == accounted and delivered == len(rows) and not dropped + quarantined,
        ),
    ]
    return Sheet(lines, verdicts)


def inversions(rows: list[Row]) -> int:
    """Return how many records stand behind a later one of the same device."""
    last: dict[str, int] = {}
    count = 0
    for row in rows:
        # Of what others have published nobody knows the order; their number is always 0.
        if row.number < last.get(row.device, 0):
            count += 1
        last[row.device] = max(row.number, last.get(row.device, 0))
    return count
