"""The Debian package in a clean root: install, upgrade, remove, purge, and old data in new hands.

No systemd runs there, as in an image that is being made; that the units start what they should is
tried in a booted machine (tests/process/test_install_vm.py).
"""

import json
import shutil
import stat
import subprocess
import sys

import pytest

from fixtures.binary import built
from fixtures.broker import free_port
from fixtures.gateway import ROOT as CHECKOUT
from fixtures.publisher import Publisher
from fixtures.roots import Root, clean_root
from tidegate.version import VERSION

sys.path.insert(0, str(CHECKOUT / "build"))
try:
    import deb
finally:
    sys.path.remove(str(CHECKOUT / "build"))

pytestmark = [pytest.mark.delivery, pytest.mark.slow]
NEXT = "99.0.0"
CONFIG = "/etc/tidegate/gateway.toml"
LINK = "etc/systemd/system/multi-user.target.wants/tidegate.service"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Two packages of the same program, the later one with another configuration in it."""
    out = tmp_path_factory.mktemp("packages")
    archive = built().archive
    made = deb.build(archive, out, VERSION, "none")
    later = deb.build(archive, out, NEXT, "none")
    root = out / "work" / f"deb-{deb.own_architecture()}-{NEXT}"
    with (root / deb.CONFFILE).open("a") as config:
        config.write("# What is new.\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", root, later], check=True)
    return made, later


@pytest.fixture
def root(request, packages, tmp_path):
    """A clean root with the packages in it; Debian 12 where a test does not say otherwise."""
    path = clean_root(getattr(request, "param", "bookworm"), tmp_path)
    for package in packages:
        shutil.copy(package, path)
    return Root(path)


def install(root, package):
    # As apt does it where nobody can be asked: what the owner has changed stays.
    return root.run("dpkg", "--force-confdef", "--force-confold", "-i", f"/{package.name}")


def access(path):
    status = path.stat()
    return stat.filemode(status.st_mode), status.st_uid, status.st_gid


def held(root):
    status = json.loads(root.run("tidegate", "status", "--json", "-c", CONFIG).stdout)
    assert all(stream["balanced"] for stream in status["streams"])
    return status["backlog"]["records"]


@pytest.mark.parametrize("root", ["bookworm", "trixie"], indirect=True)
def test_from_the_first_installation_to_the_purge(root, packages):
    first, later = packages
    install(root, first)
    uid, gid = expect_installed(root)
    expect_version(root, VERSION)

    config = root.path / CONFIG.lstrip("/")
    port = change(config)
    mine = config.read_text()
    records = take_in(root, port)
    assert held(root) == records

    install(root, later)
    assert config.read_text() == mine
    assert access(config) == ("-rw-r-----", 0, gid)
    assert "# What is new." in config.with_name("gateway.toml.dpkg-dist").read_text()
    # The later version opens what the earlier one has written, and goes on with it.
    assert take_in(root, port) + records == held(root)

    root.run("dpkg", "-r", "tidegate")
    assert config.read_text() == mine
    for gone in ("usr/bin/tidegate", "usr/lib/tidegate", "usr/lib/systemd/system/tidegate.service"):
        assert not (root.path / gone).exists()

    done = root.run("dpkg", "-P", "tidegate")
    assert "/var/lib/tidegate stays" in done.stdout
    assert not (root.path / "etc/tidegate").exists()
    assert not (root.path / LINK).is_symlink()
    data = root.path / "var/lib/tidegate"
    assert access(data) == ("drwx------", uid, gid)

    # Who comes back finds what was acknowledged.
    install(root, first)
    assert held(root) == 2 * records


def expect_installed(root):
    """Look at users, modes and links; return the numbers of the user."""
    line = next(
        line for line in (root.path / "etc/passwd").read_text().splitlines() if "tidegate" in line
    )
    assert line.endswith(":Tidegate:/var/lib/tidegate:/usr/sbin/nologin")
    uid, gid = map(int, line.split(":")[2:4])
    assert access(root.path / "var/lib/tidegate") == ("drwx------", uid, gid)
    assert access(root.path / "etc/tidegate") == ("drwxr-x---", 0, gid)
    assert access(root.path / CONFIG.lstrip("/")) == ("-rw-r-----", 0, gid)
    assert (root.path / LINK).is_symlink()
    assert not (root.path / LINK.replace("tidegate.", "tidegate-hub.")).is_symlink()
    # All that was packed is there as it was packed.
    assert root.run("dpkg", "--verify", "tidegate").stdout == ""
    return uid, gid


def expect_version(root, version):
    done = root.run("tidegate", "version", "--json")
    told = json.loads(done.stdout)
    assert (told["version"], told["form"]) == (version, "folder")


def change(config):
    """Change the configuration as its owner would; return the port for devices."""
    port, status = free_port(), free_port()
    text = config.read_text().replace('"mqtt://127.0.0.1:1883"', f'"mqtt://127.0.0.1:{port}"')
    config.write_text(f'{text}\n[status]\nurl = "http://127.0.0.1:{status}"\n')
    return port


def take_in(root, port, messages=500):
    """Let the installed gateway take in messages and be killed; return how many it acknowledged."""
    gateway = root.start("tidegate", "run", "-c", CONFIG, user="tidegate")
    try:
        with Publisher(port, "p1", messages=messages, with_identity=False) as publisher:
            return publisher.wait()
    finally:
        gateway.kill()
        gateway.wait()


def test_purge_takes_a_folder_in_which_nothing_is(root, packages):
    install(root, packages[0])
    done = root.run("dpkg", "-P", "tidegate")
    assert "stays" not in done.stdout
    assert not (root.path / "var/lib/tidegate").exists()


def test_a_host_with_the_one_binary_is_refused(root, packages):
    current = root.path / "usr/local/lib/tidegate/current"
    current.parent.mkdir(parents=True)
    current.write_text("program")
    done = root.run("dpkg", "-i", f"/{packages[0].name}", code=1)
    assert "run tidegate uninstall first" in done.stderr
    assert not (root.path / "usr/lib/tidegate/tidegate").exists()


def test_lintian_has_nothing_against_it(packages):
    lintian = shutil.which("lintian")
    if lintian is None:
        pytest.skip("there is no lintian")
    # For these tests alone it is not compressed.
    tags = ",".join(f"uses-no-compression-for-{part}-tarball" for part in ("control", "data"))
    command = [lintian, "--allow-root", "--suppress-tags", tags]
    command += ["--fail-on", "error,warning", packages[0]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
