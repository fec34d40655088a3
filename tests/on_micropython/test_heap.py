"""What the core of a node takes of a board's flash and memory, measured on the unix port."""

import pytest

from fixtures import micropython_heap
from fixtures.micropython_heap import NODE, compiled, heap_from_romfs, least_heap_bytes

MPY_BYTES_MAX = 65_000
# On a 64-bit port; a board's objects take about half.
HEAP_BYTES_MAX = 96_000


@pytest.fixture(scope="module")
def modules():
    return micropython_heap.with_imports(NODE)


def test_a_node_loads_nothing_of_what_only_a_receiver_or_a_site_needs(modules):
    names = {name.rsplit(".", 1)[1] for name in modules if "." in name}
    assert {"engine", "gateway", "sender", "log", "batch", "receipt", "samples"} <= names
    of_a_receiver = {"decoder", "opener", "ledger", "reply"}
    of_a_site = {"admission", "composition", "schedule", "http_date", "retry_after"}
    of_the_start = {"reader", "schema", "node_schema", "url"}  # Out of memory again behind it.
    assert not names & (of_a_receiver | of_a_site | of_the_start)


def test_the_core_of_a_node_fits(modules, tmp_path):
    assert sum(compiled(modules, tmp_path)) <= MPY_BYTES_MAX
    assert sum(heap_from_romfs(modules, tmp_path).values()) <= HEAP_BYTES_MAX


def test_the_least_heap_of_a_script_is_found(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("held = bytearray(100 * 1024)\n")
    assert 100 * 1024 < least_heap_bytes([script], 50 * 1024, 300 * 1024) < 110 * 1024
