"""`tidegate check` on a Raspberry Pi: what could lose data there, from a planted machine."""

import pytest

from pi.planted import MODEL, SERIAL, PiTree, settings_of
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING
from tidegate_pi.check import check_board

DEVICE = "sys/block/mmcblk0/device"


@pytest.fixture
def tree(tmp_path):
    return PiTree(tmp_path / "root")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def found(tree, data, **journal):
    """Return what is found beside the board's name: level and text, with the hint."""
    settings = settings_of(data, name="site-7")
    if journal:
        settings = settings._replace(journal=settings.journal._replace(**journal))
    first, *others = check_board(settings, tree.root)
    assert first.what == f"{MODEL}, serial number {SERIAL}"
    assert all(one.hint or one.level in (INFO, WARNING) for one in others)
    return [(one.level, f"{one.what}; {one.hint}") for one in others]


def test_a_board_in_order_is_only_named(tree, data):
    tree.mount(data, "rw,noatime")
    tree.write("proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n")
    tree.write(f"{DEVICE}/pre_eol_info", "0x01\n")
    assert found(tree, data) == []


def test_a_board_of_which_nothing_is_known_is_checked_all_the_same(tmp_path, data):
    (only,) = check_board(settings_of(data, name="site-7"), tmp_path / "nothing")
    assert only.what == "of unknown model, serial number unknown"


@pytest.mark.parametrize("name", ["raspberrypi", "localhost"])
def test_a_name_that_many_have_is_told_with_one_that_nobody_else_has(tree, data, name):
    _, warning = check_board(settings_of(data, name=name), tree.root)
    assert warning.level == WARNING
    assert "take each other's session" in warning.what
    assert warning.hint == 'for example node.name = "pi-c0ffee42"'


def test_a_low_voltage_is_told(tree, data):
    tree.throttle(0x10000)
    ((level, text),) = found(tree, data)
    assert level == WARNING
    assert "has been too low" in text


@pytest.mark.parametrize(
    ("options", "is_told"), [("rw", True), ("rw,relatime", False), ("rw,noatime", False)]
)
def test_a_card_that_is_worn_by_reading_is_told(tree, data, options, is_told):
    tree.mount(data, options)
    texts = found(tree, data)
    assert bool(texts) == is_told
    assert all("notes each time that a file is read" in text for _, text in texts)


def test_a_file_system_that_flushes_nothing_is_an_error(tree, data):
    tree.mount(data, "rw,noatime", more="rw,nobarrier")
    ((level, text),) = found(tree, data)
    assert level == ERROR
    assert "a power cut takes what was acknowledged" in text


@pytest.mark.parametrize(
    ("point", "reserve_bytes", "is_told"),
    [("/", 50_000_000, True), ("/", 200_000_000, False)],
)
def test_a_root_file_system_needs_its_reserve(tree, data, point, reserve_bytes, is_told):
    tree.mount(data, "rw,noatime", point)
    texts = found(tree, data, reserve_bytes=reserve_bytes)
    assert bool(texts) == is_told
    assert all("50.0 MB" in text and "100_000_000" in text for _, text in texts)


def test_a_partition_of_the_data_needs_no_reserve_for_a_start(tree, data):
    tree.mount(data, "rw,noatime", str(data))
    assert found(tree, data, reserve_bytes=0) == []


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("/var/swap file 524284 0 -2", True),
        ("/dev/mmcblk0p3 partition 524284 0 -2", True),
        ("/dev/sda2 partition 524284 0 -2", False),
        ("/dev/zram0 partition 524284 0 100", False),
    ],
)
def test_swapping_to_the_card_is_told(tree, data, line, is_told):
    tree.mount(data, "rw,noatime")
    tree.write("proc/swaps", f"Filename\t\tType\t\tSize\n{line}\n")
    assert bool(found(tree, data)) == is_told


@pytest.mark.parametrize(
    ("life_time", "pre_eol_info", "level", "part"),
    [
        ("0x01 0x02", "0x01", INFO, "up to 20 %"),
        ("0x09 0x01", "0x01", WARNING, "up to 90 %"),
        ("0x00 0x00", "0x02", WARNING, "most of its spare blocks"),
        ("0x0b 0x01", "0x01", ERROR, "worn out"),
        ("0x01 0x01", "0x03", ERROR, "worn out"),
    ],
)
def test_an_emmc_tells_how_worn_it_is(tree, data, life_time, pre_eol_info, level, part):
    tree.mount(data, "rw,noatime")
    tree.write(f"{DEVICE}/life_time", f"{life_time}\n")
    tree.write(f"{DEVICE}/pre_eol_info", f"{pre_eol_info}\n")
    ((found_level, text),) = found(tree, data)
    assert (found_level, part in text) == (level, True)
