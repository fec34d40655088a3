"""FAT promises less, and the log on it no more than this: what is read is what was stored.

Where sectors are written whole and in order nothing was lost either.  A sector that is torn takes
what stood in it, which may be the folder: then the log says so, or begins anew.
"""

import pytest

from flash.history import write_history
from flash.programs import run_program

FLASH = {"kind": "fat", "block_bytes": 512, "block_count": 256, "program_bytes": 512}


def cut_everywhere(tmp_path, seed, every, groups=40):
    history = tmp_path / "history.json"
    write_history(history, seed, groups)
    options = {
        **FLASH, "history": str(history), "seed": seed, "plant": "", "nested": 0, "every": every,
    }  # fmt: skip
    result = run_program("fat_program.py", options)
    print(f"seed {seed}: [images, refused, lossy, anew] {result}")
    assert result["wrong"] == 0, result["first"]
    return result


def test_nothing_wrong_is_read_on_fat(tmp_path):
    result = cut_everywhere(tmp_path, 2, 2)
    assert result["between"][0] > 200 and result["within"][0] > 600


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 206))
def test_nothing_wrong_is_read_on_fat_over_many_histories(tmp_path, seed):
    cut_everywhere(tmp_path, seed, 1)
