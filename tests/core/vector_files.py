"""Test vectors as they stand in tests/vectors, and the objects they stand for. For both Pythons."""

import json
from binascii import hexlify, unhexlify

from tidegate.records.clock import Boot
from tidegate.records.record import Record
from tidegate.records.span import Gap, Span
from tidegate.records.stream import parse_stream
from tidegate.store.account import Account, Hole
from tidegate.store.journal import Admitted, Booted, Dropped, Forgotten, Released, Renewed, Spent
from tidegate.wire.batch import Batch

FOLDER = f"{__file__.rsplit('/', 1)[0]}/../vectors" if "/" in __file__ else "../vectors"
KINDS = {
    "admitted": Admitted,
    "released": Released,
    "dropped": Dropped,
    "forgotten": Forgotten,
    "booted": Booted,
    "renewed": Renewed,
    "spent": Spent,
}


def load(name):
    """Return the vectors in a file."""
    with open(f"{FOLDER}/{name}.json") as file:
        return json.load(file)


def to_hex(data):
    return hexlify(data).decode()


def from_hex(text):
    return unhexlify(text)


def record_fields(record):
    return {
        "boot": record.boot,
        "ticks_ms": record.ticks_ms,
        "topic": to_hex(record.topic),
        "payload": to_hex(record.payload),
        "flags": record.flags,
        "properties": to_hex(record.properties),
    }


def record_of(fields):
    return Record(
        fields["boot"],
        fields["ticks_ms"],
        from_hex(fields["topic"]),
        from_hex(fields["payload"]),
        fields["flags"],
        from_hex(fields["properties"]),
    )


def account_of(fields):
    account = Account(fields["lane"], fields["epoch"])
    account.base = fields["base"]
    account.take_figures(tuple(fields["figures"]))
    account.holes = [Hole(*hole) for hole in fields["holes"]]
    account.dropped = dict(fields["dropped"])
    return account


def account_fields(account):
    return {
        "lane": account.lane,
        "epoch": account.epoch,
        "base": account.base,
        "figures": list(account.figures()),
        "holes": [list(hole) for hole in account.holes],
        "dropped": [[reason, account.dropped[reason]] for reason in sorted(account.dropped)],
    }


def batch_fields(batch):
    span = batch.span
    return {
        "stream": str(batch.stream),
        "first": span.first,
        "last": span.last,
        "hash_before": span.hash_before,
        "hashes": list(span.hashes),
        "records": [record_fields(record) for record in span.records],
        "gaps": [list(gap) for gap in span.gaps],
        "boots": [list(boot) for boot in span.boots],
        "sent_boot": batch.sent_boot,
        "sent_ticks_ms": batch.sent_ticks_ms,
    }


def batch_of(fields):
    span = Span(
        fields["first"],
        fields["last"],
        fields["hash_before"],
        [record_of(record) for record in fields["records"]],
        fields["hashes"],
        [Gap(*gap) for gap in fields["gaps"]],
        [Boot(*boot) for boot in fields["boots"]],
        0,
    )
    stream = parse_stream(fields["stream"])
    return Batch(stream, span, fields["sent_boot"], fields["sent_ticks_ms"])


def entry_fields(entry):
    name = next(name for name, kind in KINDS.items() if type(entry) is kind)
    fields = list(entry)
    if name == "admitted":
        fields[3] = [record_fields(record) for record in entry.records]
    if name == "booted":
        fields[0] = list(entry.boot)
    return {"kind": name, "fields": fields}


def entry_of(vector):
    fields = list(vector["fields"])
    if vector["kind"] == "admitted":
        fields[3] = [record_of(record) for record in fields[3]]
    if vector["kind"] == "booted":
        fields[0] = Boot(*fields[0])
    return KINDS[vector["kind"]](*fields)


def inflate(stored, bytes_max):
    """Undo a raw deflate with what this Python has."""
    try:
        import zlib
    except ImportError:
        from io import BytesIO

        import deflate

        return deflate.DeflateIO(BytesIO(stored), deflate.RAW).read(bytes_max + 1)
    return zlib.decompressobj(wbits=-15).decompress(stored, bytes_max + 1)
