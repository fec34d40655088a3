"""The endpoint under attack, with 128 MB of memory: it lives, and others hardly notice.

A victim publishes at a rate with QoS 1 and measures how long each PUBACK takes from when its
message was due, first alone, then beside the attack.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.gateway import PATHS, ROOT
from fixtures.publisher import connect, length_bytes, text
from process.attacks import ATTACKS, IDLE
from process.site import Site
from process.storms import STORMS
from tidegate_linux.endpoint.access.users import Users
from tidegate_linux.endpoint.transport.connection_log import LINES_MAX, WINDOW_MS

MEMORY_BYTES = 128 * 1024 * 1024
MEMORY_GROUP = Path("/sys/fs/cgroup/memory")
READY_S = 120.0
VICTIM_PER_S = 200
VICTIM_S = 3
ROUNDS = 4
# A p99 below this is good whatever it was before: attacker, gateway and victim share two cores and
# a disk, and behind what `hoard` has written there a commit takes that long.
FLOOR_MS = 50.0
IDLE_BYTES_MAX = 12_000  # What an idle connection may cost.


@contextlib.contextmanager
def memory_limit():
    """Yield what to start a program with so that it has `MEMORY_BYTES` and no more."""
    group = MEMORY_GROUP / f"tidegate-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
    except OSError as error:
        pytest.skip(f"no memory control group (version 1) for this user: {error}")
    try:
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
    finally:
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            group.rmdir()


@pytest.fixture
def site(tmp_path):
    (tmp_path / "gateway").mkdir(mode=0o700)
    Users(tmp_path / "gateway" / "users").add("admin", b"right")
    with memory_limit() as prefix, Site(tmp_path, prefix=prefix) as site:
        yield site


@contextlib.contextmanager
def attack(name, port):
    """Run an attack beside the block; it begins when the harm is being done."""
    module = "process.attacks" if name in ATTACKS else "process.storms"
    process = subprocess.Popen(
        [sys.executable, "-m", module, name, "--port", str(port)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([PATHS, str(ROOT / "tests")])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        began_s = time.monotonic()
        assert process.stdout.readline() == "ready\n", f"{name} did not get to work"
        assert time.monotonic() - began_s < READY_S
        yield
        assert process.poll() is None, f"{name} has ended before its time"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def p99_ms(port):
    """Publish at a rate; return the 99th percentile of the time until each PUBACK."""
    sock = connect(port, f"victim-{time.monotonic_ns()}")
    waits_ms = []
    began_s = time.monotonic()
    with sock:
        sock.settimeout(30)
        for number in range(VICTIM_PER_S * VICTIM_S):
            due_s = began_s + number / VICTIM_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            body = text("site/victim") + (number + 1).to_bytes(2, "big") + b"\0" + b"x" * 64
            sock.sendall(b"\x32" + length_bytes(len(body)) + body)
            answer = read_puback(sock)
            assert answer == number + 1
            waits_ms.append((time.monotonic() - due_s) * 1000)
    return sorted(waits_ms)[len(waits_ms) * 99 // 100]


def calm_p99_ms(port, enough_ms=0.0):
    """Return the best of some rounds, up to one that is good enough.

    An attack goes on all the time and is in each of them; what else this machine does is not.
    """
    best_ms = p99_ms(port)
    for _ in range(ROUNDS - 1):
        if best_ms < enough_ms:
            break
        best_ms = min(best_ms, p99_ms(port))
    return best_ms


def read_puback(sock):
    data = b""
    while len(data) < 4 or len(data) < 2 + data[1]:
        part = sock.recv(64)
        assert part, "the victim was thrown out"
        data += part
    assert data[0] == 0x40
    return int.from_bytes(data[2:4], "big")


def resident_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("name", sorted([*ATTACKS, *STORMS]))
def test_an_attack_does_not_double_what_others_wait(site, name):
    p99_ms(site.port)  # To warm it up.
    alone_ms = calm_p99_ms(site.port, FLOOR_MS)
    before_bytes = resident_bytes(site.gateway.pid)
    with attack(name, site.port):
        beside_ms = calm_p99_ms(site.port, 2 * max(alone_ms, FLOOR_MS))
        after_bytes = resident_bytes(site.gateway.pid)
    print(
        f"{name}: p99 {alone_ms:.2f} ms alone, {beside_ms:.2f} ms beside it; resident"
        f" {before_bytes / 1e6:.1f} MB before, {after_bytes / 1e6:.1f} MB beside it"
    )
    assert site.gateway.is_running
    assert beside_ms < 2 * max(alone_ms, FLOOR_MS)
    if name == "idle":
        each_bytes = (after_bytes - before_bytes) / IDLE
        print(f"an idle connection costs {each_bytes:.0f} bytes")
        assert each_bytes < IDLE_BYTES_MAX


@pytest.mark.slow
@pytest.mark.alone
def test_a_reader_that_is_deaf_bounds_what_is_kept_for_it(site):
    with attack("deaf", site.port), socket.create_connection(("127.0.0.1", site.port)):
        before_bytes = resident_bytes(site.gateway.pid)
        with site.load(devices=8, per_s=400):
            time.sleep(10)
        grown_bytes = resident_bytes(site.gateway.pid) - before_bytes
    print(f"{sum(site.sent.values())} messages, none of them read: {grown_bytes / 1e6:.1f} MB")
    assert grown_bytes < 30_000_000
    assert site.settle().is_perfect


@pytest.mark.slow
@pytest.mark.alone
def test_clients_that_come_and_go_leave_neither_memory_nor_lines_behind(site):
    with attack("churn", site.port):
        time.sleep(20)
        before_bytes, before_s = resident_bytes(site.gateway.pid), time.monotonic()
        lines = site.gateway.log().count("\n")
        time.sleep(40)
        grown_bytes = resident_bytes(site.gateway.pid) - before_bytes
        windows = (time.monotonic() - before_s) / (WINDOW_MS / 1000) + 1
        lines = site.gateway.log().count("\n") - lines
    total = site.gateway.status()["sources"][0]["connections"]
    print(f"{total} clients: {grown_bytes / 1e6:.1f} MB and {lines} lines in the last 40 s")
    assert grown_bytes < 3_000_000
    assert lines <= 3 * (LINES_MAX + 1) * windows
    assert site.gateway.status()["sources"][0]["endpoint"]["sockets"] < 100


def test_a_gateway_without_files_left_lives_and_recovers(tmp_path):
    with Site(tmp_path, prefix=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]) as site:
        with site.load(devices=2):
            crowd = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(100)]
            time.sleep(1)
            for sock in crowd:
                sock.close()
            connect(site.port, "later").close()
        assert site.settle().is_perfect
        assert "accept failed" in site.gateway.log()
