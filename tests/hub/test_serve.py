"""The hub's process: it starts with a clear word or a clear error, and it ends in order."""

import socket
import sqlite3

import pytest

from fixtures.batches import Node
from fixtures.hub import HubProcess
from tidegate.config.reading.hub_reader import read_hub
from tidegate.config.secret import Secret
from tidegate.config.settings import HubNodeSettings
from tidegate_hub.errors import HubError
from tidegate_hub.serve import run_hub, token_book
from tidegate_hub.tokens import token_digest


def settings(database, url="http://127.0.0.1:0"):
    node = {"name": "site-7", "token": "t" * 32}
    return read_hub({"hub": {"url": url, "database": database, "node": [node]}})


def error_of(chosen):
    with pytest.raises(HubError) as caught:
        run_hub(chosen)
    assert caught.value.hint
    return caught.value.problem


def test_stop_exits_with_0_and_frees_port_and_database(hub):
    node = Node(records=3)
    hub.post(node.stream, node.body(1, 3))
    url = hub.url
    for _ in range(2):
        assert hub.stop() == 0
        assert "Traceback" not in hub.log()
        hub.start()
        assert hub.url == url
    assert hub.standing(node.stream)["through"] == 3


def test_stop_does_not_wait_for_an_idle_connection(hub):
    with socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2]))):
        assert hub.stop() == 0
    hub.start()


def test_taken_port_is_a_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        problem = error_of(settings(f"sqlite:///{tmp_path}/hub.db", url))
    assert url in problem and "in use" in problem
    assert not (tmp_path / "hub.db").exists()


@pytest.mark.parametrize(
    "database, word",
    [
        ("sqlite://", "plain file"),
        ("sqlite:///:memory:", "plain file"),
        ("sqlite:///hub.db?mode=memory", "plain file"),
        ("sqlite:////no/such/folder/hub.db", "/no/such/folder"),
        ("sqlite:////dev/null", "/dev/null"),
        ("postgresql://nobody:hunter2@127.0.0.1:1/x", "127.0.0.1"),
        ("postgresql://nobody:hunter2@127.0.0.1:port/x", "database URL"),
    ],
)
def test_database_that_cannot_be_had_is_a_clear_error(database, word):
    problem = error_of(settings(database))
    assert word in problem
    assert "hunter2" not in problem


def test_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "hub.db"
    path.write_bytes(b"somebody's letters" * 1000)
    assert "hub.db" in error_of(settings(f"sqlite:///{path}"))
    assert path.read_bytes() == b"somebody's letters" * 1000


def test_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "hub.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE streams (a, b)")
        connection.execute("INSERT INTO streams VALUES (1, 2)")
    connection.close()
    assert "streams" in error_of(settings(f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("streams",)]
    connection.close()


def test_latin1_database_is_refused(postgres):
    """It could not hold every topic; better said at the start than record by record."""
    assert "LATIN1" in error_of(settings(postgres.create_database("LATIN1")))


def test_second_hub_on_one_database_is_refused(tmp_path):
    with HubProcess(tmp_path) as hub:
        assert "another hub" in error_of(settings(hub.database))
        assert hub.get("/healthz").status_code == 200


def test_tokens_come_clear_or_hashed(tmp_path):
    digest = token_digest("secret-of-b").hex().upper()
    book = token_book(
        (
            HubNodeSettings("a", Secret("secret-of-a"), "", "", ""),
            HubNodeSettings("b", Secret(""), "", "", f"sha256:{digest}"),
        )
    )
    assert [book.find(f"secret-of-{name}") for name in "abc"] == ["a", "b", None]
    with pytest.raises(HubError, match="node c"):
        token_book((HubNodeSettings("c", Secret(""), "c.token", "", ""),))
    with pytest.raises(HubError, match="same token"):
        token_book(
            (
                HubNodeSettings("a", Secret("secret-of-b"), "", "", ""),
                HubNodeSettings("b", Secret(""), "", "", f"sha256:{digest}"),
            )
        )
