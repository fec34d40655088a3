"""What several files here share: chance, and the databases of a hub."""

import random

import pytest

from fixtures.postgres import PostgresServer
from process.counts import SEED


@pytest.fixture
def chance(request):
    """Chances of the test's own: instances of it at the same time differ."""
    return random.Random(f"{SEED} {request.node.name}")


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
