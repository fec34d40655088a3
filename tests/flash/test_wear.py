"""What a record costs the flash, counted on a flash in memory under MicroPython's littlefs.

Bytes and erases are the same on every machine.  The flash is a Pico's: blocks of 4096 bytes, pages
of 256.  `python -m flash.test_wear`, run in `tests`, prints the table of docs/testing.md.
"""

import pytest

from flash.programs import run_program

PICO = {"block_bytes": 4096, "block_count": 256, "program_bytes": 256}
AMPLIFICATION_MAX = 4
ERASES_A_RECORD_MAX = 0.1
CYCLES = 100_000


def wear(records=1000, period_ms=1000, puts=False, wakes=False, online=True, journal=None, **flash):
    options = {
        **PICO, **flash, "journal": journal or {}, "uplink": {}, "records": records,
        "period_ms": period_ms, "puts": puts, "wakes": wakes, "online": online,
    }  # fmt: skip
    return run_program("wear_program.py", options, "32M")


def expect_within_bounds(cost):
    assert cost["amplification"] <= AMPLIFICATION_MAX, cost
    assert cost["erases_a_record"] <= ERASES_A_RECORD_MAX, cost


@pytest.mark.parametrize("online", [True, False], ids=["delivered", "held"])
def test_queued_records_wear_the_flash_within_bounds(online):
    expect_within_bounds(wear(online=online))


@pytest.mark.slow
@pytest.mark.parametrize("online", [True, False], ids=["delivered", "held"])
@pytest.mark.parametrize("period_ms", [100, 1000])
@pytest.mark.parametrize("limit_bytes", [262_144, 800_000])
def test_a_log_at_its_limit_wears_the_flash_no_more(online, period_ms, limit_bytes):
    """Whole segments go, and what is kept after delivery is forgotten in the same commits."""
    records = 2 * limit_bytes // 109
    journal = {"limit_bytes": limit_bytes, "reserve_bytes": 0}
    cost = wear(records, period_ms, online=online, journal=journal)
    expect_within_bounds(cost)


def rows():
    """Yield what the table says, row by row."""
    for name, more in (
        ("`put_nowait`, 10 a second", {"period_ms": 100}),
        ("`put_nowait`, 1 a second", {}),
        ("`put_nowait`, 1 in 10 s", {"period_ms": 10_000}),
        ("`put_nowait`, 1 in 10 s, sync_interval_ms 300000",
         {"period_ms": 10_000, "journal": {"sync_interval_ms": 300_000}}),
        ("`put_nowait`, 1 in 60 s", {"period_ms": 60_000}),
        ("`put_nowait`, 1 in 60 s, sync_interval_ms 1800000",
         {"period_ms": 60_000, "journal": {"sync_interval_ms": 1_800_000}}),
        ("`put`, 1 a second", {"puts": True}),
        ("`put`, 1 in 60 s", {"puts": True, "period_ms": 60_000}),
        ("a cycle of sleep in 60 s", {"puts": True, "wakes": True, "period_ms": 60_000}),
    ):  # fmt: skip
        for online in (True, False):
            cost = wear(online=online, **more)
            seconds = more.get("period_ms", 1000) / 1000
            erases = cost["erases_a_record"]
            years = PICO["block_count"] * CYCLES / erases * seconds / (365 * 86400)
            yield (
                name, "delivered" if online else "held", cost["amplification"],
                erases, cost["bytes_a_record"], years,
            )  # fmt: skip


if __name__ == "__main__":
    print("| | | amplification | erases a record | bytes a record | years of 1 MiB |")
    print("|---|---|---|---|---|---|")
    for name, what, amplification, erases, size, years in rows():
        figures = f"{amplification:.1f} | {erases:.3f} | {size:.0f} | {years:.1f}"
        print(f"| {name} | {what} | {figures} |")
