"""`tidegate deploy`, against a real MicroPython at the end of a serial line.

The line and the flash are fixtures.serial_board's.
"""

import hashlib
import json
import subprocess
import time

import pytest

from fixtures.deployment import (
    CONFIG,
    MQTT,
    board,
    deploy,
    expect_error,
    make_bundles,
    modules_in,
    write_config,
)

# Feeds a watchdog that nothing but a reset stops, as a node does.
SKETCH = """
import machine, time
watchdog = machine.WDT(timeout=2000)
while True:
    watchdog.feed()
    time.sleep(0.05)
"""


def some_quick(*quick, slow):
    return [*quick, *(pytest.param(share, marks=pytest.mark.slow) for share in slow)]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return make_bundles(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path, CONFIG)


def test_an_empty_board_gets_its_node_and_is_tested(tmp_path, bundles, config):
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, bundles[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "put, synced, opened anew, read back" in done.stdout
    assert "loads version 6" in done.stdout
    assert "there is no main.py" in done.stdout
    expected = {**modules_in(bundles[0]), "/config.json": config.read_bytes()}
    assert serial.files() == expected


def test_only_what_differs_is_copied_and_force_copies_all(tmp_path, bundles, config):
    with board(tmp_path) as serial:
        deploy(serial.port, config, bundles[0])
        config.write_text(json.dumps({**CONFIG, "node": {"name": "greenhouse-2"}}))
        done = deploy(serial.port, config, bundles[0])
        assert [line for line in done.stdout.splitlines() if line.startswith("copy")] == [
            "copy    /config.json"
        ]
        assert ", 1 were copied" in done.stdout
        assert ", 0 were copied" in deploy(serial.port, config, bundles[0]).stdout
        count = len(modules_in(bundles[0])) + 1
        assert f", {count} were copied" in deploy(serial.port, config, bundles[0], "--force").stdout


def test_what_is_stale_goes_and_nothing_else_is_touched(tmp_path, bundles, config):
    others = {
        "/tidegate-log/00000001.tgs": b"records",
        "/lib/other.py": b"x = 1\n",
        "/notes.txt": b"mine",
    }
    stale = {
        # A source would be imported before the bytecode beside it.
        "/lib/tidegate/engine.py": b"raise ValueError\n",
        "/lib/tidegate/store/log.mpy.new": b"half",
        "/config.json.new": b"half",
    }
    with board(tmp_path) as serial:
        pass
    serial.put({**others, **stale})
    with board(tmp_path) as serial:
        assert deploy(serial.port, config, bundles[1]).returncode == 0
        done = deploy(serial.port, config, bundles[0])
    assert "remove  /lib/tidegate/obsolete.mpy" in done.stdout
    expected = {**modules_in(bundles[0]), "/config.json": config.read_bytes()}
    assert serial.files() == {**others, **expected}


def test_a_dry_run_changes_nothing_and_the_sketch_goes_on(tmp_path, bundles, config):
    with board(tmp_path) as serial:
        pass
    serial.put({"/main.py": b"with open('/ran', 'a') as ran:\n    ran.write('x')\n"})
    with board(tmp_path) as serial:
        wait_for_sketch()
        done = deploy(serial.port, config, bundles[0], "--dry-run")
        wait_for_sketch()
    assert done.returncode == 0, done.stderr
    assert "would copy    /config.json" in done.stdout
    assert set(serial.files()) == {"/main.py", "/ran"}
    assert serial.files()["/ran"] == b"xx"


def wait_for_sketch():
    time.sleep(0.7)


def test_a_sketch_with_a_watchdog_is_held_and_started_again(tmp_path, bundles, config):
    sketch = tmp_path / "main.py"
    sketch.write_text(SKETCH)
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, bundles[0], "--main", sketch)
        assert "the board starts main.py" in done.stdout, done.stderr
        wait_for_sketch()
        assert serial.fed.stat().st_size > 0
        resets = serial.resets
        done = deploy(serial.port, config, bundles[1])
        assert done.returncode == 0, done.stderr
        assert "main.py is held" in done.stdout
        assert serial.resets == resets + 2
        wait_for_sketch()
        assert serial.fed.stat().st_size > 0
    files = serial.files()
    assert files["/main.py"] == sketch.read_bytes()
    assert "/main.py.held" not in files


@pytest.mark.parametrize("share", some_quick(0.3, 0.97, slow=[0.02, 0.7, 0.93, 0.95, 0.99]))
def test_a_cut_leaves_each_file_old_or_new_and_the_next_deployment_goes_on(
    tmp_path, bundles, config, share
):
    now, before = bundles
    with board(tmp_path) as serial:
        assert deploy(serial.port, config, before).returncode == 0
    flash = serial.flash.read_bytes()
    with board(tmp_path) as serial:
        assert deploy(serial.port, config, now).returncode == 0
        whole = serial.taken
    serial.flash.write_bytes(flash)
    with board(tmp_path, cut_after=int(whole * share)) as serial:
        expect_error(deploy(serial.port, config, now), "the line to the board was cut")
    old, new = modules_in(before), modules_in(now)
    found = {path: data for path, data in serial.files().items() if not path.endswith(".new")}
    assert set(found) <= set(old) | {"/config.json"}
    for path, data in found.items():
        assert data in (old.get(path), new.get(path), config.read_bytes()), path
    assert set(new) <= set(found)
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, now)
        assert done.returncode == 0, done.stderr
    assert serial.files() == {**new, "/config.json": config.read_bytes()}


# Of the writes to the flash: 0.9 to 0.95 are the exchange, then comes the self-test.
@pytest.mark.parametrize(
    "share",
    some_quick(0.5, 0.92, slow=[0.1, 0.75, 0.89, 0.9, 0.91, 0.93, 0.94, 0.95, 0.96, 0.98]),
)
def test_a_power_cut_in_a_write_leaves_each_file_old_or_new(tmp_path, bundles, config, share):
    now, before = bundles
    with board(tmp_path) as serial:
        assert deploy(serial.port, config, before).returncode == 0
    flash = serial.flash.read_bytes()
    with board(tmp_path) as serial:
        assert deploy(serial.port, config, now).returncode == 0
        writes = serial.writes_before_reset
    # How often it writes differs a little between two runs: one may be over before the cut comes.
    for less in (0, 0.02, 0.04):
        serial.flash.write_bytes(flash)
        with board(tmp_path, writes_max=int(writes * (share - less))) as serial:
            done = deploy(serial.port, config, now)
        if done.returncode != 0:
            break
    expect_error(done, "the line to the board was cut")
    old, new = modules_in(before), modules_in(now)
    found = {path: data for path, data in serial.files().items() if not path.endswith(".new")}
    found = {path: data for path, data in found.items() if "self-test" not in path}
    for path, data in found.items():
        assert data in (old.get(path), new.get(path), config.read_bytes()), path
    assert set(new) <= set(found)
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, now)
        assert done.returncode == 0, done.stderr
    assert serial.files() == {**new, "/config.json": config.read_bytes()}


def test_a_library_that_the_board_lacks_is_asked_for_or_taken(tmp_path, bundles):
    config = write_config(tmp_path, MQTT)
    library = tmp_path / "libraries"
    (library / "umqtt.simple-1.3.4" / "umqtt").mkdir(parents=True)
    (library / "umqtt.simple-1.3.4" / "umqtt" / "simple.py").write_text("class MQTTClient: pass\n")
    archive = tmp_path / "umqtt.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", library, "."], check=True)
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, bundles[0])
        expect_error(done, "the board lacks the library umqtt.simple")
        assert "mip install umqtt.simple" in done.stderr
        assert "--library" in done.stderr
        done = deploy(serial.port, config, bundles[0], "--library", archive)
        assert done.returncode == 0, done.stderr
        assert deploy(serial.port, config, bundles[0]).returncode == 0
    assert serial.files()["/lib/umqtt/simple.py"] == b"class MQTTClient: pass\n"


def test_a_flash_that_is_too_small_is_found_before_anything_is_copied(tmp_path, bundles, config):
    with board(tmp_path, flash_bytes=64 * 1024) as serial:
        expect_error(deploy(serial.port, config, bundles[0]), "the flash is full")
    assert serial.files() == {}


def test_a_flash_that_fills_up_keeps_what_was_there(tmp_path, bundles, config):
    # Room for the files themselves, and not for the folders around them.
    files = [*modules_in(bundles[0]).values(), config.read_bytes()]
    blocks = sum(-(-len(data) // 4096) for data in files) + 2
    with board(tmp_path, flash_bytes=blocks * 4096) as serial:
        pass
    serial.put({"/main.py": b"pass\n"})
    with board(tmp_path, flash_bytes=blocks * 4096) as serial:
        expect_error(deploy(serial.port, config, bundles[0]), "the flash is full")
    assert serial.files() == {"/main.py": b"pass\n"}


@pytest.mark.parametrize("hidden_by", ["/tidegate_micropython/__init__.py", "/tidegate/x.tgs"])
def test_what_hides_the_node_from_the_board_is_found(tmp_path, bundles, config, hidden_by):
    with board(tmp_path) as serial:
        pass
    serial.put({hidden_by: b""})
    with board(tmp_path) as serial:
        done = deploy(serial.port, config, bundles[0])
    assert done.returncode == 1
    assert "tidegate" in done.stderr.splitlines()[0]
    assert "same name" in done.stderr or "remove it there" in done.stderr


def test_a_journal_folder_that_would_hide_the_node_is_refused(tmp_path, bundles):
    for folder in ("tidegate", "/lib/tidegate", "lib"):
        config = write_config(tmp_path, {**CONFIG, "journal": {"folder": folder}})
        with board(tmp_path) as serial:
            done = deploy(serial.port, config, bundles[0])
        expect_error(done, "journal.folder")
    assert serial.files() == {}


def test_the_boards_hash_is_the_real_one(tmp_path):
    from tidegate_linux.deploy.board import Board
    from tidegate_linux.deploy.line import Line

    content = bytes(range(256)) * 5 + b"odd"
    with board(tmp_path) as serial:
        pass
    serial.put({"/a/b.bin": content, "/empty": b""})
    with board(tmp_path) as serial:
        line = Line(serial.port)
        found = Board(line).hashes(["/a"], ["/empty", "/none"])
        line.close()
    assert found == {
        "/a/b.bin": (len(content), hashlib.sha256(content).hexdigest()),
        "/empty": (0, hashlib.sha256(b"").hexdigest()),
    }
