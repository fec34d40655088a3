"""`tidegate run`, as a process: from a broker to a hub, through a kill, to a clean end."""

import json
import os
import shutil
import signal
import sqlite3

import pytest
import requests

from fixtures.broker import Broker
from fixtures.gateway import GatewayProcess
from fixtures.hub import TOKEN, HubProcess


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path / "broker", options=["max_queued_messages 0"]) as running:
        yield running


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    with HubProcess(folder) as running:
        yield running


def publish(broker, first, last):
    broker.publish_all([("site/a", b"%d" % number) for number in range(first, last + 1)])


def payloads(hub):
    return [int(row[0]) for row in hub.query("SELECT payload FROM records ORDER BY seq")]


def test_published_messages_come_to_the_hub_in_order(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        publish(broker, 1, 500)
        status = gateway.wait_drained(500)
    assert payloads(hub) == list(range(1, 501))
    assert status["streams"][0]["delivered"] == 500
    assert status["streams"][0]["dropped"] == {}
    assert status["backlog"] == {"records": 0, "bytes": 0, "oldest_age_s": 0.0}


def test_what_was_acknowledged_survives_a_kill_while_offline(tmp_path, broker, hub):
    hub.stop()
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        publish(broker, 1, 300)
        status = gateway.wait(lambda status: status["backlog"]["records"] == 300)
        assert status["link"]["state"] == "down"
        assert "nothing listens" in status["link"]["last_error"]
        gateway.wait(lambda status: status["backlog"]["oldest_age_s"] > 0)
        gateway.kill()
        publish(broker, 301, 400)
        gateway.start()
        hub.start()
        gateway.wait_drained(400)
    # QoS 1 gives the gateway no means to tell a copy: what is there in order is what counts.
    assert sorted(set(payloads(hub))) == list(range(1, 401))


def test_sigterm_commits_and_exits_with_0(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        publish(broker, 1, 50)
        gateway.wait_drained(50)
        assert gateway.stop() == 0
        log = gateway.log()
    assert "SIGTERM" in log
    assert "the gateway has stopped" in log
    assert "Traceback" not in log
    with sqlite3.connect(gateway.data / "journal.db") as journal:
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_second_gateway_on_one_folder_is_refused(tmp_path, broker):
    with GatewayProcess(tmp_path, broker.url) as gateway:
        other_folder = tmp_path / "other"
        other_folder.mkdir()
        other = GatewayProcess(other_folder, broker.url)
        other.config["node"] = gateway.config["node"]
        other.spawn()
        assert other.wait_for_end() == 1
    log = other.log()
    assert f"tidegate: error: the journal in {gateway.data} is in use by process" in log
    assert "tidegate: hint: " in log
    assert "Traceback" not in log


def test_a_salvage_is_told_until_somebody_has_taken_the_damaged_files_away(tmp_path, broker):
    with GatewayProcess(tmp_path, broker.url) as gateway:
        gateway.stop()
        (gateway.data / "journal.db").write_bytes(b"not a database at all" * 400)
        gateway.start()
        gateway.stop()
        gateway.start()
        aside = gateway.data / "damaged-1"
        told = [{"folder": str(aside), "carried_over": 0, "lost": 0, "notes_lost": 0}]
        assert gateway.status()["journal"]["salvaged"] == told
        health = requests.get(f"{gateway.status_url}/healthz", timeout=5)
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert any(str(aside) in line for line in health.json()["warnings"])
        shutil.rmtree(aside)
        gateway.wait(lambda status: not status["journal"]["salvaged"])
        health = requests.get(f"{gateway.status_url}/healthz", timeout=5)
        assert health.json()["status"] == "ok"


def test_a_wrong_token_holds_everything_and_says_so(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url, token="x" * 20) as gateway:
        publish(broker, 1, 10)
        gateway.wait(lambda status: status["backlog"]["records"] == 10)
        status = gateway.wait(lambda status: status["link"]["state"] == "held")
        assert "401" in status["link"]["last_error"]
        health = requests.get(f"{gateway.status_url}/healthz", timeout=5)
    assert health.status_code == 200
    assert any("the hub refuses us" in line for line in health.json()["warnings"])


def test_a_status_port_that_is_taken_does_not_stop_the_gateway(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        other_folder = tmp_path / "other"
        other_folder.mkdir()
        other = GatewayProcess(other_folder, broker.url, hub.url)
        other.config["status"] = gateway.config["status"]
        other.config["source"][0]["client_id"] = "other"
        other.spawn()
        publish(broker, 1, 5)
        gateway.wait(lambda _: "the line is up" in other.log())
        other.stop()
    assert "the status cannot be served at" in other.log()


def test_a_gateway_starts_without_a_disk_and_takes_messages_once_there_is_one(tmp_path, broker):
    gateway = GatewayProcess(tmp_path, broker.url)
    in_the_way = tmp_path / "in-the-way"
    in_the_way.touch()
    gateway.config["node"]["data"] = str(in_the_way / "data")
    gateway.spawn()
    try:
        gateway.wait(lambda status: status["journal"]["state"] == "failed")
        health = requests.get(f"{gateway.status_url}/healthz", timeout=5)
        assert health.status_code == 503
        assert "the journal failed" in health.json()["problems"][0]
        publish(broker, 1, 1)
        in_the_way.unlink()
        gateway.wait(lambda status: status["sources"][0]["state"] == "connected")
        publish(broker, 2, 5)
        gateway.wait(lambda status: status["backlog"]["records"] == 4)
        assert requests.get(f"{gateway.status_url}/healthz", timeout=5).status_code == 200
    finally:
        gateway.kill()


def test_sighup_changes_nothing(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        os.kill(gateway.pid, signal.SIGHUP)
        publish(broker, 1, 5)
        gateway.wait_drained(5)
        assert gateway.stop() == 0


def test_no_secret_is_in_any_output(tmp_path, hub):
    canary = "canary-4f1d-password"
    with Broker(tmp_path / "broker", users={"site": canary}) as broker:
        url = broker.url.replace("//", f"//site:{canary}@")
        token = TOKEN
        with GatewayProcess(tmp_path, url, hub.url, token=token) as gateway:
            gateway.config["log"] = {"format": "json", "level": "debug"}
            publish(broker, 1, 5)
            gateway.wait_drained(5)
            said = "".join(
                requests.get(gateway.status_url + path, timeout=5).text
                for path in ("/healthz", "/metrics", "/status.json", "/nothing")
            )
            gateway.stop()
            gateway.start()
            hub.stop()
            publish(broker, 6, 9)
            gateway.wait(lambda status: status["link"]["state"] == "down")
            gateway.kill()
    outputs = gateway.log() + said
    assert canary not in outputs
    assert token not in outputs
    for line in gateway.log().splitlines():
        if line.startswith("{"):
            assert json.loads(line)["level"] in ("debug", "info", "warning", "error")


def test_a_ruined_journal_is_set_aside_said_so_and_the_gateway_goes_on(tmp_path, broker, hub):
    with GatewayProcess(tmp_path, broker.url, hub.url) as gateway:
        publish(broker, 1, 50)
        gateway.wait_drained(50)
        gateway.stop()
        for path in tmp_path.rglob("journal.db"):
            path.write_bytes(b"ruined" * 10_000)
        gateway.start()
        publish(broker, 51, 60)
        gateway.wait_drained(10)
        assert "the journal was damaged: set aside" in gateway.log()
    assert sorted(payloads(hub)) == list(range(1, 61))
