"""Both ways of installing under a real systemd: what is started, what goes on, what stops.

One guest for all of them, in the order in which they stand here.
"""

import json
import sys

import pytest

from fixtures.binary import built
from fixtures.gateway import ROOT
from fixtures.systemd_vm import need_systemd_vm, systemd_vm
from tidegate.version import VERSION

sys.path.insert(0, str(ROOT / "build"))
try:
    import deb
finally:
    sys.path.remove(str(ROOT / "build"))

pytestmark = [pytest.mark.slow, pytest.mark.delivery]
NEXT = "99.0.0"
CONFIG = "/etc/tidegate/gateway.toml"
INSTALL_S = 240.0  # The guest's processor is emulated, and the one binary unpacks itself.


@pytest.fixture(scope="module")
def vm(tmp_path_factory):
    need_systemd_vm()
    program = built()
    out = tmp_path_factory.mktemp("packages")
    packages = {
        version: deb.build(program.archive, out, version, "none") for version in (VERSION, NEXT)
    }
    files = {
        "/root/first.deb": packages[VERSION],
        "/root/next.deb": packages[NEXT],
        f"/root/{program.one_file.name}": program.one_file,
    }
    with systemd_vm(tmp_path_factory.mktemp("guest"), files) as guest:
        yield guest


def states(vm):
    """Return what systemd says of the service: whether it runs, and starts at boot."""
    words = [vm.attempt(f"systemctl {verb} tidegate")[1] for verb in ("is-active", "is-enabled")]
    return [word.split()[-1] for word in words]


def publish(vm):
    vm.run("mosquitto_pub -h 127.0.0.1 -q 1 -t site/a -m 1")


def held(vm):
    text = vm.run(f"tidegate status --json -c {CONFIG}")
    (stream,) = json.loads(text[text.index("{") :])["streams"]
    assert stream["balanced"]
    return stream["held"]


def test_the_package_runs_as_soon_as_it_is_installed(vm):
    vm.run("dpkg -i /root/first.deb", INSTALL_S)
    assert states(vm) == ["active", "enabled"]
    assert vm.attempt("systemctl is-active tidegate-hub")[1].split()[-1] == "inactive"
    publish(vm)
    assert held(vm) == 1


def test_an_upgrade_goes_on_with_what_is_held(vm):
    before = vm.run("systemctl show -P MainPID tidegate")
    vm.run("dpkg -i /root/next.deb", INSTALL_S)
    assert states(vm) == ["active", "enabled"]
    assert vm.run("systemctl show -P MainPID tidegate") != before
    publish(vm)
    assert held(vm) == 2


def test_what_the_owner_has_disabled_stays_so_over_an_upgrade(vm):
    vm.run("systemctl disable --now tidegate")
    vm.run("dpkg -i --force-downgrade /root/first.deb", INSTALL_S)
    assert states(vm) == ["inactive", "disabled"]
    vm.run("systemctl enable --now tidegate")
    assert held(vm) == 2


def test_a_package_that_is_removed_stops(vm):
    vm.run("dpkg -r tidegate", INSTALL_S)
    assert vm.attempt("pgrep -u tidegate")[0] == 1
    assert "/var/lib/tidegate stays" in vm.run("dpkg -P tidegate")


def test_the_one_binary_installs_itself_and_finds_what_the_package_held(vm):
    said = vm.run("sh -c '/root/tidegate-*-linux-* install'", INSTALL_S)
    assert "is installed; systemd runs it" in said
    assert states(vm) == ["active", "enabled"]
    publish(vm)
    assert held(vm) == 3
    before = vm.run("systemctl show -P MainPID tidegate")
    again = vm.run("sh -c '/root/tidegate-*-linux-* install'", INSTALL_S)
    assert "nothing had to be done" in again
    assert vm.run("systemctl show -P MainPID tidegate") == before


def test_a_change_of_the_unit_is_mended_and_a_stopped_service_started(vm):
    vm.run("systemctl stop tidegate; echo '#' >> /etc/systemd/system/tidegate.service")
    said = vm.run("tidegate install", INSTALL_S)
    assert "write /etc/systemd/system/tidegate.service" in said
    assert states(vm) == ["active", "enabled"]


def test_uninstall_stops_it_and_leaves_what_was_acknowledged(vm):
    said = vm.run("tidegate uninstall", INSTALL_S)
    assert "/var/lib/tidegate stays" in said
    assert vm.attempt("pgrep -u tidegate")[0] == 1
    assert vm.attempt("systemctl cat tidegate")[0] != 0
    for gone in ("/usr/local/bin/tidegate", "/usr/local/lib/tidegate"):
        assert vm.attempt(f"test -e {gone}")[0] == 1
    vm.run("sh -c '/root/tidegate-*-linux-* install --no-start'", INSTALL_S)
    assert states(vm) == ["inactive", "enabled"]
    assert held(vm) == 3


def test_purge_says_how_much_is_lost(vm):
    question = vm.run("echo n | tidegate uninstall --purge; true", INSTALL_S)
    assert "in which 3 records are held" in question
    vm.run("tidegate uninstall --purge --yes", INSTALL_S)
    for gone in ("/etc/tidegate", "/var/lib/tidegate"):
        assert vm.attempt(f"test -e {gone}")[0] == 1
