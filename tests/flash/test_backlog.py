"""A long outage on a small flash: bounded bytes, flat memory, quick to open, and no silent drop."""

import pytest

from flash.programs import run_program

PICO = {"block_bytes": 4096, "block_count": 256, "program_bytes": 256}
LIMIT_BYTES, SEGMENT_BYTES = 262_144, 16_384
ALARM = {"lane": [{"name": "alarm", "topics": ["alarm/#"]}]}
# Between two looks some objects of a turn are alive and some are not.
MEMORY_MOVES_BYTES = 16_384
# What the log remembers of a segment, on this port, whose words have 64 bits.
SEGMENT_MEMORY_BYTES = 128


def overflow(records, **more):
    options = {**PICO, "journal": {}, "uplink": {}, "period_ms": 1000, "records": records, **more}
    return run_program("overflow_program.py", options, "32M")


def expect_bounded(found, records, lanes):
    assert found["stored_most"] <= LIMIT_BYTES + lanes * SEGMENT_BYTES
    assert found["gaps_most"] <= 2 * lanes
    memory = found["memory"][3:]  # The log is full from then on.
    assert max(memory) - min(memory) < MEMORY_MOVES_BYTES
    assert found["numbers"] == records == found["delivered"] + found["in_gaps"]
    assert found["in_gaps"] == sum(found["dropped"].values()) > records // 2
    assert (found["held"], found["reasons"]) == (0, ["overflow"])


@pytest.mark.parametrize("more", [{}, ALARM], ids=["one-lane", "two-lanes"])
def test_hours_of_overflow_stay_bounded_and_every_drop_is_in_a_gap(more):
    found = overflow(8000, **more)
    expect_bounded(found, 8000, 1 + len(more))
    assert found["dropped"].get("alarm", 0) == 0  # What matters most goes last.


@pytest.mark.parametrize("reserve_bytes", [2 * SEGMENT_BYTES, 65_536])
def test_a_flash_that_is_smaller_than_the_limit_is_never_filled(reserve_bytes):
    """The reserve takes what a segment a lane grows until it can go, and what littlefs copies."""
    small = {"block_count": 40, "journal": {"reserve_bytes": reserve_bytes}}
    found = overflow(4000, **{**ALARM, **small}, period_ms=100)
    assert found["numbers"] == 4000 == found["delivered"] + found["in_gaps"]
    assert (found["held"], found["reasons"]) == (0, ["overflow"])


@pytest.mark.slow
def test_a_day_of_overflow_stays_bounded():
    expect_bounded(overflow(100_000, **ALARM), 100_000, 2)


def opened(records, folder=None):
    options = {"records": records}
    if folder is not None:
        options["folder"] = str(folder)
    found = run_program("recovery_program.py", options, "32M")
    print(f"{records} records: {found}")
    return found


@pytest.mark.parametrize("on", ["littlefs", "files"])
def test_memory_does_not_depend_on_what_is_held(tmp_path, on):
    few, many = (
        opened(records, None if on == "littlefs" else tmp_path / str(records))
        for records in (100, 10_000)
    )
    assert many["stored_bytes"] > 1_000_000
    more_segments = many["segments"] - few["segments"]
    grown_bytes = many["memory_bytes"] - few["memory_bytes"]
    assert grown_bytes <= more_segments * SEGMENT_MEMORY_BYTES + 1024


@pytest.mark.parametrize("on", ["littlefs", "files"])
def test_to_open_a_full_log_reads_the_heads_and_the_newest_segment(tmp_path, on):
    found = opened(10_000, None if on == "littlefs" else tmp_path / "log")
    assert found["read_bytes"] <= SEGMENT_BYTES + found["segments"] * 2 * 1024
    # With what the file system itself reads: once over the flash and a half.
    assert found["flash_read_bytes"] <= 2 * found["stored_bytes"]
