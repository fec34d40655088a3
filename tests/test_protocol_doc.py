"""docs/protocol.md does not rot: its sizes, words and examples are those of the code."""

import json
import re
import struct
from pathlib import Path

import pytest

from fixtures.batches import Node
from tidegate import limits
from tidegate.records import record
from tidegate.records.origin import GAP_TOPIC, ORIGIN, origin_value, parse_origin
from tidegate.store import frame, segment, summary
from tidegate.wire import batch, decoder, envelope, parts
from tidegate.wire.ledger import AHEAD
from tidegate.wire.receipt import Cursor
from tidegate_hub.answers import conflict
from tidegate_hub.origins import read_gap
from tidegate_linux.endpoint.broker.requests import BATCH, QUERY, answer_topic, parse_place
from tidegate_linux.nodes.arrivals import gap_payload
from tidegate_linux.nodes.asking import answer_payload

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "protocol.md").read_text()
VECTORS = ROOT / "tests" / "vectors"

FIXED_BYTES = {
    "Record": record.HEAD_BYTES,
    "Envelope": envelope.ENVELOPE_BYTES,
    "Body: head": struct.calcsize(batch.HEAD),
    "Body: boot": struct.calcsize(parts._BOOT),
    "Body: gap": struct.calcsize(batch.GAP),
    "Body: columns": decoder._ROW_BYTES,
    "Segment: header": segment._HEADER_BYTES,
    "Segment: body of the header": struct.calcsize(segment._BODY),
    "Frame": frame.HEAD_BYTES,
    "Summary: head": struct.calcsize(summary._HEAD),
    "Summary: gap": struct.calcsize(summary._HOLE),
    "Summary: drop": struct.calcsize(summary._DROPPED),
    "Summary: figures": struct.calcsize(summary._FIGURES),
}
TYPE_BYTES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8}


def table(heading):
    """Return the (bytes, type) cells of the table under a heading."""
    after = TEXT.split(f"\n### {heading}\n", 1)[1]
    rows = re.findall(r"^\| (\w+) \| ([\w ]*)\|", after.split("\n\n", 1)[0], re.MULTILINE)
    return [(size, kind.strip()) for size, kind in rows if size != "bytes"]


def example(name):
    """Return the text of the example with that mark."""
    found = re.findall(rf"^```{name}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, name
    return found[0]


def dumped(name):
    """Return the bytes in an annotated dump, as hex."""
    lines = example(name).splitlines()
    return "".join(re.match(r"((?:[0-9a-f]{2} ?)+)(?:  |$)", line)[1] for line in lines)


@pytest.mark.parametrize("heading", FIXED_BYTES)
def test_sizes_are_those_of_the_code(heading):
    rows = table(heading)
    assert sum(int(size) for size, _ in rows if size.isdigit()) == FIXED_BYTES[heading]
    for size, kind in rows:
        if kind in TYPE_BYTES:
            assert size == str(TYPE_BYTES[kind]), (size, kind)


def test_every_table_of_a_layout_is_checked():
    headings = re.findall(r"^### (.+)\n\| bytes ", TEXT, re.MULTILINE)
    assert headings == list(FIXED_BYTES)


def test_the_dump_of_a_batch_is_the_vector():
    vectors = json.loads((VECTORS / "batches.json").read_text())
    wanted = next(vector["hex"] for vector in vectors if vector["name"] == "one record")
    assert dumped("batch").replace(" ", "") == wanted


def test_the_dump_of_a_frame_is_the_vector():
    file = json.loads((VECTORS / "frames.json").read_text())
    wanted = next(one["frames"][0] for one in file["entries"] if one["entry"]["kind"] == "released")
    assert dumped("frame").replace(" ", "") == wanted
    assert f"seed {file['seed']:08x} (segment {file['number']})" in TEXT


def test_the_examples_of_answers_are_the_vectors():
    file = json.loads((VECTORS / "receipts.json").read_text())
    assert json.loads(example("receipt")) in file["receipts"]
    assert json.loads(example("standing")) in file["standings"]


def test_limits_are_those_of_the_code():
    for text in (
        f"{limits.BATCH_RECORDS_MAX:,}",
        f"{limits.BATCH_GAPS_MAX:,}",
        f"count of boots, at most {limits.BATCH_BOOTS_MAX}",
        f"{limits.BATCH_BYTES_MAX >> 20} MiB",
        f"{limits.PAYLOAD_BYTES_MAX >> 20} MiB",
        f"length of the reason, at most {limits.REASON_BYTES_MAX}",
        f"count of lanes, at most {limits.LANES_MAX}",
        f"1 to {limits.LANE_BYTES_MAX} of",
    ):
        assert text in TEXT, text
    assert limits.SEQ_MAX == (1 << 48) - 1
    assert limits.TICKS_MS_MAX == (1 << 53) - 1


def test_every_reason_in_the_code_is_on_the_page():
    words = set()
    for name in ("decoder", "opener", "parts", "record", "stream"):
        source = next((ROOT / "core" / "tidegate").rglob(f"{name}.py")).read_text()
        words |= set(re.findall(r'ProtocolError\(\s*"([a-z-]+)"', source))
    assert len(words) > 10
    listed = set(re.findall(r"`([a-z]+-[a-z]+)`", TEXT))
    assert words <= listed, words - listed


def test_the_examples_of_origins_are_origins():
    lines = example("origin").splitlines()
    found = [parse_origin(line.encode()) for line in lines]
    assert [origin_value(origin).decode() for origin in found] == lines
    assert f"`{ORIGIN.decode()}`" in TEXT
    assert f"`{GAP_TOPIC.decode()}`" in TEXT


def test_the_example_of_a_gap_is_what_a_gateway_writes_and_a_hub_reads():
    text = example("gap")
    found = read_gap(GAP_TOPIC, text.encode())
    assert json.loads(gap_payload(*found)) == json.loads(text)


def test_the_topics_of_nodes_are_those_of_the_code():
    for kind in (BATCH, QUERY):
        assert f"`$tidegate/<node>/{kind}/<token>`" in TEXT
        topic = f"$tidegate/00c0ffee00c0ffee/{kind}/{'9' * 15}"
        assert parse_place(topic.encode()) == ("00c0ffee00c0ffee", kind, 10**15 - 1)
        assert parse_place(f"{topic}9".encode()) is None
    assert answer_topic("<node>") == b"$tidegate/<node>/answer"
    assert "`$tidegate/<node>/answer`" in TEXT


def test_the_example_of_an_answer_is_what_a_gateway_publishes():
    node = Node(records=10)
    cursor = Cursor(4, 0xFF)
    answer = conflict(AHEAD, node.batch(9, 10), cursor, "feedfacecafebeef")
    assert json.loads(answer_payload(7, answer)) == json.loads(example("answer"))


def test_every_kind_of_frame_is_on_the_page():
    source = (ROOT / "core" / "tidegate" / "store" / "entry.py").read_text()
    names = re.search(r"^(ADMITTED,.*) = (1, .*)$", source, re.MULTILINE)
    kinds = dict(zip(names[1].split(", "), names[2].split(", "), strict=True))
    kinds.update({"SYNCED": str(summary.SYNCED), "SUMMARY": str(summary.SUMMARY)})
    rows = dict(re.findall(r"^\| (\d) \| ([A-Z][a-z]+) \|", TEXT, re.MULTILINE))
    assert {name.upper(): number for number, name in rows.items()} == kinds
