"""`tidegate check` finds what would keep devices from a listener."""

import socket

import pytest

from fixtures.certificates import Authority
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate_linux.check.listener import check_listener, check_users, validity
from tidegate_linux.endpoint.access.users import Users
from tidegate_linux.journal.folder import JournalFolder
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING


def gateway(folder, url="mqtt://127.0.0.1:0", **keys):
    """Return the settings of a gateway with one listener."""
    source = {"type": "listen", "url": url, **keys}
    return read_gateway({"source": [source], "node": {"data": str(folder)}})


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_findings(folder, certificate, key, **keys):
    settings = gateway(
        folder, "mqtts://127.0.0.1:0", cert_file=str(certificate), key_file=str(key), **keys
    )
    port, *others = check_listener(settings.listeners[0], folder)
    assert port.level == INFO
    return others


def test_a_port_that_is_free_is_told(tmp_path):
    (finding,) = check_listener(gateway(tmp_path).listeners[0], tmp_path)
    assert (finding.level, "is free" in finding.what) == (INFO, True)


def test_a_port_that_another_program_has_is_found(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"mqtt://127.0.0.1:{taken.getsockname()[1]}"
        (finding,) = check_listener(gateway(tmp_path, url).listeners[0], tmp_path)
    assert (finding.level, "address already in use" in finding.what) == (ERROR, True)
    assert finding.hint


def test_a_port_that_the_running_gateway_has_is_no_error(tmp_path):
    home = JournalFolder(tmp_path)
    home.lock()
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"mqtt://127.0.0.1:{taken.getsockname()[1]}"
            (finding,) = check_listener(gateway(tmp_path, url).listeners[0], tmp_path)
    finally:
        home.unlock()
    assert (finding.level, "the gateway runs" in finding.what) == (INFO, True)


def test_a_host_that_is_not_ours_is_found(tmp_path):
    (finding,) = check_listener(gateway(tmp_path, "mqtt://192.0.2.1:1").listeners[0], tmp_path)
    assert finding.level == ERROR


def test_a_certificate_is_tried_with_its_key(tmp_path, authority):
    certificate, key = authority.issue("gateway", "DNS:localhost")
    _, other_key = authority.issue("other", "DNS:localhost")
    (finding,) = tls_findings(tmp_path, certificate, key)
    assert finding.level == WARNING
    assert "expires in 1 days" in finding.what
    (finding,) = tls_findings(tmp_path, certificate, other_key)
    assert (finding.level, "is not the key of" in finding.what) == (ERROR, True)
    (finding,) = tls_findings(tmp_path, key, key)
    assert (finding.level, "cannot be used" in finding.what) == (ERROR, True)


def test_a_certificate_that_has_expired_is_found(tmp_path, authority):
    (finding,) = tls_findings(tmp_path, *authority.issue("old", "DNS:localhost", expired=True))
    assert (finding.level, "has expired" in finding.what) == (ERROR, True)


def test_an_authority_that_is_none_is_found(tmp_path, authority):
    certificate, key = authority.issue("gateway", "DNS:localhost")
    login = {"certificate_login": "required"}
    findings = tls_findings(tmp_path, certificate, key, ca_file=str(key), **login)
    assert findings[0].level == ERROR
    findings = tls_findings(tmp_path, certificate, key, ca_file=str(authority.certificate), **login)
    assert ERROR not in [finding.level for finding in findings]


@pytest.mark.parametrize("size", [0, 1, 30, 200, 300])
def test_a_certificate_that_is_cut_short_has_no_validity(authority, size):
    with pytest.raises((ValueError, IndexError)):
        validity(authority.certificate.read_bytes()[:size])


def test_users_that_nobody_needs_are_not_missed(tmp_path):
    assert [finding.level for finding in check_users(gateway(tmp_path))] == [INFO]


def test_a_listener_that_lets_nobody_in_is_found(tmp_path):
    settings = gateway(tmp_path, anonymous=False)
    (finding,) = check_users(settings)
    assert (finding.level, "there is no user" in finding.what) == (ERROR, True)
    Users(settings.endpoint.users_file).add("anna", b"x")
    (finding,) = check_users(settings)
    assert (finding.level, finding.what.startswith("1 in ")) == (INFO, True)


def test_users_that_others_can_read_are_found(tmp_path):
    settings = gateway(tmp_path)
    Users(settings.endpoint.users_file).add("anna", b"x")
    (tmp_path / "users").chmod(0o640)
    (finding,) = check_users(settings)
    assert (finding.level, "chmod 600" in finding.hint) == (WARNING, True)
    (tmp_path / "users").write_text("garbage\n")
    (finding,) = check_users(settings)
    assert (finding.level, "line 1" in finding.what) == (ERROR, True)
