"""An update of the one file under the shipped unit, by a real systemd: what that forbids counts.

Two builds of this checkout, which say different versions. The guest's processor is emulated: each
start of a one file takes half a minute, and what is proved must hold for one.
"""

import base64
import re

import pytest

from fixtures.binary import built, built_as
from fixtures.releases import KEY, manifest_of, release_of
from fixtures.systemd_vm import need_systemd_vm, systemd_vm
from tidegate.version import VERSION

pytestmark = [pytest.mark.slow, pytest.mark.delivery]
NEXT = "99.0.0"
KEYS = "/usr/local/lib/tidegate/keys"
UPDATE_S = 900.0


def test_an_update_proves_itself_under_the_unit(tmp_path):
    need_systemd_vm()
    program, following = built().one_file, built_as(NEXT).one_file
    floor = re.search(r"glibc(\d)(\d+)", following.name)
    payload = following.read_bytes()
    manifest = manifest_of(payload, NEXT, glibc=f"{floor[1]}.{floor[2]}", platform="linux/amd64")
    assert manifest.name == following.name
    files = {
        f"/root/{program.name}": program,
        "/root/next.update": release_of(manifest, payload),
        "/root/test.pub": base64.b64encode(KEY.public) + b"\n",
    }
    with systemd_vm(tmp_path, files) as vm:
        vm.run(f"/root/{program.name} install", UPDATE_S)
        vm.run(f"install -d -m 755 {KEYS} && install -m 644 /root/test.pub {KEYS}/")
        code, said = vm.attempt("tidegate update /root/next.update", UPDATE_S)
        assert code == 0, said + vm.run("journalctl --no-pager -o cat -u tidegate -n 40")
        assert "is kept, proved by: no-hub" in said
        assert NEXT in vm.run("tidegate version")
        vm.run("systemctl is-active -q tidegate")
        # Nobody but the service's user has written what it proved.
        owner = "stat -c %U /var/lib/tidegate/update/progress"
        assert vm.run(owner).strip() == "tidegate"
        # And back by hand, to the program that ran before.
        said = vm.run("tidegate update --back", UPDATE_S)
        assert f"{program.name} is put back" in said
        assert VERSION in vm.run("tidegate version")
