"""A frame is found wherever it lies whole, nothing else is, and what lies between is reported."""

from binascii import crc32

from support import raises
from tidegate.store.frame import BODY_BYTES_MAX, HEAD_BYTES, MARKER, Damage, Frame, frame, scan

SEED = 0x5EED
BODIES = (b"", b"x", MARKER, b"body of the fourth", b"\0\xff" * 8, MARKER + b"\1\5\0\0\0")
FRAMES = [frame(index + 1, body, SEED) for index, body in enumerate(BODIES)]
LOG = b"".join(FRAMES)


def found(buffer, seed=SEED):
    """Return (kind, body) of the frames, and (start, end) of the damages."""
    items = list(scan(buffer, seed))
    assert_covers(items, len(buffer))
    return split(items)


def split(items):
    frames = [(item.kind, item.body) for item in items if isinstance(item, Frame)]
    damages = [(item.start, item.end) for item in items if isinstance(item, Damage)]
    return frames, damages


def assert_covers(items, size):
    """Every byte is in one frame or one damage, in order, and no two damages meet."""
    at, was_damage = 0, False
    for item in items:
        assert item.start == at < item.end, items
        assert not (was_damage and isinstance(item, Damage)), items
        at, was_damage = item.end, isinstance(item, Damage)
    assert at == size, items


def wanted(numbers):
    return [(number + 1, BODIES[number]) for number in numbers]


EVERY = wanted(range(len(BODIES)))


def test_the_layout_is_the_documented_one():
    body = b"body of the fourth"
    summed = b"\4\x12\0\0\0" + body
    checksum = crc32(summed, SEED).to_bytes(4, "little")
    assert FRAMES[3] == b"\xf9\xd6" + summed[:5] + checksum + body
    assert len(FRAMES[0]) == HEAD_BYTES


def test_frames_come_back():
    assert found(LOG) == (EVERY, [])
    assert found(b"") == ([], [])


def test_a_torn_tail_is_found_at_every_byte():
    for end in range(len(LOG) + 1):
        starts = [0]
        for one in FRAMES:
            starts.append(starts[-1] + len(one))
        whole = [number for number in range(len(FRAMES)) if starts[number + 1] <= end]
        torn = [] if end in starts else [(starts[len(whole)], end)]
        assert found(LOG[:end]) == (wanted(whole), torn), end


def test_every_flipped_bit_is_found_and_costs_one_frame():
    start = 0
    for number, one in enumerate(FRAMES):
        others = [other for other in range(len(FRAMES)) if other != number]
        for place in range(start * 8, (start + len(one)) * 8):
            flipped = bytearray(LOG)
            flipped[place >> 3] ^= 1 << (place & 7)
            assert found(bytes(flipped)) == (wanted(others), [(start, start + len(one))]), place
        start += len(one)


def test_every_lost_byte_is_found_and_costs_one_frame():
    start = 0
    for number, one in enumerate(FRAMES):
        others = [other for other in range(len(FRAMES)) if other != number]
        for place in range(start, start + len(one)):
            frames, damages = found(LOG[:place] + LOG[place + 1 :])
            assert frames == wanted(others), place
            assert damages == [(start, start + len(one) - 1)], place
        start += len(one)


def test_garbage_in_the_middle_is_reported_and_passed():
    middle = len(FRAMES[0] + FRAMES[1] + FRAMES[2])
    for garbage in (
        b"\0",
        b"\xff" * 100,
        MARKER,
        MARKER * 20,
        MARKER[:1],
        MARKER[1:],
        MARKER + b"\1\xff\xff\xff\xff",
        MARKER + b"\1\xff\xff\0\0" + b"\0" * 20,
        FRAMES[3][:-1],
        FRAMES[3][1:],
        b"\n".join([b'{"temperature": 21.5}'] * 9),
    ):
        log = LOG[:middle] + garbage + LOG[middle:]
        assert found(log) == (EVERY, [(middle, middle + len(garbage))]), garbage
        assert found(garbage + LOG) == (EVERY, [(0, len(garbage))]), garbage
        assert found(LOG + garbage) == (EVERY, [(len(LOG), len(log))]), garbage
        assert found(garbage)[0] == []


def test_frames_of_an_earlier_use_never_pass():
    for stale_seed in (0, SEED - 1, SEED + 1, SEED ^ 0x80000000):
        stale = b"".join([frame(1, body, stale_seed) for body in BODIES])
        assert found(stale)[0] == []
        assert found(LOG + stale) == (EVERY, [(len(LOG), len(LOG) + len(stale))])
        # A new log written over half of the old one.
        torn = LOG + stale[len(LOG) // 2 :]
        assert found(torn)[0] == EVERY


def test_a_log_read_in_pieces_gives_the_same():
    damaged = bytearray(LOG)
    damaged[len(FRAMES[0]) + 3] ^= 1
    for log in (LOG, bytes(damaged), LOG[:-3], b"\xff" * 30 + LOG, LOG + MARKER[:1]):
        whole = split(list(scan(log, SEED)))
        for size in range(1, len(log) + 1):
            frames, damages = split(read_in_pieces(log, size))
            assert frames == whole[0], (log, size)
            assert merged(damages) == whole[1], (log, size)


def read_in_pieces(log, size):
    """Scan a log as a journal does that cannot hold it all."""
    items, held, base, at = [], b"", 0, 0
    while True:
        piece = log[at : at + size]
        at += size
        held += piece
        end = base
        for item in scan(held, SEED, base, bool(piece)):
            items.append(item)
            end = item.end
        held = held[end - base :]
        base = end
        if not piece:
            assert held == b""
            return items


def merged(damages):
    """Join damages that meet."""
    joined = []
    for start, end in damages:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def test_a_body_too_long_is_our_own_fault_or_damage():
    with raises(AssertionError):
        frame(256, b"", SEED)
    length = (BODY_BYTES_MAX + 1).to_bytes(4, "little")
    too_long = MARKER + b"\1" + length + b"\0\0\0\0"
    # Even where the rest may still come: nobody waits, or keeps memory, for it.
    assert next(iter(scan(too_long + LOG, SEED, 0, True))) == Damage(0, 11)
