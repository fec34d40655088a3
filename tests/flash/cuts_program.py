"""Power cuts of a log on a file system of MicroPython: `micropython cuts_program.py OPTIONS`.

OPTIONS is JSON: `history` (a file that `history.py` wrote), `kind` ("littlefs" or "fat"),
`block_bytes`, `block_count`, `program_bytes`, `seed`, `plant` (see `plants`; ends at the first
image that is wrong), `nested` (cut every n-th recovery as well; 0: none), `every` (look at every
n-th operation).

The history is carried out once, and everything that is done to the flash is recorded.  Then the
flash is made as it was before each operation and with that operation half done, mounted, opened,
compared, appended to, and opened once more.  Prints a summary as JSON.
"""

import json
import sys
from binascii import crc32, unhexlify

import vfs
from device import Flash, Sectors, apply, torn
from plants import plant

from tidegate.delivery.chance import Chance
from tidegate.errors import StorageError
from tidegate.records.record import Record, fold_all, size_bytes
from tidegate.store.entry import read_entry
from tidegate.store.frame import scan
from tidegate.store.journal import Admitted
from tidegate.store.log import open_log
from tidegate.store.segments import Sizes

# Small, so that a short history has many segments and groups that are longer than the buffer.
SIZES = Sizes(4096, 256, 512, 4096 + 512)
ALL = 1 << 30
FOLDER = "/f/log"
RECOVERY_OPERATIONS_MAX = 60
# Whether an image may, or must, have what was appended after an earlier cut.
NOT, PERHAPS, SURELY = 0, 1, 2


class WrongError(Exception):
    """What was found is not what was promised."""


class Bench:
    """A file system on a flash, with a log on it."""

    def __init__(self, options, medium):
        self.options = options
        self.flash = None
        self._medium = medium
        self._opened = 0
        self._chance = Chance(options["seed"])

    def new_flash(self, records=True):
        options = self.options
        kind = Sectors if options["kind"] == "fat" else Flash
        return kind(options["block_bytes"], options["block_count"], records)

    def format(self, flash):
        if self.options["kind"] == "fat":
            vfs.VfsFat.mkfs(flash)
        else:
            vfs.VfsLfs2.mkfs(flash, progsize=self.options["program_bytes"])

    def mount(self, flash):
        if self.options["kind"] == "fat":
            vfs.mount(vfs.VfsFat(flash), "/f")
        else:
            size = self.options["program_bytes"]
            vfs.mount(vfs.VfsLfs2(flash, progsize=size, readsize=32, lookahead=32), "/f")

    def unmount(self):
        vfs.umount("/f")

    def open(self, lanes):
        return open_log(self._medium(FOLDER), lanes, self._chance, SIZES)


def entries_of(group):
    """Return the entries of a group."""
    return [read_entry(found) for text in group["frames"] for found in scan(unhexlify(text), 0)]


def joined(gaps):
    result = []
    for gap in gaps:
        first, last, hash_at, reason = gap
        if result and result[-1][1] + 1 == first and result[-1][3] == reason:
            result[-1] = [result[-1][0], last, hash_at, reason]
        else:
            result.append([first, last, hash_at, reason])
    return result


def plain(field):
    return field.hex() if isinstance(field, bytes) else field


def seen_of(journal, lane):
    """Return what a history expects of a lane, as the log tells it."""
    span = journal.read(lane.lane, lane.forgotten + 1, ALL, ALL)
    digest = 0
    for record in span.records:
        digest = crc32(repr(tuple([plain(field) for field in record])).encode(), digest)
    if span.last != lane.last or span.damaged:
        raise WrongError(f"{lane.lane} reads to {span.last} of {lane.last}, damaged {span.damaged}")
    aside = lane.quarantined + sum(lane.dropped.values())
    if lane.last != lane.delivered + lane.held_records + aside:
        raise WrongError(f"the balance of {lane.lane} does not hold: {lane}")
    dropped = sorted([[reason, count] for reason, count in lane.dropped.items()])
    return [
        lane.last, lane.last_hash, lane.through, lane.forgotten, lane.delivered, lane.quarantined,
        dropped, joined(lane.gaps), lane.held_records, lane.held_bytes,
        len(span.records), digest, span.hash_before, joined(span.gaps),
    ]  # fmt: skip


class Run:
    """The one run that everything is cut from.

    `done[n]` is how many operations there were when the n-th state was promised; `epochs[n]` are
    the lanes' then.  State 0 is an empty log; before it nothing was promised.
    """

    def __init__(self, bench, history):
        self.lanes = history["lanes"]
        self.groups = history["groups"]
        self.done = []
        self.epochs = []
        flash = bench.flash = bench.new_flash()
        bench.format(flash)
        flash.operations.clear()
        self.image = bytes(flash.data)
        bench.mount(flash)
        journal = bench.open(self.lanes)
        self._promise(flash, journal)
        for group in self.groups:
            if bench.options["plant"] == "early":
                self._promise(flash, journal, group)
            journal.append(entries_of(group))
            journal.sync()
            if bench.options["plant"] != "early":
                self._promise(flash, journal)
            if group["reopens"]:
                journal.close()
                bench.unmount()
                bench.mount(flash)
                journal = bench.open(self.lanes)
        journal.close()
        bench.unmount()
        self.operations = flash.operations

    def _promise(self, flash, journal, group=None):
        self.done.append(len(flash.operations))
        epochs = {lane.lane: lane.epoch for lane in journal.recover().lanes}
        for entry in entries_of(group) if group else []:
            if hasattr(entry, "epoch"):
                epochs[entry.lane] = entry.epoch
        self.epochs.append(epochs)

    def expected(self, state, lane):
        """Return what a lane must show in that state, None where nothing was promised yet."""
        if state < 0:
            return None
        if state == 0:
            return [0, 0, 0, 0, 0, 0, [], [], 0, 0, 0, 0, 0, []]
        return self.groups[state - 1]["expected"]["lanes"][lane]

    def compare(self, journal, state, gone_on=NOT):
        """Hold the log to the state that was promised last, or to the one after it."""
        recovered = journal.recover()
        for lane in recovered.lanes:
            mine = seen_of(journal, lane)
            if not self._is_one_of(lane, mine, state, gone_on):
                raise WrongError(f"{lane.lane} has {mine}, not {self.expected(state, lane.lane)}")
        if state > 0:
            self._compare_boots(recovered, state)

    def _is_one_of(self, lane, mine, state, gone_on):
        for number in (state, min(state + 1, len(self.groups))):
            expected = self.expected(number, lane.lane)
            if expected is None:
                if lane.last == 0 or gone_on:
                    return True
            elif self.epochs[number][lane.lane] == lane.epoch:
                longer = longer_by_two(expected, lane.lane)
                if (gone_on and mine == longer) or (gone_on != SURELY and mine == expected):
                    return True
        return False

    def _compare_boots(self, recovered, state):
        boots = [list(boot) for boot in recovered.boots]
        spent = list(recovered.spent)
        for number in (state, min(state + 1, len(self.groups))):
            expected = self.groups[number - 1]["expected"]
            if (boots, spent) == (expected["boots"], expected["spent"]):
                return
        raise WrongError(f"boots {boots} and budget {spent} are none of state {state}")


def two_more(lane):
    """Return the two records that are appended to a lane after a cut."""
    # Of boot 0, which every history knows: a record of an unknown boot makes the log remember one.
    return [Record(0, 5, b"after/the/cut", lane.encode() * 9, 1, b"")] * 2


def longer_by_two(expected, lane):
    """Return what a history expects of a lane, and those two records behind it."""
    records = two_more(lane)
    last, last_hash, *_ = expected
    digest = expected[11]
    for record in records:
        digest = crc32(repr(tuple([plain(field) for field in record])).encode(), digest)
    size = sum([size_bytes(record) for record in records])
    longer = [last + 2, fold_all(last_hash, records)[-1]] + expected[2:8]
    longer += [expected[8] + 2, expected[9] + size, expected[10] + 2, digest]
    return longer + expected[12:]


def go_on(journal):
    """Append to each lane and sync; return what must be there afterwards."""
    expected = []
    for lane in journal.recover().lanes:
        records = two_more(lane.lane)
        hashes = fold_all(lane.last_hash, records)
        journal.append([Admitted(lane.lane, lane.last + 1, hashes, records)])
        expected.append((lane.lane, lane.epoch, lane.last + 2, hashes[-1], lane.held_records + 2))
    journal.sync()
    return expected


class Trial:
    """Looks at one image after the other; counts, and keeps the first that were wrong."""

    def __init__(self, bench, run):
        self.bench = bench
        self.run = run
        self.images = 0
        self.wrong = 0
        self.first = []
        self.unusable = 0
        self.promised = ALL
        self.scratch = bench.new_flash(records=False)

    def look(self, data, state, label, gone_on=NOT):
        """Check one image; return what its recovery did, and after how much it had promised."""
        self.images += 1
        flash = self.scratch
        flash.data[:] = data
        flash.operations = []
        self.promised = ALL
        try:
            self._check(flash, state, gone_on)
        except (WrongError, ValueError, AssertionError, KeyError, IndexError) as error:
            self._blame(f"{label}, state {state}: {type(error).__name__} {error}")
        except (OSError, StorageError) as error:
            # The medium says clearly that it is broken.
            self.unusable += 1
            if self.bench.options["kind"] != "fat":
                self._blame(f"{label}, state {state}: {error!r}")
        return flash.operations, self.promised

    def _blame(self, text):
        self.wrong += 1
        if len(self.first) < 5:
            self.first.append(text[:600])

    def _check(self, flash, state, gone_on):
        bench, lanes = self.bench, self.run.lanes
        bench.mount(flash)
        journal = None
        try:
            journal = bench.open(lanes)
            if journal.damaged or journal.set_aside:
                raise WrongError(f"damage {journal.damaged}, set aside {journal.set_aside}")
            self.run.compare(journal, state, gone_on)
            expected = go_on(journal)
            self.promised = len(flash.operations)
            journal.close()
            bench.unmount()
            bench.mount(flash)
            journal = bench.open(lanes)
            for lane, wanted in zip(journal.recover().lanes, expected):
                found = (lane.lane, lane.epoch, lane.last, lane.last_hash, lane.held_records)
                if found != wanted:
                    raise WrongError(f"{found} after going on, not {wanted}")
                seen_of(journal, lane)
        finally:
            if journal is not None:
                journal.close()
            bench.unmount()


def cut_everywhere(bench, run):
    """Cut before and within each operation; return the trial."""
    options = bench.options
    trial = Trial(bench, run)
    chance = Chance(options["seed"] + 1)
    base = bytearray(run.image)
    state = -1
    for index, operation in enumerate(run.operations):
        while state + 1 < len(run.done) and run.done[state + 1] <= index:
            state += 1
        if index % options["every"] == 0:
            made = trial.look(base, state, f"before {index}")
            for way in torn(base, operation, chance):
                trial.look(base, state, f"{index} {way}")
            if trial.wrong and options["plant"]:
                break
            if options["nested"] and index % options["nested"] == 0:
                cut_recovery(trial, base, made, state, chance, index)
        apply(base, operation)
    return trial


def cut_recovery(trial, image, made, state, chance, index):
    """Cut what followed a cut, too: `made` is what that did, and after how much it had promised."""
    operations, promised = made
    again = bytearray(image)
    for number, operation in enumerate(operations[:RECOVERY_OPERATIONS_MAX]):
        gone_on = SURELY if number >= promised else PERHAPS
        label = f"{index}, recovery {number}"
        trial.look(again, state, label, gone_on)
        for way in torn(again, operation, chance):
            trial.look(again, state, f"{label} {way}", gone_on)
        apply(again, operation)


def main(options):
    with open(options["history"]) as file:
        history = json.load(file)
    bench = Bench(options, plant(options["plant"]))
    run = Run(bench, history)
    trial = cut_everywhere(bench, run)
    print(
        json.dumps(
            {
                "operations": len(run.operations),
                "groups": len(run.groups),
                "images": trial.images,
                "wrong": trial.wrong,
                "unusable": trial.unusable,
                "first": trial.first,
            }
        )
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
