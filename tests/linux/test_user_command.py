"""`tidegate user` writes the file that the configuration names."""

import pytest
from click.testing import CliRunner

from tidegate_linux.cli import commands
from tidegate_linux.endpoint.access.users import Users, UsersError

CONFIG = '[node]\ndata = "."\n[[source]]\ntype = "listen"\nurl = "mqtt://127.0.0.1"\n'


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)

    def run(*arguments, input=None):
        command = ["user", *arguments, "-c", str(path)]
        return CliRunner().invoke(commands, command, input=input)

    return run


def knows(tmp_path, name, password):
    users = Users(tmp_path / "users")
    users.load()
    return users.check(name, password)


def test_a_user_is_added_listed_and_removed(run, tmp_path):
    result = run("add", "anna", "--password-stdin", input="secret\n")
    assert (result.exit_code, "added anna" in result.output) == (0, True), result.output
    assert knows(tmp_path, "anna", b"secret")
    result = run("add", "anna", "--password-stdin", input="other")
    assert "changed anna" in result.output
    assert knows(tmp_path, "anna", b"other")
    assert run("list").output == "anna\n"
    assert "removed anna" in run("remove", "anna").output
    assert run("list").output == ""


def test_a_password_is_asked_for_twice_and_not_shown(run, tmp_path):
    result = run("add", "anna", input="canary-1\ncanary-2\ncanary-3\ncanary-3\n")
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert knows(tmp_path, "anna", b"canary-3")


def test_what_goes_wrong_is_told_with_a_hint(run, tmp_path):
    for arguments, given, words in (
        (("remove", "otto"), None, "nobody is called that"),
        (("add", "a:b", "--password-stdin"), "x", "has a colon in it"),
        (("add", "anna", "--password-stdin"), "", "the password has 0 bytes"),
        (("add", "anna", "--password-stdin"), "a\nb\n", "more than one line"),
    ):
        result = run(*arguments, input=given)
        assert isinstance(result.exception, UsersError), result.output
        assert words in result.exception.what
        assert result.exception.hint
    assert not (tmp_path / "users").exists()


def test_the_first_user_can_be_added_before_the_first_start(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.replace('data = "."', 'data = "deep/data"'))
    command = ["user", "add", "anna", "--password-stdin", "-c", str(path)]
    result = CliRunner().invoke(commands, command, input="secret")
    assert result.exit_code == 0, result.output
    assert knows(tmp_path / "deep" / "data", "anna", b"secret")
