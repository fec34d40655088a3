"""Flash in memory for MicroPython's own file systems, which writes down all that is done to it.

Runs on MicroPython.  `Flash` is what littlefs gets on a board: it programs pages and erases blocks.
`Sectors` is what FAT gets: whole sectors are written over.  Both keep `operations`, from which any
moment can be made again, and count what wears a flash out.
"""

ERASE, PROGRAM = 0, 1


class Flash:
    """The extended interface of a block device; an erased byte is FF."""

    def __init__(self, block_bytes, block_count, records=True):
        self.block_bytes = block_bytes
        self.block_count = block_count
        self.data = bytearray(b"\xff" * (block_bytes * block_count))
        self.operations = [] if records else None
        self.programmed_bytes = 0
        self.erased = [0] * block_count
        self.read_bytes = 0
        self._erased_block = b"\xff" * block_bytes

    def readblocks(self, block, buffer, offset=0):
        at = block * self.block_bytes + offset
        self.read_bytes += len(buffer)
        buffer[:] = memoryview(self.data)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        assert offset is not None, "littlefs erases by itself"
        at = block * self.block_bytes + offset
        if self.operations is not None:
            self.operations.append((PROGRAM, at, bytes(buffer)))
        self.programmed_bytes += len(buffer)
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, what, argument):
        if what == 4:
            return self.block_count
        if what == 5:
            return self.block_bytes
        if what == 6:
            self._erase(argument)
        return 0

    def _erase(self, block):
        at = block * self.block_bytes
        if self.operations is not None:
            self.operations.append((ERASE, at, self._erased_block))
        self.erased[block] += 1
        self.data[at : at + self.block_bytes] = self._erased_block


class Sectors(Flash):
    """A card or a flash that is written over sector by sector."""

    def writeblocks(self, block, buffer, offset=None):
        assert offset is None
        size = self.block_bytes
        for start in range(0, len(buffer), size):
            at = block * size + start
            sector = bytes(memoryview(buffer)[start : start + size])
            if self.operations is not None:
                self.operations.append((PROGRAM, at, sector))
            self.programmed_bytes += size
            self.data[at : at + size] = sector

    def _erase(self, block):
        pass


def apply(data, operation):
    """Do to `data` what an operation did."""
    _, at, new = operation
    data[at : at + len(new)] = new


def torn(data, operation, chance):
    """Yield the three ways in which `operation` can have ended half done, made in `data` each time.

    It stops at any byte; or it leaves, in what it touched, cells that are neither old nor new.
    """
    _, at, new = operation
    size = len(new)
    old = bytes(memoryview(data)[at : at + size])
    cut = 1 + chance.below(size - 1)
    data[at : at + cut] = memoryview(new)[:cut]
    yield "stopped"
    data[at : at + size] = old
    # A cell that is being programmed or erased reads as either value.
    noise = (_garbage(chance, 64) * (size // 64 + 1))[:size]
    change = _number(old) ^ (_number(old) ^ _number(new)) & _number(noise)
    data[at : at + size] = change.to_bytes(size, "little")
    yield "mixed"
    data[at : at + size] = old
    garbage = _garbage(chance, min(size, 64))
    data[at : at + size] = (garbage * (size // len(garbage) + 1))[:size]
    yield "garbage"
    data[at : at + size] = old


def _number(data):
    return int.from_bytes(data, "little")


def _garbage(chance, size):
    parts = [chance.bits64().to_bytes(8, "little") for _ in range((size + 7) // 8)]
    return b"".join(parts)[:size]
