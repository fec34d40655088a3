"""Files that are put in place where the service's unit forbids to change owners."""

import os
import shutil
import subprocess
import sys

import pytest

from fixtures.releases import ROOT
from tidegate_linux.durable import Owner, write_file

# What SystemCallFilter=~@privileged with SystemCallErrorNumber=EPERM does to these.
CALLS = "?chown,fchown,?lchown,fchownat"
FORBIDDING = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:error=EPERM"]
WRITES = """
import os, sys
from pathlib import Path
from tidegate_linux.durable import Owner, write_file
write_file(Path(sys.argv[1]), b"x", 0o640, Owner(os.geteuid(), os.getegid() + int(sys.argv[2])))
"""


@pytest.mark.parametrize(("is_another", "code"), [(0, 0), (1, 1)])
def test_who_owns_a_file_already_needs_no_chown(tmp_path, is_another, code):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    path = tmp_path / "progress"
    done = subprocess.run(
        [*FORBIDDING, sys.executable, "-c", WRITES, path, str(is_another)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "platforms")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert path.exists() == (not is_another)
    assert ("PermissionError" in done.stderr) == bool(is_another)


def test_another_owner_gets_the_file(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    write_file(tmp_path / "given", b"x", 0o600, Owner(65534, 65534))
    found = (tmp_path / "given").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65534, 0o600)
