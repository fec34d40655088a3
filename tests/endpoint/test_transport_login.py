"""Logins at the endpoint: right, wrong, too many; users read again; nothing secret in the log."""

import time

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Listening
from tidegate_linux.endpoint.access.users import Users

SECRET = b"canary-5e1f"


@pytest.fixture
def site(tmp_path):
    Users(tmp_path / "users").add("ann", SECRET)
    with Listening(tmp_path, listener="anonymous = false") as running:
        yield running
        assert SECRET.decode() not in repr(running.reports.all)
        assert "wrong-" not in repr(running.reports.all)


def attempt(site, username, password, client_id="a"):
    """Return the reason code of CONNACK."""
    with site.open() as sock:
        sock.sendall(codec.connect(client_id, username=username, password=password))
        data = sock.recv(1000)
        packets, _ = codec.decode(data, 5)
        return packets[0].reason


def test_the_right_password_comes_in(site):
    assert attempt(site, "ann", SECRET) == 0
    site.wait(lambda: site.reports.of("client_connected"))
    assert site.reports.of("client_connected")[0]["user"] == "ann"


def test_wrong_ones_and_none_do_not(site):
    assert attempt(site, "ann", b"wrong-1") == 0x86
    assert attempt(site, "bob", SECRET) == 0x86
    with site.open() as sock:
        sock.sendall(codec.connect("a"))
        assert codec.decode(sock.recv(1000), 5)[0][0].reason == 0x87
    assert [report["user"] for report in site.reports.of("login_refused")] == ["ann", "bob"]
    site.wait(lambda: site.figures()["logins_refused_total"] == 2)


def test_an_address_that_guesses_is_refused_without_a_check(tmp_path):
    Users(tmp_path / "users").add("ann", SECRET)
    lines = "login_failures_per_minute = 3"
    with Listening(tmp_path, listener="anonymous = false", endpoint=lines) as site:
        for number in range(3):
            assert attempt(site, "ann", b"wrong-%d" % number) == 0x86
        began = time.process_time()
        for _ in range(10):
            assert attempt(site, "ann", SECRET) == 0x86
        assert time.process_time() - began < 0.2
        assert "too many" in site.reports.of("login_refused")[-1]["reason"]


def test_logins_at_once_hold_up_nobody_else(site):
    first = site.client("first", username="ann", password=SECRET)
    socks = [site.open() for _ in range(8)]
    for number, sock in enumerate(socks):
        sock.sendall(codec.connect(f"c{number}", username=f"u{number}", password=b"wrong-x"))
    began = time.monotonic()
    first.ping()
    assert time.monotonic() - began < 0.5
    for sock in socks:
        assert codec.decode(sock.recv(1000), 5)[0][0].reason == 0x86


def test_a_client_that_leaves_while_its_login_is_judged_leaves_nothing(site):
    sock = site.open()
    sock.sendall(codec.connect("a", username="bob", password=b"wrong-x"))
    sock.close()
    site.wait(lambda: site.reports.of("login_refused"))
    site.wait(lambda: site.figures()["sockets"] == 0)


def test_users_are_read_again(site, tmp_path):
    Users(tmp_path / "users").add("bob", b"new-one")
    assert attempt(site, "bob", b"new-one") == 0x86
    site.source.reload()
    site.wait(lambda: site.reports.of("listeners_reloaded"))
    assert attempt(site, "bob", b"new-one") == 0


def test_a_broken_users_file_leaves_the_users_that_were(site, tmp_path):
    (tmp_path / "users").write_text("nonsense")
    site.source.reload()
    site.wait(lambda: site.reports.of("users_kept"))
    assert attempt(site, "ann", SECRET) == 0


def test_where_nobody_has_a_name_an_anonymous_listener_takes_any(tmp_path):
    with Listening(tmp_path, listener="anonymous = true") as site:
        assert attempt(site, "ann", b"whatever") == 0
        site.wait(lambda: site.reports.of("client_connected"))
        # It proves nothing, so it counts for nothing.
        assert site.reports.of("client_connected")[0]["user"] == ""


def test_an_anonymous_listener_still_checks_a_name_where_there_are_users(tmp_path):
    Users(tmp_path / "users").add("ann", SECRET)
    with Listening(tmp_path, listener="anonymous = true") as site:
        assert attempt(site, "ann", b"wrong-1") == 0x86
        assert attempt(site, "ann", SECRET, "b") == 0


def test_a_users_file_that_cannot_be_read_lets_no_name_in(tmp_path):
    (tmp_path / "users").write_text("not a line of users\n")
    with Listening(tmp_path, listener="anonymous = true") as site:
        assert attempt(site, "ann", SECRET) == 0x86


def test_who_is_known_comes_in_though_others_guess(site):
    assert attempt(site, "ann", SECRET) == 0
    socks = [site.open() for _ in range(40)]
    for number, sock in enumerate(socks):
        sock.sendall(codec.connect(f"c{number}", username=f"u{number}", password=b"wrong-x"))
    began = time.monotonic()
    site.client("again", username="ann", password=SECRET)
    assert time.monotonic() - began < 0.5
