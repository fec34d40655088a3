"""Frames are read in chunks as if at once, with bounded memory whatever is damaged."""

from model_medium import ModelFlash
from tidegate.store.frame import Damage, frame, scan
from tidegate.store.segments import Segments, Sizes

NODE = "00c0ffee00c0ffee"


def segments(data, chunk_bytes, frame_bytes_max=1 << 20):
    flash = ModelFlash()
    made = Segments(flash.open(), NODE, 6, Sizes(1 << 16, 256, chunk_bytes, frame_bytes_max))
    flash.synced[1] = data(made.seed(1))
    return made, flash


def frames(seed):
    return b"".join([frame(1, b"x" * size, seed) for size in (0, 5, 300, 1, 90)])


def joined(items):
    """Return the items with damages that meet made one."""
    result = []
    for item in items:
        last = result[-1] if result else None
        both = isinstance(item, Damage) and isinstance(last, Damage)
        if both and last.end == item.start:
            item = Damage(result.pop().start, item.end)
        result.append(item)
    return result


def test_numbers_go_on_behind_the_last():
    made, _ = segments(frames, 64)
    assert (made.next_number(), made.next_number()) == (7, 8)


def test_any_chunk_gives_the_same_frames():
    for damage in (None, 3, 20, 60, 200, 350):
        for chunk_bytes in (12, 50, 64, 299, 300, 4096):

            def data(seed, damage=damage):
                made = bytearray(frames(seed))
                if damage is not None:
                    made[damage] ^= 0xFF
                return bytes(made)

            made, _ = segments(data, chunk_bytes)
            whole = data(made.seed(1))
            found = joined(list(made.frames(1, 0, len(whole))))
            assert found == joined(list(scan(whole, made.seed(1)))), (damage, chunk_bytes)


def test_only_what_counts_is_read():
    made, _ = segments(frames, 64)
    end = len(frame(1, b"", 0)) + len(frame(1, b"x" * 5, 0))
    assert len(list(made.frames(1, 0, end))) == 2
    assert list(made.frames(1, end, end)) == []


def test_a_damaged_length_costs_no_more_than_the_longest_frame():
    def data(seed):
        made = bytearray(frames(seed) * 30)
        made[5] = 0x10  # The first length says a megabyte.
        return bytes(made)

    made, flash = segments(data, 64, 1024)
    size = len(flash.synced[1])
    found = list(made.frames(1, 0, size))
    assert isinstance(found[0], Damage)
    assert len([item for item in found if not isinstance(item, Damage)]) == 5 * 30 - 1
