"""Passwords and rules with clients that others wrote: what they are told, and how they take it."""

import subprocess

import pytest

from endpoint.clients.place import WAIT_S
from fixtures.broker import free_port
from fixtures.gateway import GatewayProcess
from tidegate_linux.endpoint.access.users import Users

pytestmark = pytest.mark.xdist_group("clients")
SECRET = "canary-71c0"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logins")
    port = free_port()
    gateway = GatewayProcess(folder, "")
    url = f"mqtt://127.0.0.1:{port}"
    gateway.config["source"] = [{"type": "listen", "url": url, "anonymous": False}]
    gateway.config["access"] = [
        {"users": ["ann"], "publish": ["site/%u/#"], "subscribe": ["site/#"]},
    ]
    gateway.data.mkdir()
    Users(gateway.data / "users").add("ann", SECRET.encode())
    with gateway:
        yield port
        assert SECRET not in gateway.log()


def publish(port, version, *arguments):
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-V", version, "-q", "1"]
    return subprocess.run(
        [*command, "-m", "x", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_the_right_password_comes_in_and_others_do_not(port, version):
    assert publish(port, version, "-t", "site/ann/a", "-u", "ann", "-P", SECRET).returncode == 0
    wrong = publish(port, version, "-t", "site/ann/a", "-u", "ann", "-P", "wrong")
    assert wrong.returncode != 0
    assert "user name or password" in wrong.stderr.lower()
    nobody = publish(port, version, "-t", "site/ann/a")
    assert nobody.returncode != 0
    assert "not authori" in nobody.stderr.lower()


def test_what_is_not_allowed_is_told_to_clients_of_mqtt_5(port):
    done = publish(port, "mqttv5", "-t", "site/bob/a", "-u", "ann", "-P", SECRET)
    assert "not authori" in (done.stderr + done.stdout).lower()


def test_a_filter_that_is_not_allowed_is_refused(port):
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-u", "ann", "-P", SECRET]
    for filter_, is_allowed in (("site/bob/#", True), ("#", False)):
        done = subprocess.run(
            [*command, "-t", filter_, "-E"],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        # mosquitto_sub ends by itself where every subscription was refused.
        assert ("denied" in done.stderr.lower()) is not is_allowed
