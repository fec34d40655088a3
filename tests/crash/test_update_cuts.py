"""Updates that cannot brick: the power goes before each call of one, on real ext4."""

from pathlib import Path
from types import ModuleType

import pytest

from crash.mounts import Mount, require
from crash.update_cuts import STORIES, Rig, cuts
from process.counts import bound
from tidegate_linux import durable
from tidegate_linux.update import onefile

pytestmark = pytest.mark.slow

SELECT = Path(__file__).resolve().parents[2] / "packaging" / "launch" / "select"
DISK_BYTES = 32_000_000


@pytest.fixture
def disk(tmp_path):
    require("mount", "mkfs.ext4")
    with Mount(tmp_path / "disk", "ext4", DISK_BYTES) as disk:
        yield disk


def planted(module, old, new):
    """Return a module with a fault: its source with `old` replaced by `new`."""
    source = Path(module.__file__).read_text()
    assert source.count(old) == 1, f"the place for the fault is gone: {old}"
    copy = ModuleType(module.__name__)
    exec(compile(source.replace(old, new), module.__file__, "exec"), copy.__dict__)
    return copy


def test_no_power_cut_in_an_update_leaves_a_host_without_a_program(disk, tmp_path):
    counts, wrong = {}, []
    for is_written_back in (False, True):
        folder = tmp_path / f"{is_written_back}"
        folder.mkdir()
        rig = Rig(disk, folder, onefile, SELECT.read_text(), is_written_back)
        for name, story in STORIES.items():
            made = list(cuts(rig, story))
            counts[f"{name}{', written back' if is_written_back else ''}"] = len(made)
            wrong += [(name, at, found) for at, found in enumerate(made, 1) if found]
    total = sum(counts.values())
    print(f"{total} power cuts {counts}; without a program {bound(total)}")
    assert wrong == []
    assert total >= 200


def unsynced_program():
    return planted(
        onefile, "                os.fsync(fd)\n            if check", "            if check"
    )


def link_removed_first():
    faulty = planted(
        durable,
        "    unfinished.symlink_to(target)\n    unfinished.rename(path)\n",
        "    path.unlink(missing_ok=True)\n    path.symlink_to(target)\n",
    )
    copy = planted(onefile, "KIND = ONEFILE", "KIND = ONEFILE ")
    copy.write_link = faulty.write_link
    return copy


def switched_before_the_trial():
    first = "        write_trial(self.layout.trial, trial, self.owner)\n"
    second = '        write_link(self.layout.current, f"versions/{trial.new}")\n'
    return planted(onefile, first + second, second + first)


@pytest.mark.parametrize(
    ("plant", "is_written_back", "sign"),
    [
        (unsynced_program, False, "is not whole"),
        (link_removed_first, True, "current leads nowhere"),
        (switched_before_the_trial, False, "is on no trial"),
    ],
)
def test_the_rig_finds_a_planted_fault(disk, tmp_path, plant, is_written_back, sign):
    rig = Rig(disk, tmp_path, plant(), SELECT.read_text(), is_written_back)
    assert any(sign in text for found in cuts(rig, STORIES["good"]) for text in found)


def test_the_rig_finds_a_fault_of_the_shell(disk, tmp_path):
    old = 'mv -f "$home/.current.unfinished" "$home/current"'
    select = SELECT.read_text()
    assert select.count(old) == 1
    faulty = select.replace(old, f'rm -f "$home/current" && {old}')
    rig = Rig(disk, tmp_path, onefile, faulty, is_written_back=True)
    found = (text for found in cuts(rig, STORIES["bad"]) for text in found)
    assert any("current leads nowhere" in text for text in found)
