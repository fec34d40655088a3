"""A configuration file on Linux is read, or refused with one error that says what to do."""

import os
import socket
from pathlib import Path

import pytest

from fixtures.configs import CANARY, NODE, SOURCE, UPLINK, refusal, writer
from tidegate.config.checks import check_name
from tidegate_linux.config import CONFIG_BYTES_MAX, host_name, load_gateway, load_hub


@pytest.fixture
def write(tmp_path):
    return writer(tmp_path)


def test_the_smallest_gateway_gets_the_host_name(write):
    settings, warnings = load_gateway(write(SOURCE))
    assert settings.node.name == host_name()
    assert settings.sources[0].client_id == f"tidegate-{host_name()}-1"
    assert warnings == ["uplink: is missing; messages are held and go nowhere"]


def test_the_host_name_can_name_a_node():
    check_name(host_name())
    assert host_name().startswith(socket.gethostname()[:1])


def test_a_mark_at_the_beginning_and_windows_line_ends_do_no_harm(write):
    settings, _ = load_gateway(write("\ufeff" + SOURCE.replace("\n", "\r\n")))
    assert settings.sources[0].topics == ("site/#",)


def test_a_path_may_begin_at_the_credentials_of_a_service(write, tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "given"))
    write(CANARY, "given/tidegate.token")
    key = 'token_file = "$CREDENTIALS_DIRECTORY/tidegate.token"\n'
    settings, _ = load_gateway(write(SOURCE + UPLINK + key))
    assert settings.uplink.token.reveal() == CANARY
    settings, _ = load_hub(write("[hub]\n" + NODE + key))
    assert settings.nodes[0].token.reveal() == CANARY


def test_without_credentials_the_hint_says_who_gives_them(write, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    key = 'token_file = "$CREDENTIALS_DIRECTORY/tidegate.token"\n'
    what, hint = refusal(load_gateway, write(SOURCE + UPLINK + key))
    assert "$CREDENTIALS_DIRECTORY/tidegate.token cannot be read" in what
    assert "systemd sets that variable" in hint


def test_relative_paths_begin_at_the_file(write, tmp_path, monkeypatch):
    write("ca", "ca.pem")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    tls = SOURCE.replace("mqtt://", "mqtts://") + 'ca_file = "ca.pem"\n'
    write(tls + '[node]\ndata = "data"\n')
    settings, _ = load_gateway("../tidegate.toml")
    assert Path(settings.node.data).resolve() == tmp_path / "data"
    assert Path(settings.sources[0].ca_file).resolve() == tmp_path / "ca.pem"


def test_the_default_folder_is_absolute(write):
    assert load_gateway(write(SOURCE))[0].node.data == "/var/lib/tidegate"


def test_absolute_paths_stay(write):
    settings, _ = load_gateway(write(SOURCE + '[node]\ndata = "/srv/tide"\n'))
    assert settings.node.data == "/srv/tide"


def test_the_hub_database_stays_as_it_is_written(write):
    text = "[hub]\n" + NODE + f'token = "{CANARY}"\n'
    assert load_hub(write(text))[0].database.reveal() == "sqlite:///hub.db"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_token_comes_from_a_file(write, end):
    write(CANARY + end, "token")
    settings, warnings = load_gateway(write(SOURCE + UPLINK + 'token_file = "token"\n'))
    assert settings.uplink.token.reveal() == CANARY
    assert warnings == []
    assert CANARY not in repr(settings)


def test_a_token_comes_from_the_environment(write, monkeypatch):
    monkeypatch.setenv("TIDE_TOKEN", CANARY)
    settings, _ = load_gateway(write(SOURCE + UPLINK + 'token_env = "TIDE_TOKEN"\n'))
    assert settings.uplink.token.reveal() == CANARY


def test_a_password_comes_from_a_file_or_the_environment(write, monkeypatch):
    write("pass word\n", "password")
    monkeypatch.setenv("TIDE_PASSWORD", CANARY)
    user = 'username = "u"\n'
    text = SOURCE + user + 'password_file = "password"\n'
    text += SOURCE + user + 'password_env = "TIDE_PASSWORD"\n'
    sources = load_gateway(write(text))[0].sources
    assert [source.password.reveal() for source in sources] == ["pass word", CANARY]


def test_the_tokens_of_the_hub_come_from_anywhere(write, monkeypatch):
    write("token-of-a-9b1c52e8\n", "token")
    monkeypatch.setenv("TIDE_TOKEN", "token-of-b-9b1c52e8")
    node = NODE.replace('"a"', '"{}"')
    text = node.format("a") + 'token_file = "token"\n'
    text += node.format("b") + 'token_env = "TIDE_TOKEN"\n'
    text += node.format("c") + f'token_hash = "sha256:{"0a" * 32}"\n'
    settings, warnings = load_hub(write(text))
    assert [node.token.reveal() for node in settings.nodes] == [
        "token-of-a-9b1c52e8",
        "token-of-b-9b1c52e8",
        "",
    ]
    assert warnings == []


def test_status_reads_no_secret(write):
    settings, warnings = load_gateway(
        write(SOURCE + UPLINK + 'token_file = "not there"\n'), secrets=False
    )
    assert str(settings.status.url) == "http://127.0.0.1:9180"
    assert warnings == []


def exposed(path):
    return f"{path}: holds a secret and every user can read it; run chmod o-r {path}"


@pytest.mark.parametrize(
    ("secret", "warned"),
    [
        ("", False),
        ('username = "u"\n', False),
        (f'username = "u"\npassword = "{CANARY}"\n', True),
    ],
)
def test_a_readable_file_with_a_secret_in_it_is_warned_about(write, secret, warned):
    path = write(SOURCE + secret, mode=0o644)
    assert (exposed(path) in load_gateway(path)[1]) == warned
    path = write(SOURCE + secret, mode=0o640)
    assert exposed(path) not in load_gateway(path)[1]


def test_a_secret_in_a_url_counts_as_one(write):
    path = write(SOURCE.replace("//", f"//u:{CANARY}@"), mode=0o644)
    assert exposed(path) in load_gateway(path)[1]
    token = f'token_hash = "sha256:{"0a" * 32}"\n'
    path = write(f'[hub]\ndatabase = "postgresql://u:{CANARY}@h/d"\n' + NODE + token, mode=0o644)
    assert load_hub(path)[1] == [exposed(path)]
    path = write('[hub]\ndatabase = "postgresql://u@h/d"\n' + NODE + token, mode=0o644)
    assert load_hub(path)[1] == []


def test_a_readable_secret_file_is_warned_about_once(write):
    token = write(CANARY, "token", mode=0o644)
    path = write(SOURCE + UPLINK + 'token_file = "token"\n')
    assert load_gateway(path)[1] == [exposed(token)]


def test_a_readable_private_key_is_warned_about(write):
    for name in ("cert.pem", "key.pem"):
        write("pem", name, mode=0o644)
    tls = SOURCE.replace("mqtt://", "mqtts://")
    tls += 'cert_file = "cert.pem"\nkey_file = "key.pem"\n'
    path = write(tls)
    assert exposed(path.parent / "key.pem") in load_gateway(path)[1]
    assert exposed(path.parent / "cert.pem") not in load_gateway(path)[1]


def test_unwise_settings_are_warned_about(write):
    text = SOURCE.replace("127.0.0.1", "broker.example") + UPLINK + f'token = "{CANARY}"\n'
    (warning,) = load_gateway(write(text))[1]
    assert warning.startswith("source[0].url: sends messages and the login to broker.example")


# What is in the file, and how the error goes on after the file's name.
UNREADABLE = (
    (b"\xff", "line 1: is not UTF-8"),
    (b'[node]\nname = "\xe9"\n', "line 2: is not UTF-8"),
    ("name = site", "line 1, column 8: invalid value"),
    ('name = "site', "end of document: "),
    ("[node]\nname\n", "line 2, column 5: expected '='"),
    ("[node", "end of document: expected ']'"),
    ("[node]\nname = 1\nname = 2\n", "line 3, column 9: cannot overwrite a value"),
    ("a = 2026-02-31\n", "line 1, column 5: invalid date"),
    ("\0", "line 1, column 1: invalid statement"),
    ("a = " + "9" * 5000, "cannot be read as TOML (ValueError)"),
    ("a = " + "[" * 20000, "cannot be read as TOML (RecursionError)"),
    ("#" * (CONFIG_BYTES_MAX + 1), "has more than 1048576 bytes"),
)


@pytest.mark.parametrize(("content", "expected"), UNREADABLE, ids=[row[1] for row in UNREADABLE])
def test_a_file_that_is_not_toml_says_where(write, content, expected):
    what, _ = refusal(load_gateway, write(content))
    assert what.startswith(expected), what


def test_a_secret_on_a_line_with_a_mistake_is_not_shown(write):
    for line in (f"token = {CANARY}", f"{CANARY}", f'token = "{CANARY}', f'{CANARY} = "\\q"'):
        refusal(load_gateway, write(line))


def test_a_missing_file_is_named(tmp_path):
    what, hint = refusal(load_gateway, tmp_path / "no.toml")
    assert what == "no such file"
    assert "-c FILE" in hint


def test_a_folder_is_called_one(tmp_path):
    what, _ = refusal(load_hub, tmp_path)
    assert what == "is a folder, not a file"


@pytest.fixture
def as_another_user():
    """Give up root's right to read everything, for one test."""
    user = os.geteuid()
    if user != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_without_rights_says_so(write, request):
    path = write(SOURCE, mode=0)
    request.getfixturevalue("as_another_user")
    what, hint = refusal(load_gateway, path)
    assert what == "cannot be read: permission denied"
    assert "group" in hint


def test_a_path_through_a_file_says_why(write):
    write("", "plain")
    what, _ = refusal(load_gateway, write("", "plain") / "x.toml")
    assert what == "cannot be read: not a directory"


def test_a_listener_is_loaded_with_its_files(write, tmp_path):
    for name in ("cert.pem", "key.pem"):
        write("x", name)
    text = """
[[source]]
type = "listen"
url = "mqtts://0.0.0.0"
cert_file = "cert.pem"
key_file = "key.pem"
[endpoint]
users_file = "people"
"""
    settings, _ = load_gateway(write(text))
    assert Path(settings.listeners[0].key_file) == tmp_path / "key.pem"
    assert Path(settings.endpoint.users_file) == tmp_path / "people"
    (tmp_path / "key.pem").chmod(0o644)
    assert any("key.pem: holds a secret" in line for line in load_gateway(write(text))[1])
    (tmp_path / "key.pem").unlink()
    assert "source[0].key_file" in refusal(load_gateway, write(text))[0]
