"""Every test of the hub that asks for `database` runs once on SQLite and once on PostgreSQL."""

import pytest

from fixtures.hub import HubProcess
from fixtures.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.db'}"
    return request.getfixturevalue("postgres").create_database()


@pytest.fixture
def hub(database, tmp_path):
    """A running hub on an empty database."""
    with HubProcess(tmp_path, database) as process:
        yield process
