"""Make the test vectors: `python tests/vectors/make.py` writes the files beside it.

The files are committed. They change only together with a version of the format: what an older
program wrote must be read for ever. `tests/test_vectors.py` compares them byte for byte with what
this makes.
"""

import json
import sys
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parent / "core"), str(FOLDER.parent.parent / "core")]

from tidegate.errors import ProtocolError  # noqa: E402
from tidegate.records.clock import Boot  # noqa: E402
from tidegate.records.record import Record, fold, fold_all, pack_properties  # noqa: E402
from tidegate.records.span import Gap, Span  # noqa: E402
from tidegate.records.stream import Stream  # noqa: E402
from tidegate.store.entry import entry_frames  # noqa: E402
from tidegate.store.frame import Frame, scan  # noqa: E402
from tidegate.store.journal import (  # noqa: E402
    Admitted,
    Booted,
    Dropped,
    Forgotten,
    Released,
    Renewed,
    Spent,
)
from tidegate.store.segment import Segment, segment_header, segment_seed  # noqa: E402
from tidegate.store.summary import summary_frame, synced_frame  # noqa: E402
from tidegate.wire.batch import Batch, encode  # noqa: E402
from tidegate.wire.decoder import decode  # noqa: E402
from tidegate.wire.envelope import (  # noqa: E402
    ENVELOPE_BYTES,
    deflated,
    seal,
    wrap,
)
from tidegate.wire.ledger import NEW_STREAM  # noqa: E402
from tidegate.wire.receipt import (  # noqa: E402
    Cursor,
    Receipt,
    Standing,
)
from tidegate.wire.reply import receipt_fields, standing_fields  # noqa: E402
from vector_files import account_of, batch_fields, entry_fields, record_fields, to_hex  # noqa: E402

STREAM = Stream("00c0ffee00c0ffee", "5f3759df5f3759df", "main")
BOOT = Boot(7, "0123456789abcdef", 1_750_000_000_000, 2)
UNSURE = Boot(8, "fedcba9876543210", 0, 0)
RECORDS = [
    Record(7, 60_000, b"site/7/pump", b'{"bar":4.1}', 1, b""),
    Record(7, 61_000, b"site/7/pump", b'{"bar":4.2}', 1, b""),
    Record(7, 61_500, "größe/π".encode(), b"", 4, b""),
    Record(8, 12, b"site/7/door", b"\x00\xff\x7f\x80", 2, pack_properties([(b"unit", b"mm")])),
    Record(8, (1 << 53) - 1, b"site/7/pump", bytes(range(64)), 6, pack_properties([(b"", b"")])),
]

ACCOUNT = {
    "lane": "main",
    "epoch": STREAM.epoch,
    "base": 1000,
    # last, hash there, through, forgotten, hash there, delivered, quarantined, held, held bytes
    "figures": [20, 0xDEADBEEF, 9, 4, 0xCAFE, 6, 3, 4, 4096],
    "holes": [[5, 7, 17, "overflow", False, False], [10, 12, 18, "quarantined: 422", True, True]],
    "dropped": [["damaged", 3], ["overflow", 4]],
}


def records():
    """Chain the records from two different starts."""
    vectors = []
    for start in (0, 0x12345678):
        running = start
        for record in RECORDS:
            after = fold(running, record)
            fields = {"hash_before": running, "record": record_fields(record), "hash_after": after}
            vectors.append(fields)
            running = after
    return vectors


def span(first, numbers, gaps, hash_before=0):
    """Return a span of some of the records with gaps of (first, last, hash, reason)."""
    chosen = [RECORDS[number] for number in numbers]
    hashes, running, at = [], hash_before, first
    left = [Gap(*gap) for gap in gaps]
    waiting = list(left)
    for record in [*chosen, None]:
        while waiting and waiting[0].first == at:
            gap = waiting.pop(0)
            at, running = gap.last + 1, gap.hash_at
        if record is not None:
            running = fold_all(running, [record])[0]
            hashes.append(running)
            at += 1
    boots = [boot for boot in (BOOT, UNSURE) if boot.number in {one.boot for one in chosen}]
    return Span(first, at - 1, hash_before, chosen, hashes, left, boots, 0)


def batches():
    """Encode spans with and without gaps; `deflated` is one of many right forms."""
    spans = {
        "one record": span(1, [0], []),
        "five records of two boots": span(1, [0, 1, 2, 3, 4], []),
        "a later part": span(41, [3, 4], [], 0xCAFEBABE),
        "a gap in the middle": span(10, [0, 1, 2], [(11, 13, 0xAAAA5555, "overflow")], 7),
        "a gap at both ends": span(
            5, [1], [(5, 9, 1, "expired"), (11, 11, 2, "poison: 422 – ¿qué?")]
        ),
        "only a gap": span(3, [], [(3, (1 << 48) - 1, 0xFFFFFFFF, "damaged")]),
        "many alike": Span(
            1, 40, 0, [RECORDS[0]] * 40, fold_all(0, [RECORDS[0]] * 40), [], [BOOT], 0
        ),
    }
    vectors = []
    for name, one in spans.items():
        batch = Batch(STREAM, one, 8, 123_456)
        data = encode(batch)
        fields = {"name": name, "batch": batch_fields(batch), "hex": to_hex(data)}
        smaller = deflated(data, deflate)
        if smaller != data:
            fields["deflated"] = to_hex(smaller)
        vectors.append(fields)
    return vectors


def deflate(data):
    """Make a raw deflate stream; another zlib may make another one, see `kept`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def refused_batches():
    """Collect batches that every receiver refuses, with the reason."""
    good = encode(Batch(STREAM, span(10, [0, 1, 2], [(11, 13, 5, "overflow")], 7), 8, 9))
    body = good[ENVELOPE_BYTES:]
    name_at = 52
    wrong = {
        "nothing": b"",
        "an envelope cut off": good[:15],
        "a body cut off": good[:-1],
        "another magic": b"TGC" + good[3:],
        "version 2": good[:3] + b"\2" + good[4:],
        "a flipped bit in the envelope": good[:8] + bytes([good[8] ^ 1]) + good[9:],
        "an unknown flag": seal(body, 2, len(body)),
        "a length of 4 GiB": seal(body, 0, 0xFFFFFFFF),
        "a length of one more": seal(body, 0, len(body) + 1),
        "a flipped bit in the body": good[:-1] + bytes([good[-1] ^ 1]),
        "a flipped bit behind the checksum": wrap(body[:-1] + bytes([body[-1] ^ 1])),
        "one byte too many": wrap(body + b"\0"),
        "one byte too few": wrap(body[:-1]),
        "a stream that has no such name": wrap(body[:name_at] + b"G" + body[name_at + 1 :]),
        "range from 0": wrap(body[:2] + bytes(8) + body[10:]),
        "another hash at the end": wrap(body[:22] + bytes(4) + body[26:]),
    }
    vectors = []
    for name, data in wrong.items():
        try:
            decode(data)
        except ProtocolError as error:
            vectors.append({"name": name, "hex": to_hex(data), "reason": error.reason})
    assert len(vectors) == len(wrong), "something wrong was accepted"
    return vectors


def frames():
    """Write each entry, what a lane adds up to, and logs."""
    seed = segment_seed(STREAM.node, 42)
    hashes = fold_all(0, RECORDS)
    entries = [
        Admitted("main", 1, hashes, RECORDS),
        Released("main", 4, 3),
        Dropped("main", 5, 5, hashes[4], "overflow", False),
        Dropped("alarm", 6, 9, None, "poison: 422", True),
        Forgotten("main", 2),
        Booted(BOOT),
        Renewed("main", "ffffffffffffffff"),
        Spent(20_000, 1_234_567),
    ]
    written = [
        {"entry": entry_fields(entry), "frames": [to_hex(one) for one in entry_frames(entry, seed)]}
        for entry in entries
    ]
    segment = Segment(STREAM.node, 42, [("main", STREAM.epoch), ("alarm", "0" * 16)])
    account = account_of(ACCOUNT)
    return {
        "node": STREAM.node,
        "number": 42,
        "seed": seed,
        "header": {
            "lanes": [list(lane) for lane in segment.lanes],
            "hex": to_hex(segment_header(segment)),
        },
        "entries": written,
        "account": {
            **ACCOUNT,
            "synced": to_hex(synced_frame(account, seed)),
            "summary": to_hex(summary_frame(account, seed)),
        },
        "logs": damaged_logs(entries, seed),
    }


def damaged_logs(entries, seed):
    """Write a log with everything that may happen to one, and what a scan finds there."""
    log = b"".join(one for entry in entries[:3] for one in entry_frames(entry, seed))
    stale = b"".join(entry_frames(entries[1], segment_seed(STREAM.node, 41)))
    damaged = bytearray(log)
    damaged[100] ^= 1
    logs = []
    for name, data in (
        ("whole", log),
        ("torn", log[:-5]),
        ("a flipped bit", bytes(damaged)),
        ("garbage before", b"\xf9\xd6garbage" + log),
        ("an older frame behind", log + stale),
        ("erased flash behind", log + b"\xff" * 16),
    ):
        items = [
            ["frame" if isinstance(item, Frame) else "damage", item.start, item.end]
            for item in scan(data, seed)
        ]
        logs.append({"name": name, "hex": to_hex(data), "items": items})
    return logs


def receipts():
    """Collect answers of a receiver."""
    generation = "feedfacecafebeef"
    good = receipt_fields(STREAM, Receipt(3, 8, Cursor(9, 0xABCD), generation))
    refused = [
        ["a portal's page", "<html>Please log in</html>"],
        ["nothing", {}],
        ["another stream", {**good, "stream": str(Stream(*STREAM[:2], "alarm"))}],
        ["no generation", {**good, "generation": None}],
        ["a range beyond the cursor", {**good, "last": 10}],
        ["no hash", {**good, "hash": None}],
        ["a number as text", {**good, "through": "9"}],
        ["a truth", {**good, "first": True}],
        ["capital digits", {**good, "hash": "0000ABCD"}],
    ]
    return {
        "stream": str(STREAM),
        "receipts": [good],
        "standings": [
            standing_fields(STREAM, Standing(NEW_STREAM, generation, 0, None)),
            standing_fields(STREAM, Standing(Cursor(9, 0xABCD), generation, 4, 0xFF)),
            standing_fields(STREAM, Standing(Cursor(9, 0xABCD), generation, 4, None)),
        ],
        "refused": refused,
    }


def kept(name, made):
    """Keep committed deflate streams: another zlib may make others that are as right."""
    path = FOLDER / f"{name}.json"
    if name == "batches" and path.exists():
        old = {vector["name"]: vector for vector in json.loads(path.read_text())}
        for vector in made:
            before = old.get(vector["name"], {})
            if "deflated" in vector and before.get("hex") == vector["hex"]:
                vector["deflated"] = before["deflated"]
    return made


def files():
    """Return the text of every file of vectors, by its name."""
    made = {
        "records": records(),
        "batches": batches(),
        "refused_batches": refused_batches(),
        "frames": frames(),
        "receipts": receipts(),
    }
    return {
        f"{name}.json": json.dumps(kept(name, vectors), indent=1, sort_keys=True) + "\n"
        for name, vectors in made.items()
    }


if __name__ == "__main__":
    for file_name, text in files().items():
        (FOLDER / file_name).write_text(text)
        print(f"{file_name}: {len(text)} bytes")
