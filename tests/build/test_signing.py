"""The maker's side of updates: keys and release files, by the commands of docs/updates.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.version import VERSION
from tidegate_linux.journal.schema import READABLE

SCRIPT = Path(__file__).resolve().parents[2] / "build" / "signing.py"
NAME = f"tidegate-{VERSION}-linux-glibc236-arm64"


def signing(*arguments, **environment):
    plain = {name: value for name, value in os.environ.items() if "SIGNING" not in name}
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**plain, **environment},
    )


@pytest.fixture
def keys(tmp_path):
    secret, public = tmp_path / "release.secret", tmp_path / "release.pub"
    made = signing("new-key", secret, public)
    assert made.returncode == 0, made.stderr
    return secret, public


@pytest.fixture
def program(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(os.urandom(100_000))
    return path


def test_a_release_is_made_and_read_back(keys, program):
    secret, public = keys
    made = signing("sign", program, TIDEGATE_SIGNING_KEY_FILE=str(secret))
    assert made.stdout.strip() == f"{program}.update", made.stderr
    shown = signing("verify", f"{program}.update", public)
    assert shown.returncode == 0, shown.stderr
    assert "signed by release (" in shown.stdout
    for line in (f"version: {VERSION}", "platform: linux/arm64", "glibc: 2.36", f"name: {NAME}"):
        assert line in shown.stdout
    assert f"journal_reads: {READABLE}" in shown.stdout


def test_the_secret_is_for_its_owner_only_and_never_overwritten(keys):
    secret, public = keys
    assert secret.stat().st_mode & 0o777 == 0o600
    before = secret.read_bytes()
    assert signing("new-key", secret, public).returncode != 0
    assert secret.read_bytes() == before
    assert before.strip() not in public.read_bytes()


def test_the_secret_is_taken_for_no_public_key_nor_the_other_way_round(keys, program):
    secret, public = keys
    shown = signing("verify", f"{program}.update", secret)
    assert f"{secret} is a secret key" in shown.stderr
    made = signing("sign", program, TIDEGATE_SIGNING_KEY_FILE=str(public))
    assert "holds the public key" in made.stderr


def test_what_is_missing_is_one_line(keys, program, tmp_path):
    secret, public = keys
    none = tmp_path / "none"
    signed_by = {"TIDEGATE_SIGNING_KEY_FILE": str(secret)}
    for done in (
        signing("new-key", none / "a", none / "b"),
        signing("new-key", tmp_path / "other.secret", public),
        signing("sign", program, TIDEGATE_SIGNING_KEY_FILE=str(none)),
        signing("sign", none / NAME, **signed_by),
        signing("verify", none, public),
        signing("verify", program, none),
    ):
        assert done.returncode != 0
        assert done.stderr.startswith("Error: ")
        assert len(done.stderr.splitlines()) == 1
    # No half of a pair is left.
    assert not (tmp_path / "other.secret").exists()


def test_the_secret_may_come_as_text(keys, program):
    made = signing("sign", program, TIDEGATE_SIGNING_KEY=keys[0].read_text())
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(
    "environment", [{}, {"TIDEGATE_SIGNING_KEY": "AAAA"}, {"TIDEGATE_SIGNING_KEY": "no base64!"}]
)
def test_without_a_good_secret_nothing_is_made(program, environment):
    made = signing("sign", program, **environment)
    assert made.returncode != 0
    assert not Path(f"{program}.update").exists()


def test_a_program_of_another_version_is_not_signed(keys, program):
    other = program.rename(program.with_name("tidegate-9.9.9-linux-glibc236-arm64"))
    made = signing("sign", other, TIDEGATE_SIGNING_KEY_FILE=str(keys[0]))
    assert made.returncode != 0
    assert "no program of version" in made.stderr


def test_another_key_does_not_verify(keys, program, tmp_path):
    signing("sign", program, TIDEGATE_SIGNING_KEY_FILE=str(keys[0]))
    signing("new-key", tmp_path / "other.secret", tmp_path / "other.pub")
    shown = signing("verify", f"{program}.update", tmp_path / "other.pub")
    assert shown.returncode != 0
    assert "no key that this program trusts" in shown.stderr
