"""What several files here share: the databases of a hub."""

import pytest

from fixtures.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """The URL of an empty database; "" is the SQLite file of the hub's own choice."""
    if request.param == "sqlite":
        return ""
    return request.getfixturevalue("postgres").create_database()
