"""Hostile and broken bytes at the receiver: one clear answer each, and nothing changed by any."""

import random
import struct
import zlib

import pytest

from fixtures.batches import Node, raw_deflate
from fixtures.hub import query
from tidegate.limits import BATCH_BYTES_MAX
from tidegate.wire.envelope import DEFLATED, ENVELOPE_BYTES, MAGIC, VERSION
from tidegate_hub.answers import inflate
from tidegate_hub.metrics import Metrics
from tidegate_hub.receiver import Receiver
from tidegate_hub.store import open_store

NOW_MS = 1_795_000_000_000


@pytest.fixture
def receiver(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}", "00000000000000a1")
    yield Receiver(store, Metrics(), lambda: NOW_MS)
    store.close()


def envelope(body, flags=0, version=VERSION, magic=MAGIC, plain_bytes=None, checksum=None):
    length = len(body) if plain_bytes is None else plain_bytes
    head = struct.pack("<3sBBxxxI", magic, version, flags, length)
    checksum = zlib.crc32(head + body) if checksum is None else checksum
    return head + struct.pack("<I", checksum) + body


def patched(node, offset, data):
    """Return the plain batch 1..3 with `data` at `offset` of its body, and its checksum right."""
    body = bytearray(node.body(1, 3, compress=False)[ENVELOPE_BYTES:])
    body[offset : offset + len(data)] = data
    return envelope(bytes(body))


def hostile_bodies():
    node = Node(records=3)
    plain = node.body(1, 3, compress=False)[ENVELOPE_BYTES:]
    bomb = raw_deflate(bytes(64 * 1024 * 1024))
    yield "empty", b"", 422, "bad-length"
    yield "page", b"<html>Log in to the hotel's network</html>", 422, "bad-magic"
    yield "version", envelope(plain, version=9), 422, "unknown-version"
    yield "flags", envelope(plain, flags=0x80), 422, "bad-flags"
    yield "checksum", envelope(plain, checksum=1), 422, "bad-checksum"
    yield "length", envelope(plain, plain_bytes=len(plain) + 1), 422, "bad-length"
    yield "huge", envelope(plain, plain_bytes=BATCH_BYTES_MAX + 1), 413, "too-large"
    yield "bomb", envelope(bomb, DEFLATED, plain_bytes=BATCH_BYTES_MAX), 422, "bad-length"
    yield "small bomb", envelope(bomb, DEFLATED, plain_bytes=100), 422, "bad-length"
    yield "no deflate", envelope(b"\xff" * 40, DEFLATED), 422, "bad-deflate"
    yield (
        "cut deflate",
        envelope(raw_deflate(plain)[:-3], DEFLATED, plain_bytes=len(plain)),
        422,
        "bad-deflate",
    )
    yield (
        "deflate and more",
        envelope(raw_deflate(plain) + b"x", DEFLATED, plain_bytes=len(plain)),
        422,
        "bad-deflate",
    )
    yield "tail", envelope(plain + b"x"), 422, "bad-length"
    yield "hash", patched(node, 24, b"\1\2\3\4"), 422, "bad-hash"
    yield "payload", patched(node, len(plain) - 1, b"!"), 422, "bad-hash"
    yield "other stream", Node("0000000000000bad", records=3).body(1, 3), 422, "foreign-stream"


@pytest.mark.parametrize(
    "body, status, word", [pytest.param(*row, id=name) for name, *row in hostile_bodies()]
)
def test_hostile_batch_gets_its_one_clear_error(receiver, tmp_path, body, status, word):
    node = Node(records=3)
    answer = receiver.receive(str(node.stream), "a", body)
    assert (answer.status, answer.fields["error"]) == (status, word), answer
    assert len(answer.fields["detail"]) > 10
    assert query(f"sqlite:///{tmp_path / 'hub.db'}", "SELECT * FROM streams") == []
    assert receiver.receive(str(node.stream), "a", node.body(1, 3)).status == 200


@pytest.mark.parametrize("name", ["", "x", "a.b.c", "00c0ffee00c0ffee.5f3759df5f3759df.MAIN", "ü"])
def test_name_that_no_stream_has_is_refused(receiver, name):
    for answer in (receiver.receive(name, "a", b""), receiver.standing(name, "a", "")):
        assert (answer.status, answer.fields["error"]) == (422, "bad-stream")


@pytest.mark.parametrize("at", ["-1", "x", "1.5", "²", "1e3", " 1", str(2**48), "9" * 5000])
def test_query_at_no_number_is_refused(receiver, at):
    answer = receiver.standing(str(Node().stream), "a", at)
    assert (answer.status, answer.fields["error"]) == (422, "bad-range")


def test_batch_truncated_anywhere_is_refused(receiver):
    node = Node(records=20)
    for compress in (False, True):
        whole = node.body(1, 20, compress)
        for length in range(len(whole)):
            answer = receiver.receive(str(node.stream), "a", whole[:length])
            assert answer.status == 422, length
        plain = whole[ENVELOPE_BYTES:]
        for length in range(len(plain)):
            # A sender that cuts and then signs what is left: the envelope is right, the body not.
            body = plain[:length]
            flags, plain_bytes = (
                (DEFLATED, len(node.body(1, 20, False)) - 16) if compress else (0, None)
            )
            answer = receiver.receive(
                str(node.stream), "a", envelope(body, flags, plain_bytes=plain_bytes)
            )
            assert answer.status in (422, 413), length
    assert receiver.standing(str(node.stream), "a", "").fields["through"] == 0


def test_random_damage_behind_a_right_checksum_is_answered(receiver):
    """Anything may be answered but an exception, and an accepted batch is one that decodes."""
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    node = Node(records=20)
    plain = node.body(1, 20, compress=False)[ENVELOPE_BYTES:]
    statuses = set()
    for _ in range(2000):
        body = bytearray(plain)
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] = chance.choice(
                (0, 1, 127, 255, chance.randrange(256))
            )
        answer = receiver.receive(str(node.stream), "a", envelope(bytes(body)))
        statuses.add(answer.status)
    assert 422 in statuses and statuses <= {200, 409, 413, 422}, statuses


def test_answers_carry_what_the_sender_needs(receiver):
    node, fork = Node(records=10), Node(records=10, seed=2)
    name = str(node.stream)
    answer = receiver.receive(name, "a", node.body(1, 5))
    receipt = {
        "stream": name,
        "first": 1,
        "last": 5,
        "through": 5,
        "hash": f"{node.hashes[4]:08x}",
        "generation": "00000000000000a1",
    }
    assert (answer.status, answer.fields) == (200, receipt)
    assert receiver.receive(name, "a", node.body(2, 4)).fields == {**receipt, "first": 2, "last": 4}
    standing = {key: receipt[key] for key in ("stream", "through", "hash", "generation")}
    assert receiver.standing(name, "a", "").fields == standing
    at = receiver.standing(name, "a", "3").fields
    assert at == {**standing, "at": 3, "hash_at": f"{node.hashes[2]:08x}"}
    for word, body in (("out-of-order", node.body(8, 10)), ("fork", fork.body(6, 10))):
        answer = receiver.receive(name, "a", body)
        detail = answer.fields.pop("detail")
        assert detail and answer.status == 409
        assert answer.fields == {"error": word, "expected": 6, **standing}


def test_inflate_makes_no_more_than_it_may():
    bomb = raw_deflate(bytes(10_000_000))
    assert len(inflate(bomb, 1000)) == 1001
    assert inflate(raw_deflate(b"abc"), 3) == b"abc"
    assert inflate(raw_deflate(b""), 0) == b""
