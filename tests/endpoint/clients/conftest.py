"""One gateway and one hub for all clients."""

import pytest

from endpoint.clients.place import Place


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    with Place(tmp_path_factory.mktemp("clients")) as running:
        yield running
