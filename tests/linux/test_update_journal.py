"""A journal's files that the gateway's user has replaced: who looks at them as root never hangs."""

import os
import subprocess
import sys

import pytest

from fixtures.releases import ROOT
from tidegate_linux.journal.sqlite import open_journal

LOOKS = """
import sys
from pathlib import Path
from tidegate_linux.check.machine import check_journal
from tidegate_linux.journal.sqlite import journal_format, read_state
for look in (check_journal, read_state, journal_format):
    try:
        print(look(Path(sys.argv[1])))
    except Exception as error:
        print(error)
"""
ANSWER_S = 20


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "folder"])
def test_what_is_no_file_is_named(tmp_path, suffix, kind):
    open_journal(tmp_path, ["main"], limit_bytes=50_000_000).close()
    path = tmp_path / f"journal.db{suffix}"
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, tmp_path],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'platforms'}:{ROOT / 'core'}"},
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
        check=False,
    )
    assert done.stdout.count(f"{path} is no regular file") == 3, done.stdout + done.stderr
