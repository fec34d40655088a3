"""Whatever a batch holds comes back; whatever bytes come in are refused, or read in one form."""

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from properties.strategies import batches
from tidegate.errors import ProtocolError
from tidegate.wire.batch import encode
from tidegate.wire.decoder import decode
from tidegate.wire.envelope import DEFLATED, ENVELOPE_BYTES, deflated, seal, wrap


def deflate(data):
    """Make a raw deflate stream."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def inflate(stored, bytes_max):
    """Undo it within the contract of `opener.unwrap`."""
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        plain = unpacker.decompress(stored, bytes_max + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("the stream is cut off or goes on")
    return plain


def accepted(data):
    """Return the batch in `data`, or None when it is refused as the contract says."""
    try:
        return decode(data, inflate)
    except ProtocolError as error:
        assert error.reason and error.detail
        return None


@given(batches)
def test_every_batch_comes_back(batch):
    data = encode(batch)
    assert decode(data) == batch
    assert decode(deflated(data, deflate), inflate) == batch


@given(st.binary())
def test_any_bytes_are_refused_or_read(data):
    accepted(data)
    assert accepted(wrap(data)) is None or encode(decode(wrap(data))) == wrap(data)


@given(batches, st.data())
def test_what_is_read_has_one_form_only(batch, data):
    # Damage behind a good envelope, so that the body's own checks are met.
    body = bytearray(encode(batch)[ENVELOPE_BYTES:])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    found = accepted(wrap(bytes(body)))
    if found is not None:
        assert encode(found)[ENVELOPE_BYTES:] == bytes(body)


@given(batches, st.integers(1, 1 << 32))
def test_any_damage_on_the_way_is_found(batch, seed):
    # A CRC-32 finds every burst of up to 32 bits for certain, and what is wider but for 1 in 2**32.
    chance = random.Random(seed)
    data = bytearray(deflated(encode(batch), deflate))
    at = chance.randrange(len(data))
    end = min(len(data), at + chance.randint(1, 4))
    before = bytes(data)
    for place in range(at, end):
        data[place] ^= chance.randrange(256)
    if bytes(data) != before:
        assert accepted(bytes(data)) is None


@given(batches)
def test_a_deflated_batch_never_inflates_beyond_its_word(batch):
    data = encode(batch)
    plain_bytes = len(data) - ENVELOPE_BYTES
    stored = deflate(data[ENVELOPE_BYTES:] + b"\0" * 1_000_000)
    bomb = seal(stored, DEFLATED, plain_bytes)
    given_bytes = []

    def watched(stored, bytes_max):
        assert bytes_max == plain_bytes
        unpacker = zlib.decompressobj(wbits=-15)
        plain = unpacker.decompress(stored, bytes_max + 1)
        given_bytes.append(len(plain))
        return plain

    try:
        decode(bomb, watched)
        raise AssertionError("a bomb was accepted")
    except ProtocolError as error:
        assert error.reason == "bad-length"
    assert given_bytes == [plain_bytes + 1]
