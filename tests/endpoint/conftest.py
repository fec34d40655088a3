"""The sites of the endpoint's tests; `--endpoint-url` tries them on another broker."""

import pytest

from endpoint.rig import Remote, Site


def pytest_addoption(parser):
    parser.addoption("--endpoint-url", default=None, help="try the tests on a broker over TCP")


@pytest.fixture
def site(request):
    url = request.config.getoption("--endpoint-url", default=None)
    if url is None:
        yield Site()
        return
    remote = Remote(url)
    yield remote
    remote.close()


@pytest.fixture
def make_site(request):
    """Return sites with settings of their own, which only ours can have."""
    if request.config.getoption("--endpoint-url", default=None) is not None:
        pytest.skip("has settings of its own")
    return Site
