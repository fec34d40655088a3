"""`tidegate install` and `uninstall`, into the folder of an image: nothing of this host is touched.

The program that is installed is the head of an ELF file here.  Real ones are installed in clean
roots by tests/process/test_install_root.py.
"""

import os

import pytest

from fixtures.images import (
    ARM64,
    NAME,
    PASSWD,
    elf,
    make_image,
    make_program,
    modes,
    tidegate,
    tree,
)
from tidegate_linux.config import load_gateway
from tidegate_linux.durable import Owner
from tidegate_linux.install.layout import Layout
from tidegate_linux.install.users import owner_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make an image")


@pytest.fixture
def program(tmp_path):
    return make_program(tmp_path)


@pytest.fixture
def image(tmp_path):
    return make_image(tmp_path)


def test_an_image_gets_all_that_a_gateway_needs(image, program):
    done = tidegate("install", program, "--root", image)
    assert done.returncode == 0, done.stderr
    layout = Layout(image)
    assert layout.command.resolve() == layout.version(NAME)
    assert layout.command.read_bytes() == program.read_bytes()
    assert str(layout.current.readlink()) == f"versions/{NAME}"
    owner = owner_in(layout)
    assert modes(layout.data) == ("drwx------", *owner)
    assert modes(layout.config_folder) == ("drwxr-x---", 0, owner.gid)
    assert modes(layout.config) == ("-rw-r-----", 0, owner.gid)
    for path in (layout.home, layout.versions, layout.version(NAME), layout.select):
        assert modes(path)[0].endswith("rwxr-xr-x")
        assert modes(path)[1:] == (0, 0)
    wanted = image / "etc/systemd/system/multi-user.target.wants/tidegate.service"
    assert str(wanted.readlink()) == "/etc/systemd/system/tidegate.service"
    assert f"ExecStart=/{layout.current.relative_to(image)} run" in layout.unit.read_text()
    assert "systemd starts it at the next boot" in done.stdout


def test_the_first_configuration_starts_without_an_edit(image, program):
    tidegate("install", program, "--root", image)
    settings, advice = load_gateway(Layout(image).config)
    assert settings.node.data == "/var/lib/tidegate"
    assert settings.listeners[0].url.host == "127.0.0.1"
    # Its only warning is that nothing is sent on yet.
    assert [line.split(":")[0] for line in advice] == ["uplink"]


def test_the_user_gets_a_number_that_neither_users_nor_groups_have(image, program):
    tidegate("install", program, "--root", image)
    assert owner_in(Layout(image)) == Owner(997, 997)
    passwd = (image / "etc/passwd").read_text()
    assert passwd == PASSWD + "tidegate:x:997:997:Tidegate:/var/lib/tidegate:/usr/sbin/nologin\n"
    assert (image / "etc/shadow").read_text().splitlines()[1:] == ["tidegate:!*:::::::"]
    assert modes(image / "etc/shadow")[0] == "-rw-r-----"
    assert not (image / "etc/gshadow").exists()


def test_a_second_installation_finds_nothing_to_do(image, program):
    tidegate("install", program, "--root", image)
    before = tree(image)
    done = tidegate("install", program, "--root", image)
    assert "nothing had to be done" in done.stdout
    assert tree(image) == before


def test_an_installation_that_was_cut_off_is_finished_by_the_next(image, program):
    """Any set of missing pieces, and what a cut leaves beside their places, is made good."""
    tidegate("install", program, "--root", image)
    whole = tree(image)
    layout = Layout(image)
    pieces = (layout.current, layout.select, layout.unit, layout.config, layout.version(NAME))
    for piece in pieces:
        piece.unlink()
        piece.with_name(f".{piece.name}.unfinished").write_text("half of")
    layout.home.chmod(0o700)
    assert tidegate("install", program, "--root", image).returncode == 0
    assert tree(image) == whole


def test_configuration_and_data_that_are_there_are_kept(image, program):
    layout = Layout(image)
    layout.config_folder.mkdir(parents=True)
    layout.config.write_text("# mine\n")
    layout.data.mkdir(parents=True)
    (layout.data / "journal.db").write_text("records")
    for command in (["install", program], ["uninstall"], ["install", program]):
        assert tidegate(*command, "--root", image).returncode == 0
        assert layout.config.read_text() == "# mine\n"
        assert (layout.data / "journal.db").read_text() == "records"


def test_a_dry_run_says_every_step_and_changes_nothing(image, program):
    before = tree(image)
    done = tidegate("install", program, "--root", image, "--dry-run")
    assert tree(image) == before
    said = {line.removeprefix("would ") for line in done.stdout.splitlines()}
    real = tidegate("install", program, "--root", image)
    assert said == set(real.stdout.splitlines()[:-2])
    after = tree(image)
    done = tidegate("uninstall", "--root", image, "--purge", "--dry-run")
    assert tree(image) == after
    assert f"would remove {Layout(image).data}" in done.stdout


def test_uninstall_leaves_the_image_as_it_was_but_for_what_it_says(image, program):
    before = {path for path in tree(image) if not path.is_dir()}
    tidegate("install", program, "--root", image)
    done = tidegate("uninstall", "--root", image)
    layout = Layout(image)
    left = {path for path in tree(image) if not path.is_dir()} - before
    assert left == {layout.config}
    assert layout.data.is_dir()
    assert not layout.home.exists()
    for path in (layout.config_folder, layout.data):
        assert f"{path} stays" in done.stdout
    again = tidegate("uninstall", "--root", image)
    assert "nothing of tidegate is installed here" in again.stdout


def test_uninstall_leaves_nothing_that_a_cut_has_left(image, program):
    before = {path for path in tree(image) if not path.is_dir()}
    tidegate("install", program, "--root", image)
    layout = Layout(image)
    pieces = (layout.current, layout.trial, layout.select, layout.command, layout.unit)
    for piece in (*pieces, layout.config, layout.shared / "man/man1/tidegate.1"):
        piece.with_name(f".{piece.name}.unfinished").write_text("half")
    (layout.home / "trial.unfinished").mkdir()
    (layout.home / "result.unfinished").write_text("half")
    tidegate("uninstall", "--root", image)
    left = {path for path in tree(image) if not path.is_dir()} - before
    assert left == {layout.config}
    assert not layout.home.exists()


def test_keys_of_the_owner_survive_an_uninstall(image, program):
    tidegate("install", program, "--root", image)
    layout = Layout(image)
    assert modes(layout.keys) == ("drwxr-xr-x", 0, 0)
    (layout.keys / "ours.pub").write_text("key")
    done = tidegate("uninstall", "--root", image)
    assert (layout.home / "keys" / "ours.pub").exists()
    assert f"{layout.home} stays" in done.stdout


def test_purge_asks_and_only_a_yes_removes_configuration_and_data(image, program):
    tidegate("install", program, "--root", image)
    layout = Layout(image)
    done = tidegate("uninstall", "--root", image, "--purge", answer="n\n")
    assert done.returncode == 130
    assert layout.current.exists()
    assert layout.data.exists()
    done = tidegate("uninstall", "--root", image, "--purge", answer="y\n")
    assert done.returncode == 0, done.stderr
    for path in (layout.config_folder, layout.data, layout.home):
        assert not path.exists()


@pytest.mark.parametrize(
    ("init", "script", "link"),
    [
        ("sbin/openrc-run", "etc/init.d/tidegate", "etc/runlevels/default/tidegate"),
        ("bin/busybox", "etc/init.d/S50tidegate", None),
    ],
)
def test_small_systems_get_a_script(image, program, init, script, link):
    (image / "usr/lib/systemd/systemd").unlink()
    elf(image / init, ARM64)
    (image / "sbin").mkdir(exist_ok=True)
    if init == "bin/busybox":
        (image / "sbin/init").symlink_to("/bin/busybox")
    done = tidegate("install", program, "--root", image)
    assert done.returncode == 0, done.stderr
    assert modes(image / script)[0] == modes(Layout(image).keep)[0] == "-rwxr-xr-x"
    if link:
        assert str((image / link).readlink()) == f"/{script}"
    assert not Layout(image).unit.exists()
    tidegate("uninstall", "--root", image)
    assert not (image / script).exists()
    assert not Layout(image).home.exists()


def test_without_anybody_to_start_it_the_owner_is_told(image, program):
    (image / "usr/lib/systemd/systemd").unlink()
    done = tidegate("install", program, "--root", image)
    assert "run /usr/local/bin/tidegate run -c /etc/tidegate/gateway.toml" in done.stdout
