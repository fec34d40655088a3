"""The committed test vectors are read and reproduced, byte for byte, by both Pythons."""

import vector_files as vectors
from support import raises
from tidegate.errors import ProtocolError
from tidegate.records.record import fold
from tidegate.records.stream import parse_stream
from tidegate.store.entry import entry_frames, read_entry
from tidegate.store.frame import Frame, scan
from tidegate.store.journal import Admitted
from tidegate.store.segment import Segment, read_segment, segment_header, segment_seed
from tidegate.store.summary import (
    SUMMARY,
    SYNCED,
    read_summary,
    read_synced,
    summary_frame,
    synced_frame,
)
from tidegate.wire.batch import encode
from tidegate.wire.decoder import decode
from tidegate.wire.receipt import read_receipt, read_standing
from tidegate.wire.reply import receipt_fields, standing_fields


def test_running_hashes():
    for vector in vectors.load("records"):
        record = vectors.record_of(vector["record"])
        assert fold(vector["hash_before"], record) == vector["hash_after"], record
        assert vectors.record_fields(record) == vector["record"]


def test_batches():
    for vector in vectors.load("batches"):
        batch = vectors.batch_of(vector["batch"])
        assert vectors.to_hex(encode(batch)) == vector["hex"], vector["name"]
        assert decode(vectors.from_hex(vector["hex"])) == batch, vector["name"]
        assert vectors.batch_fields(batch) == vector["batch"]


def test_deflated_batches():
    tried = 0
    for vector in vectors.load("batches"):
        if "deflated" in vector:
            data = vectors.from_hex(vector["deflated"])
            assert decode(data, vectors.inflate) == vectors.batch_of(vector["batch"])
            tried += 1
    assert tried > 2


def test_refused_batches():
    for vector in vectors.load("refused_batches"):
        with raises(ProtocolError) as caught:
            decode(vectors.from_hex(vector["hex"]), vectors.inflate)
        assert caught.error.reason == vector["reason"], vector["name"]


def test_frames():
    file = vectors.load("frames")
    seed = file["seed"]
    assert segment_seed(file["node"], file["number"]) == seed
    for vector in file["entries"]:
        entry = vectors.entry_of(vector["entry"])
        frames = [vectors.to_hex(frame) for frame in entry_frames(entry, seed)]
        assert frames == vector["frames"], entry
        log = b"".join([vectors.from_hex(frame) for frame in vector["frames"]])
        found = [read_entry(item) for item in scan(log, seed)]
        assert join(found) == entry
        assert vectors.entry_fields(entry) == vector["entry"]


def join(entries):
    """Return the one entry that was written as these."""
    if len(entries) == 1:
        return entries[0]
    hashes, records = [], []
    for entry in entries:
        hashes += entry.hashes
        records += entry.records
    return Admitted(entries[0].lane, entries[0].first, hashes, records)


def test_segment_headers():
    file = vectors.load("frames")
    lanes = [tuple(lane) for lane in file["header"]["lanes"]]
    segment = Segment(file["node"], file["number"], lanes)
    data = vectors.from_hex(file["header"]["hex"])
    assert segment_header(segment) == data
    assert read_segment(data) == (segment, len(data))


def test_accounts():
    file = vectors.load("frames")
    fields, seed = file["account"], file["seed"]
    account = vectors.account_of(fields)
    for made, name in ((synced_frame, "synced"), (summary_frame, "summary")):
        assert vectors.to_hex(made(account, seed)) == fields[name]
    found = list(scan(vectors.from_hex(fields["synced"] + fields["summary"]), seed))
    assert [item.kind for item in found] == [SYNCED, SUMMARY]
    assert read_synced(found[0].body) == account.figures()
    read = vectors.account_fields(read_summary(found[1].body))
    assert read == {name: fields[name] for name in read}


def test_logs():
    file = vectors.load("frames")
    for vector in file["logs"]:
        items = [
            ["frame" if isinstance(item, Frame) else "damage", item.start, item.end]
            for item in scan(vectors.from_hex(vector["hex"]), file["seed"])
        ]
        assert items == vector["items"], vector["name"]


def test_receipts():
    file = vectors.load("receipts")
    stream = parse_stream(file["stream"])
    for fields in file["receipts"]:
        assert receipt_fields(stream, read_receipt(stream, fields)) == fields
    for fields in file["standings"]:
        assert standing_fields(stream, read_standing(stream, fields)) == fields
    for name, fields in file["refused"]:
        with raises(ProtocolError) as caught:
            read_receipt(stream, fields)
        assert caught.error.reason == "bad-receipt", name
