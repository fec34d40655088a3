"""P1 on littlefs: the power goes before and within every single operation of the flash.

The file system is MicroPython's own code, the log the node's own; only the flash is made up.
"""

import pytest

from flash.history import write_history
from flash.programs import run_program

# Block, blocks, page: an RP2040's flash, an ESP32's, and small blocks that make littlefs work more.
GEOMETRIES = {"rp2": (4096, 32, 256), "esp32": (4096, 32, 32), "small": (512, 256, 32)}
PLANTS = ("lazy", "early", "going-on", "hasty", "credulous")


def cut_everywhere(tmp_path, geometry, seed, every, nested=0, plant="", groups=40):
    """Carry a history out, cut it, and return what came of it."""
    block_bytes, block_count, program_bytes = GEOMETRIES[geometry]
    history = tmp_path / "history.json"
    write_history(history, seed, groups)
    options = {
        "history": str(history), "kind": "littlefs", "block_bytes": block_bytes,
        "block_count": block_count, "program_bytes": program_bytes, "seed": seed,
        "plant": plant, "nested": nested, "every": every,
    }  # fmt: skip
    result = run_program("cuts_program.py", options)
    print(f"seed {seed}, {geometry}: {result}")
    return result


def expect_nothing_lost(result, images_min):
    assert result["wrong"] == 0, result["first"]
    assert result["images"] >= images_min


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_no_cut_loses_what_was_synced(tmp_path, geometry):
    every = 12 if geometry == "esp32" else 5
    expect_nothing_lost(cut_everywhere(tmp_path, geometry, 1, every, nested=100), 400)


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_bugs_are_found(tmp_path, plant):
    """Each shows that the rig sees what it is there to see."""
    result = cut_everywhere(tmp_path, "rp2", 2, 3, plant=plant)
    assert result["wrong"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_no_cut_of_many_loses_what_was_synced(tmp_path, geometry, seed):
    every = {"rp2": 1, "esp32": 5, "small": 2}[geometry]
    expect_nothing_lost(cut_everywhere(tmp_path, geometry, seed, every, nested=80), 1000)
