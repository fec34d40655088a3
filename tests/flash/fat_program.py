"""Power cuts of a log on FAT: `micropython fat_program.py OPTIONS`, with those of `cuts_program`.

FAT writes over what is there, sector by sector, and so cannot promise what littlefs does.  Looked
at is whether anything that is read is wrong; what is lost is counted.  Cuts between two sectors and
within one are counted apart, as [images, refused, lossy, anew]: the file system or the log said
that it is broken; a promised record is missing; a lane has begun anew.
"""

import json
import sys
from binascii import crc32

from cuts_program import ALL, Bench, Run, WrongError, entries_of, go_on
from device import apply, torn
from plants import plant

from tidegate.delivery.chance import Chance
from tidegate.errors import StorageError
from tidegate.records.record import size_bytes
from tidegate.store.journal import Admitted, Renewed

IMAGES, REFUSED, LOSSY, ANEW = 0, 1, 2, 3


class Truth:
    """What was ever admitted: by lane, the place and the content behind each running hash."""

    def __init__(self, run):
        self.run = run
        self.of_lane = {lane: {} for lane in run.lanes}
        self.bases = {}  # By (lane, epoch): the place before its first number.
        places = dict.fromkeys(run.lanes, 0)
        through = dict.fromkeys(run.lanes, 0)
        bases = dict.fromkeys(run.lanes, 0)
        for lane, epoch in run.epochs[0].items():
            self.bases[lane, epoch] = 0
        for group in run.groups:
            for entry in entries_of(group):
                if isinstance(entry, Admitted):
                    record = entry.records[0]
                    places[entry.lane] = bases[entry.lane] + entry.first
                    known = (places[entry.lane], digest_of(record))
                    self.of_lane[entry.lane][entry.hashes[0]] = known
                elif isinstance(entry, Renewed):
                    bases[entry.lane] += through[entry.lane]
                    through[entry.lane] = 0
                    self.bases[entry.lane, entry.epoch] = bases[entry.lane]
                elif hasattr(entry, "delivered"):
                    through[entry.lane] = entry.through

    def check(self, lane, span):
        """Raise where a record is not what was admitted under its number."""
        known = self.of_lane[lane.lane]
        base = self.bases.get((lane.lane, lane.epoch))
        before = 0
        at = span.first
        gaps = list(span.gaps)
        for index in range(len(span.records)):
            while gaps and gaps[0].first <= at:
                at = gaps.pop(0).last + 1
            place, digest = known.get(span.hashes[index], (0, 0))
            if not place or digest != digest_of(span.records[index]):
                raise WrongError(f"{lane.lane} reads a record that never was, at {at}")
            if place <= before or (base is not None and place - base != at):
                raise WrongError(f"{lane.lane} reads place {place} as number {at} of base {base}")
            before = place
            at += 1
        return base is None


def digest_of(record):
    return crc32(record.payload, size_bytes(record) ^ crc32(record.topic))


class FatTrial:
    """Looks at one image after the other."""

    def __init__(self, bench, run):
        self.bench = bench
        self.run = run
        self.truth = Truth(run)
        self.wrong = 0
        self.first = []
        self.between = [0, 0, 0, 0]
        self.within = [0, 0, 0, 0]
        self.scratch = bench.new_flash(records=False)

    def look(self, data, state, label, counts):
        counts[IMAGES] += 1
        self.scratch.data[:] = data
        self.scratch.operations = []
        try:
            self._check(state, counts)
        except (OSError, StorageError):
            counts[REFUSED] += 1
        except (WrongError, ValueError, AssertionError, KeyError, IndexError) as error:
            self.wrong += 1
            if len(self.first) < 5:
                self.first.append(f"{label}, state {state}: {type(error).__name__} {error}"[:400])
                if not isinstance(error, WrongError):
                    sys.print_exception(error, sys.stderr)

    def _check(self, state, counts):
        bench, flash = self.bench, self.scratch
        bench.mount(flash)
        journal = None
        try:
            journal = bench.open(self.run.lanes)
            is_anew, is_lossy = self._compare(journal, state)
            expected = go_on(journal)
            journal.close()
            bench.unmount()
            bench.mount(flash)
            journal = bench.open(self.run.lanes)
            found = [(lane.lane, lane.epoch, lane.last) for lane in journal.recover().lanes]
            # A medium that was broken by the first cut may break further; it must not lie.
            is_lossy = is_lossy or found != [each[:3] for each in expected]
            counts[ANEW] += is_anew
            counts[LOSSY] += is_lossy
        finally:
            if journal is not None:
                journal.close()
            bench.unmount()

    def _compare(self, journal, state):
        is_anew = is_lossy = False
        for lane in journal.recover().lanes:
            aside = lane.quarantined + sum(lane.dropped.values())
            if lane.last != lane.delivered + lane.held_records + aside:
                raise WrongError(f"the balance of {lane.lane} does not hold: {lane}")
            span = journal.read(lane.lane, lane.forgotten + 1, ALL, ALL)
            is_new = self.truth.check(lane, span)
            is_lossy = is_lossy or span.last != lane.last
            expected = self.run.expected(state, lane.lane)
            if expected is not None:
                is_anew = is_anew or is_new
                is_lossy = is_lossy or (not is_new and lane.last < expected[0] and state == 0)
                is_lossy = is_lossy or self._misses(lane, span, state)
        return is_anew, is_lossy

    def _misses(self, lane, span, state):
        """Tell whether fewer can be read than either state around the cut has."""
        counts = []
        for number in (state, min(state + 1, len(self.run.groups))):
            counts.append(self.run.expected(number, lane.lane)[10])
        return len(span.records) < min(counts)


def main(options):
    with open(options["history"]) as file:
        history = json.load(file)
    bench = Bench(options, plant(options["plant"]))
    run = Run(bench, history)
    trial = FatTrial(bench, run)
    chance = Chance(options["seed"] + 1)
    base = bytearray(run.image)
    state = -1
    for index, operation in enumerate(run.operations):
        while state + 1 < len(run.done) and run.done[state + 1] <= index:
            state += 1
        if index % options["every"] == 0:
            trial.look(base, state, f"before {index}", trial.between)
            for way in torn(base, operation, chance):
                trial.look(base, state, f"{index} {way}", trial.within)
        apply(base, operation)
    print(
        json.dumps(
            {
                "operations": len(run.operations),
                "wrong": trial.wrong,
                "between": trial.between,
                "within": trial.within,
                "first": trial.first,
            }
        )
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
