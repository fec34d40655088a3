"""The running hash can be run backwards over any record."""

from tidegate.records.record import Record, fold
from tidegate.records.rewind import hash_before

RECORDS = [
    Record(0, 0, b"a", b"", 0, b""),
    Record(7, 60_000, b"site/7/pump", b'{"bar":4.1}', 1, b""),
    Record((1 << 32) - 1, (1 << 53) - 1, b"t" * 300, bytes(range(256)), 6, b"\0\0\0\0"),
]


def test_what_fold_made_is_undone():
    for before in (0, 1, 0x12345678, 0xFFFFFFFF):
        for record in RECORDS:
            assert hash_before(fold(before, record), record) == before


def test_a_chain_is_walked_back_to_its_start():
    running = 0xC0FFEE
    for record in RECORDS:
        running = fold(running, record)
    for record in reversed(RECORDS):
        running = hash_before(running, record)
    assert running == 0xC0FFEE
