"""Passwords are checked slowly, remembered safely, and the file of users is never half written."""

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from tidegate_linux.endpoint.access.users import Users, UsersError, new_verifier


@pytest.fixture
def users(tmp_path):
    return Users(tmp_path / "users")


def test_a_user_comes_in_with_the_right_password_only(users):
    assert users.add("anna", b"right")
    assert not users.add("anna", b"new"), "a new password makes no new user"
    fresh = Users(users.path)
    assert not fresh.check("anna", b"new"), "nobody until the file is read"
    fresh.load()
    assert fresh.names() == ["anna"]
    for _ in range(2):
        assert fresh.check("anna", b"new")
        assert not fresh.check("anna", b"right")
        assert not fresh.check("otto", b"new")
        assert not fresh.check("", b"")


def test_the_file_holds_no_password_and_is_its_owners_alone(users):
    users.path.touch(0o644)
    users.add("anna", b"canary-7f3a")
    assert b"canary" not in users.path.read_bytes()
    assert users.path.read_text().startswith("anna:scrypt$16384$8$1$")
    assert users.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in users.path.parent.iterdir()] == ["users"]


def test_the_hash_is_scrypts_as_others_compute_it(users):
    # RFC 7914, 12: scrypt ("pleaseletmein", "SodiumChloride", 16384, 8, 1), 64 bytes.
    users.path.write_text(
        "anna:scrypt$16384$8$1$U29kaXVtQ2hsb3JpZGU=$"
        "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw==\n"
    )
    users.load()
    assert users.check("anna", b"pleaseletmein")


def test_a_reconnect_costs_no_second_hash(users):
    users.add("anna", b"right")
    assert users.check("anna", b"right")
    started = time.perf_counter()
    for _ in range(100):
        assert users.check("anna", b"right")
    assert time.perf_counter() - started < 0.05, "a hundred of them cost less than one hash"


def test_what_is_remembered_ends_with_the_password_and_the_user(users):
    running = Users(users.path)
    users.add("anna", b"old")
    users.add("otto", b"old")
    running.load()
    assert running.check("anna", b"old")
    assert running.check("otto", b"old")
    users.add("anna", b"new")
    users.remove("otto")
    running.load()
    assert not running.check("anna", b"old")
    assert not running.check("otto", b"old")
    assert running.check("anna", b"new")


def test_an_unknown_name_takes_as_long_as_a_wrong_password(users):
    users.add("anna", b"right")
    durations_s = []
    for name in ("anna", "otto"):
        started = time.process_time()
        users.check(name, b"wrong")
        durations_s.append(time.process_time() - started)
    assert 0.3 < durations_s[0] / durations_s[1] < 3


def test_comments_and_order_survive_every_change(users):
    line = f"zoe:{new_verifier(b'x')}"
    users.path.write_text(f"# people\n\n{line}\n#end")
    users.add("anna", b"a")
    users.add("anna", b"b")
    text = users.path.read_text()
    assert text.startswith(f"# people\n\n{line}\n#end\nanna:scrypt$")
    assert users.remove("anna")
    assert users.path.read_text() == f"# people\n\n{line}\n#end\n"
    assert not users.remove("anna")


GOOD = "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "="


@pytest.mark.parametrize(
    "line",
    [
        "canary",
        "anna:canary",
        f":{GOOD}",
        f"anna:{GOOD}$x",
        f"anna:{GOOD.replace('16384', '16383')}",
        f"anna:{GOOD.replace('16384', '16777216')}",
        f"anna:{GOOD.replace('$8$1$', '$8$1000000$')}",
        f"anna:{GOOD.replace('$8$', '$-8$')}",
        f"anna:{GOOD.replace('scrypt', 'bcrypt')}",
        f"anna:{GOOD[:-24]}",
        "anna:scrypt$16384$8$1$!$!",
        f"zoe:{GOOD}",
        b"\xff:x",
    ],
)
def test_a_line_that_is_not_understood_is_refused_by_its_number_and_kept(users, line):
    line = line if isinstance(line, bytes) else line.encode()
    content = f"# one\nzoe:{GOOD}\n".encode() + line + b"\n"
    users.path.write_bytes(content)
    for act in (users.load, lambda: users.add("otto", b"x"), lambda: users.remove("zoe")):
        with pytest.raises(UsersError) as caught:
            act()
        assert "line 3" in caught.value.what
        assert "canary" not in caught.value.what + caught.value.hint
        assert caught.value.hint
    assert users.path.read_bytes() == content


def test_a_bad_file_leaves_the_users_that_were(users):
    users.add("anna", b"right")
    users.path.write_text("garbage\n")
    with pytest.raises(UsersError):
        users.load()
    assert users.check("anna", b"right")


@pytest.mark.parametrize("name", ["", "a:b", "#a", " a", "a\n", "a\x00", "é" * 200, "\ud800"])
def test_a_name_that_cannot_be_written_is_refused(users, name):
    with pytest.raises(UsersError):
        users.add(name, b"x")
    assert not users.path.exists()


def test_an_empty_password_is_refused(users):
    with pytest.raises(UsersError):
        users.add("anna", b"")


def test_a_folder_that_is_missing_is_made_for_its_owner_alone(tmp_path):
    users = Users(tmp_path / "deep" / "data" / "users")
    assert users.add("anna", b"secret")
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700


def test_what_a_power_cut_left_is_in_nobodys_way(users):
    users.path.with_name("users.new").write_text("half a li")
    assert users.add("anna", b"x")
    assert not users.path.with_name("users.new").exists()


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Users(tmp_path / "link").add("anna", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").exists()


def test_commands_at_once_lose_nobody(users):
    program = (
        "import sys; from tidegate_linux.endpoint.access.users import Users;"
        "Users(sys.argv[1]).add(sys.argv[2], b'x')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(users.path), f"u{number}"], env=environment
        )
        for number in range(4)
    ]
    threads = [
        threading.Thread(target=Users(users.path).add, args=(f"t{number}", b"x"))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.wait(30) for child in children] == [0] * 4
    users.load()
    assert sorted(users.names()) == [f"{kind}{n}" for kind in "tu" for n in range(4)]
