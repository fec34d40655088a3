"""A record's running hash depends on every bit and on nothing else; properties survive packing."""

import struct
from binascii import crc32

from samples import record
from support import raises
from tidegate.errors import ProtocolError
from tidegate.records.record import (
    HEAD,
    HEAD_BYTES,
    OVERHEAD_BYTES,
    Record,
    fold,
    fold_all,
    pack_properties,
    size_bytes,
    sizes_bytes,
    unpack_properties,
)

PLAIN = Record(1, 2, b"a/b", b"payload", 1, b"")


def canonical(one):
    """Return the canonical bytes of a record, written down a second time, from the protocol."""
    boot, ticks_ms, topic, payload, flags, properties = one
    return (
        boot.to_bytes(4, "little")
        + ticks_ms.to_bytes(8, "little")
        + bytes([flags])
        + len(topic).to_bytes(2, "little")
        + len(payload).to_bytes(4, "little")
        + len(properties).to_bytes(2, "little")
        + topic
        + payload
        + properties
    )


def test_fold_runs_over_the_canonical_bytes():
    running = 0xDEADBEEF
    whole = b""
    for number in range(20):
        whole += canonical(record(number))
        running = fold(running, record(number))
        assert running == crc32(whole, 0xDEADBEEF), number
    assert struct.calcsize(HEAD) == HEAD_BYTES == len(canonical(Record(0, 0, b"", b"", 0, b"")))


def test_a_chain_cut_anywhere_gives_the_same_hashes():
    records = [record(number) for number in range(12)]
    whole = fold_all(77, records)
    assert whole == [fold(before, one) for before, one in zip([77] + whole, records)]
    for cut in range(len(records) + 1):
        front = fold_all(77, records[:cut])
        back = fold_all(front[-1] if front else 77, records[cut:])
        assert front + back == whole, cut
    assert fold_all(5, []) == []


def test_every_field_counts():
    changed = (
        Record(2, 2, b"a/b", b"payload", 1, b""),
        Record(1, 3, b"a/b", b"payload", 1, b""),
        Record(1, 2, b"a/c", b"payload", 1, b""),
        Record(1, 2, b"a/b", b"payloae", 1, b""),
        Record(1, 2, b"a/b", b"payload", 0, b""),
        Record(1, 2, b"a/b", b"payload", 1, b"\0\0\0\0"),
        # The same bytes in all, divided otherwise.
        Record(1, 2, b"a/bp", b"ayload", 1, b""),
        Record(1, 2, b"a/", b"bpayload", 1, b""),
        Record(1, 2, b"a/b", b"payloa", 1, b"d"),
    )
    for one in changed:
        assert fold(0, one) != fold(0, PLAIN), one


def test_every_flipped_bit_changes_the_hash():
    for place in range(len(PLAIN.payload) * 8):
        payload = bytearray(PLAIN.payload)
        payload[place >> 3] ^= 1 << (place & 7)
        flipped = Record(1, 2, b"a/b", bytes(payload), 1, b"")
        assert fold(9, flipped) != fold(9, PLAIN), place


def test_streams_that_differed_once_never_agree_again():
    # A CRC maps different states to different states as long as the same bytes follow.
    ours, theirs = fold(0, record(1)), fold(0, record(2))
    for number in range(3, 40):
        ours, theirs = fold(ours, record(number)), fold(theirs, record(number))
        assert ours != theirs, number


def test_size_counts_every_byte():
    assert size_bytes(PLAIN) == OVERHEAD_BYTES + 3 + 7
    assert size_bytes(Record(1, 2, b"t", b"", 0, b"12345678")) == OVERHEAD_BYTES + 9


def test_sizes_of_many_are_the_sum_of_each():
    records = [PLAIN, Record(1, 2, b"t", b"", 0, b"12345678"), PLAIN]
    for count in range(len(records) + 1):
        some = records[:count]
        assert sizes_bytes(some) == sum([size_bytes(record) for record in some])


def test_properties_come_back_in_their_order():
    for pairs in (
        [],
        [(b"", b"")],
        [(b"a", b"1"), (b"a", b"2"), (b"", b"x"), (b"y", b"")],
        [(b"n" * 300, b"v" * 700)],
        [(b"", b"v" * 65531)],
    ):
        packed = pack_properties(pairs)
        assert unpack_properties(packed) == pairs
        assert len(packed) == sum([4 + len(name) + len(value) for name, value in pairs])


def test_properties_over_the_limit_are_our_own_fault():
    for pairs in ([(b"", b"v" * 65532)], [(b"n" * 70000, b"")], [(b"x" * 96, b"")] * 656):
        with raises(ValueError):
            pack_properties(pairs)


def test_cut_off_properties_are_refused():
    packed = pack_properties([(b"name", b"value"), (b"x", b"")])
    whole = (0, 13, len(packed))
    for end in range(len(packed) + 1):
        if end in whole:
            unpack_properties(packed[:end])
            continue
        with raises(ProtocolError) as caught:
            unpack_properties(packed[:end])
        assert caught.error.reason == "bad-properties", end
