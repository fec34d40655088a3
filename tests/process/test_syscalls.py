"""P1 as the kernel sees it: a PUBACK is handed over only after its message was synced.

strace shows what the gateway reads from the broker, writes to the journal, syncs and sends.  The
message behind each PUBACK is followed by its payload, which stands in the journal's log in plain.
"""

import re

from fixtures.mqtt_tap import split, take_apart
from fixtures.tracer import Call, Tracer
from process.chain import Chain, traces
from process.counts import sized

LOG = "journal.db-wal"
# Names of files and addresses of sockets; all bytes in hex; no data cut off.
WATCH = ["-yy", "-xx", "-s", "70000", "-e", "trace=recvfrom,sendto,pwrite64,fdatasync,fsync"]


def test_each_puback_leaves_after_the_sync_of_its_message(tmp_path):
    with Chain(tmp_path) as chain:
        with Tracer(tmp_path / "trace", chain.gateway.pid, WATCH) as tracer, chain.load(per_s=100):
            chain.pause(1)
        verdict = chain.settle()
        port = chain.broker_line.port
    assert verdict.is_perfect, verdict
    calls = tracer.calls()
    order = Order(port, calls)
    print(f"{order.syncs} syncs of the log, {len(order.acknowledged)} PUBACKs behind them")
    assert order.early == []
    assert len(order.acknowledged) >= 50
    assert order.syncs >= 5
    # The rig sees it if the syncs are not there.
    without = Order(port, [call for call in calls if call.name != "fdatasync"])
    assert without.early == without.acknowledged == order.acknowledged


@sized(seconds=(1, 15))
def test_syncs_that_fail_are_never_taken_for_done(tmp_path, seconds):
    """R5: every 20th sync reports EIO; its messages come again, on another connection."""
    failing = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=10+20"]
    with Chain(tmp_path) as chain:
        with Tracer(tmp_path / "trace", chain.gateway.pid, failing), chain.load():
            chain.pause(seconds)
        verdict = chain.settle()
        failures = chain.gateway.log().count("the journal failed")
        assert traces(chain.gateway.log()) == []
        assert chain.missing() == set()
    print(f"{failures} failed syncs: {verdict}")
    assert failures > 0
    assert verdict.is_perfect, verdict


class Order:
    """Follows messages from the socket through the log to their PUBACKs."""

    def __init__(self, broker_port: int, calls: list[Call]) -> None:
        self.acknowledged: list[bytes] = []
        self.early: list[bytes] = []  # Payloads that were acknowledged before they were synced.
        self.syncs = 0
        self._socket = f"->127.0.0.1:{broker_port}]"
        self._rest = {"recvfrom": b"", "sendto": b""}
        self._received: dict[int, bytes] = {}  # Packet identifier -> payload.
        self._written: list[tuple[int, bytes]] = []  # When a write ended, and what it wrote.
        self._synced: list[tuple[int, bytes]] = []  # When its sync ended, and what was written.
        for call in calls:
            self._see(call)

    def _see(self, call: Call) -> None:
        if call.name in ("recvfrom", "sendto") and self._socket in plain(call.arguments):
            packets, self._rest[call.name] = split(self._rest[call.name] + data_of(call))
            for first, body in packets:
                self._packet(call, first, body)
        elif call.name == "pwrite64" and LOG in plain(call.arguments):
            self._written.append((call.ended, data_of(call)))
        elif call.name in ("fdatasync", "fsync") and LOG in plain(call.arguments):
            assert call.result == 0
            self.syncs += 1
            covered = [data for ended, data in self._written if ended < call.began]
            self._written = [each for each in self._written if each[0] >= call.began]
            self._synced.append((call.ended, b"".join(covered)))

    def _packet(self, call: Call, first: int, body: bytes) -> None:
        if call.name == "recvfrom" and first & 0xF0 == 0x30:
            identifier, payload = take_apart(body)
            self._received[identifier] = payload
        elif call.name == "sendto" and first == 0x40:
            payload = self._received.pop(int.from_bytes(body[:2], "big"))
            self.acknowledged.append(payload)
            if not any(ended < call.began and payload in data for ended, data in self._synced):
                self.early.append(payload)


def data_of(call: Call) -> bytes:
    """Return the bytes that a call took or gave."""
    found = re.search(r', "((?:\\x[0-9a-f]{2})*)"(\.\.\.)?', call.arguments)
    if found is None:
        return b""
    assert found[2] is None, "strace has cut the data off"
    data = bytes.fromhex(found[1].replace("\\x", ""))
    # What was read or sent may be less than what there was room for or was wanted.
    return data[: call.result] if call.result >= 0 else b""


def plain(arguments: str) -> str:
    """Return the name of the file or socket, which -xx writes in hex too."""
    name = arguments.partition(">,")[0]
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name)
