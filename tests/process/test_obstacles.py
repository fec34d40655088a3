"""P5, R6: nothing of what surrounds a gateway keeps it from starting, or from ending cleanly."""

import contextlib
import os
import resource
import shutil
import statistics
import time

import pytest

from fixtures.broker import free_port
from fixtures.gateway import GatewayProcess
from fixtures.hub import TOKEN
from process.chain import Chain, traces
from process.counts import SEED, bound, sized

UNREACHABLE = "the broker cannot be reached"
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def test_without_broker_and_hub_it_starts_and_finds_them_when_they_come(tmp_path):
    with Chain(tmp_path, starts_gateway=False) as chain:
        chain.broker.kill()
        chain.hub.kill()
        chain.spawn_gateway()
        status = chain.gateway.wait(lambda status: status["link"]["state"] == "down")
        assert [source["state"] for source in status["sources"]] == ["connecting"]
        assert all(source["last_error"] for source in status["sources"])
        assert status["link"]["last_error"]
        chain.broker.start()
        chain.gateway.wait(is_subscribed)
        with chain.load(publishers=2):
            chain.pause(0.3)
        held = sum(chain.sent.values())
        chain.gateway.wait(lambda status: status["backlog"]["records"] == held)
        began_s = time.monotonic()
        chain.hub.start()
        verdict = chain.settle()
        print(f"{held} records held; all with the hub {time.monotonic() - began_s:.1f} s after")
        assert traces(chain.gateway.log()) == []
    assert verdict.is_perfect, verdict


def test_without_any_network_it_starts_and_ends_by_sigterm(tmp_path):
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a network of its own, without interfaces, needs unshare and root")
    gateway = GatewayProcess(
        tmp_path, f"mqtt://localhost:{free_port()}", f"http://nowhere.invalid:{free_port()}"
    )
    gateway.prefix = [unshare, "--net"]
    with contextlib.ExitStack() as stack:
        gateway.spawn()
        stack.push(gateway)
        deadline = time.monotonic() + 30
        while not all(line in gateway.log() for line in (UNREACHABLE, "the line is down")):
            assert gateway.is_running, gateway.log()
            assert time.monotonic() < deadline, gateway.log()
            time.sleep(0.05)
        assert gateway.stop() == 0
    assert traces(gateway.log()) == []


def is_subscribed(status):
    return [source["state"] for source in status["sources"]] == ["connected"]


@sized(stops=(3, 25))
def test_sigterm_under_load_ends_with_0_and_loses_nothing(tmp_path, chance, stops):
    took_s = []
    with Chain(tmp_path) as chain:
        with chain.load():
            for _ in range(stops):
                chain.wait_connected()
                chain.pause(chance.uniform(0, 0.5))
                began_s = time.monotonic()
                assert chain.gateway.stop() == 0
                took_s.append(time.monotonic() - began_s)
                chain.spawn_gateway()
        verdict = chain.settle()
        assert traces(chain.gateway.log()) == []
        assert chain.gateway.log().count("the gateway has stopped") == stops
    median_s = statistics.median(took_s)
    print(f"seed {SEED}: {stops} stops: median {median_s:.2f} s, at most {max(took_s):.2f} s")
    print(f"{verdict}; lost {bound(stops)}")
    assert verdict.is_perfect, verdict
    assert median_s < 3


def test_a_wrong_token_holds_everything_until_it_is_mended(tmp_path):
    token_path = tmp_path / "gateway.token"
    token_path.write_text("not-the-token-of-this-site\n")
    token_path.chmod(0o600)
    with Chain(tmp_path, uplink={"token": "", "token_file": str(token_path)}) as chain:
        with chain.load(publishers=2):
            chain.pause(0.5)
        held = sum(chain.sent.values())
        status = chain.gateway.wait(
            lambda status: (
                status["link"]["state"] == "held" and status["backlog"]["records"] == held
            )
        )
        assert "401" in status["link"]["last_error"]
        assert [stream["quarantined"] for stream in status["streams"]] == [0]
        assert chain.gateway.stop() == 0
        token_path.write_text(TOKEN + "\n")
        chain.spawn_gateway()
        verdict = chain.settle()
    assert verdict.is_perfect, verdict


def test_a_hub_whose_disk_is_full_is_waited_for(tmp_path):
    """R6 at the far end: it says 503, nothing is lost, and it goes on when there is room."""
    with Chain(tmp_path, uplink={"batch_records": 100}) as chain:
        with chain.load():
            chain.pause(0.5)
            size = (tmp_path / "hub" / "hub.db-wal").stat().st_size
            limits = (size + 4096, resource.RLIM_INFINITY)
            resource.prlimit(chain.hub.pid, resource.RLIMIT_FSIZE, limits)
            status = chain.gateway.wait(lambda status: status["link"]["state"] == "down")
            assert "503" in status["link"]["last_error"]
            chain.pause(0.5)
            resource.prlimit(chain.hub.pid, resource.RLIMIT_FSIZE, UNLIMITED)
        verdict = chain.settle()
        assert traces(chain.gateway.log()) == []
    assert verdict.is_perfect, verdict


def test_a_gateway_whose_disk_is_full_acknowledges_nothing_and_goes_on_later(tmp_path):
    """R6: the size of its files is limited as a full disk limits it."""
    with Chain(tmp_path) as chain:
        with chain.load():
            chain.pause(0.5)
            size = (chain.gateway.data / "journal.db-wal").stat().st_size
            limits = (size + 4096, resource.RLIM_INFINITY)
            resource.prlimit(chain.gateway.pid, resource.RLIMIT_FSIZE, limits)
            chain.wait_for(lambda: "the journal failed" in chain.gateway.log())
            assert "the journal failed" in chain.gateway.log()
            chain.pause(0.5)
            resource.prlimit(chain.gateway.pid, resource.RLIMIT_FSIZE, UNLIMITED)
        verdict = chain.settle()
        assert traces(chain.gateway.log()) == []
        assert chain.missing() == set()
    assert verdict.is_perfect, verdict
