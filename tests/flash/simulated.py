"""A whole node on a flash in memory, in a time of its own.  Runs on MicroPython."""

import vfs
from device import Flash

import tidegate_micropython
from tidegate.events import Answered, Unanswered
from tidegate.wire import ledger
from tidegate.wire.ledger import NEW_STREAM, examine
from tidegate.wire.receipt import Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields

GENERATION = "00000000000000aa"
FOLDER = "/f/log"


class SimulatedTime:
    """As much of the module `time` as a node's clock asks for."""

    def __init__(self):
        self.ms = 1000

    def ticks_ms(self):
        return self.ms

    def ticks_diff(self, later, earlier):
        return later - earlier

    def time_ns(self):
        return (1_800_000_000_000 + self.ms) * 1_000_000


class Receiver:
    """A link with a receiver at its end that applies every batch at once, while it is online."""

    def __init__(self):
        self.online = True
        self.cursors = {}
        self.reasons = []
        self.records = 0
        self.gaps = 0
        self.batches = 0
        self._answers = []
        self._deliver = None

    def start(self, deliver):
        self._deliver = deliver

    def query(self, token, stream, at):
        cursor = self.cursors.get(str(stream), NEW_STREAM)
        fields = standing_fields(stream, Standing(cursor, GENERATION, at, None))
        self._answer(token, fields)

    def send(self, token, batch):
        name, span = str(batch.stream), batch.span
        verdict = examine(self.cursors.get(name, NEW_STREAM), span)
        assert verdict.kind == ledger.APPLY, verdict
        self._answer(
            token,
            receipt_fields(
                batch.stream, Receipt(span.first, span.last, verdict.cursor, GENERATION)
            ),
        )
        if self.online:
            self.cursors[name] = verdict.cursor
            self.batches += 1
            self.records += len(verdict.records)
            self.gaps += sum([gap.last - gap.first + 1 for gap in verdict.gaps])
            self.reasons.extend([gap.reason for gap in verdict.gaps])

    def _answer(self, token, fields):
        if self.online:
            self._answers.append(Answered(token, 200, fields, None, 100))
        else:
            self._answers.append(Unanswered(token, "no network", 0))

    def poll(self, now_ms):
        answers, self._answers = self._answers, []
        for answer in answers:
            self._deliver(answer)

    def deadline_ms(self, now_ms):
        return now_ms if self._answers else None

    def interests(self):
        return []

    def close(self):
        pass


class SimulatedNode:
    """A node with the settings in `journal`, `uplink` and `lane`, a flash, and the time."""

    def __init__(self, options):
        self.flash = Flash(options["block_bytes"], options["block_count"], records=False)
        self._program_bytes = options["program_bytes"]
        vfs.VfsLfs2.mkfs(self.flash, progsize=self._program_bytes)
        self.time = SimulatedTime()
        self.receiver = Receiver()
        journal = {"folder": FOLDER}
        journal.update(options["journal"])
        self._config = {
            "journal": journal,
            "uplink": {"type": "mqtt", "url": "mqtt://192.0.2.7:1883"},
            "board": {"led": ""},
        }
        self._config["uplink"].update(options["uplink"])
        if "lane" in options:
            self._config["lane"] = options["lane"]
        self._start()
        self.start_counts()

    def _start(self):
        vfs.mount(vfs.VfsLfs2(self.flash, progsize=self._program_bytes), "/f")
        self.node = tidegate_micropython.start(self._config, make_link=self._make_link)
        clock = self.node.clock
        clock._clocks = self.time
        clock._ticks = self.time.ms
        self.node.shell.uses_network = True
        self.turn_all()

    def restart(self):
        """Sleep deeply and wake: a new start on the same flash."""
        self.close()
        self._start()

    def _make_link(self, *_):
        return self.receiver

    def start_counts(self):
        self.flash.programmed_bytes = 0
        self.flash.erased = [0] * self.flash.block_count

    @property
    def erases(self):
        return sum(self.flash.erased)

    def advance(self, ms):
        """Let time pass, and the node do what is due meanwhile."""
        end_ms = self.time.ms + ms
        node = self.node
        while True:
            now_ms = node.clock.now_ms()
            due_ms = node.shell.deadline_ms(now_ms)
            wait_ms = max(0, due_ms - now_ms)
            if self.time.ms + wait_ms > end_ms:
                break
            self.time.ms += max(wait_ms, 1)
            node.shell.turn()
        self.time.ms = max(end_ms, self.time.ms)
        node.shell.turn()

    def turn_all(self):
        """Do what is due now."""
        for _ in range(20):
            self.node.shell.turn()

    def close(self):
        self.node.close()
        vfs.umount("/f")
