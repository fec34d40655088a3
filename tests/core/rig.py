"""An uplink on a scripted journal and a scripted hub, one request at a time.

After each list of effects the rig compares each lane's figures with what the journal would
recover, and checks the balance: no test of the uplink can pass with a wrong account. Runs on
CPython and MicroPython.
"""

from builders import NODE, chance, records, uplink_settings
from scripted import Medium, ScriptedLink
from scripted_hub import ScriptedHub
from tidegate.delivery.line import Line
from tidegate.delivery.moment import Moment
from tidegate.delivery.retry_after import parse_retry_after
from tidegate.delivery.schedule import Schedule
from tidegate.delivery.uplink import Uplink
from tidegate.effects import Append, Fetch, Locate, Query, Send, Sync
from tidegate.events import Answered, Fetched, Located, Unanswered
from tidegate.store.lane import Lane

PUMPS_MAX = 1000


class Rig:
    """`lanes` in the order of priority; further arguments are settings of the uplink."""

    def __init__(self, lanes=("main",), urgent=(), schedule=None, **settings):
        self.settings = uplink_settings(**settings)
        self.medium = Medium(lanes)
        self.log = self.medium.log
        self.hub = ScriptedHub()
        self.urgent = list(urgent)
        self.schedule = schedule or Schedule([])
        self.now_ms = 1000
        self.wall_ms = None
        self.chance_seed = 1
        self.reports = []
        self.start()

    def start(self):
        """Begin as after a start of the program: with what the medium holds and nothing else."""
        self.journal = self.medium.open()
        self.lanes = [Lane(state) for state in self.journal.recover().lanes]
        self.lane = self.lanes[0]
        draw = chance(self.chance_seed)
        self.line = Line(self.settings.retry_max_s * 1000, self.schedule, draw, parse_retry_after)
        self.uplink = Uplink(NODE, self.lanes, self.urgent, self.line, self.settings, draw)
        self.sender = self.uplink.senders[0]
        self.link = ScriptedLink(self.log)
        self.clear()

    def clear(self):
        """Forget what was logged so far."""
        self.log[:] = []

    @property
    def moment(self):
        return Moment(self.now_ms, self.wall_ms, 1)

    @property
    def state(self):
        """Return the state of the first lane's sender."""
        return self.sender.state

    def admit(self, count, lane=None):
        """Admit `count` records whose payloads are their numbers, synced."""
        lane = lane or self.lane
        self.take([Append([lane.admit(records(count, lane.last + 1))]), Sync()])

    def set_aside(self, first, last, reason="overflow", kept=False):
        """Make a gap of held records."""
        self.take([Append(self.lane.set_aside(first, last, 0, reason, kept)), Sync()])

    def take(self, effects):
        """Carry effects out, and what follows from them."""
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            if isinstance(effect, Append):
                self.journal.append(effect.entries)
            elif isinstance(effect, Sync):
                self.journal.sync()
            elif isinstance(effect, Fetch):
                span = self.journal.read(
                    effect.lane, effect.first, effect.count_max, effect.bytes_max
                )
                waiting.extend(self.uplink.fetched(Fetched(effect.lane, span), self.moment))
            elif isinstance(effect, Locate):
                hash_at = self.journal.hash_at(effect.lane, effect.seq)
                located = Located(effect.lane, effect.seq, hash_at)
                waiting.extend(self.uplink.located(located))
            elif isinstance(effect, Query):
                self.link.query(effect.token, effect.stream, effect.at)
            else:
                assert isinstance(effect, Send)
                self.link.send(effect.token, effect.batch)
        self.check_figures()
        self.reports.extend(self.line.take_reports())

    def check_figures(self):
        for lane in self.lanes:
            assert lane.balance.holds, (lane.name, lane.balance)
            state = self.medium.lanes[lane.name].state(lane.name)
            assert lane.balance == (
                state.last, state.delivered, state.held_records, state.quarantined, state.dropped
            ), (lane.balance, state)  # fmt: skip
            ours = (lane.epoch, lane.last_hash, lane.through, lane.forgotten)
            assert ours == (state.epoch, state.last_hash, state.through, state.forgotten), ours

    def pump(self):
        """Let the senders use the line until none does."""
        for _ in range(PUMPS_MAX):
            effects = self.uplink.pump(self.moment)
            if not effects:
                self.reports.extend(self.line.take_reports())
                return
            self.take(effects)
        raise AssertionError("the senders never come to rest")

    def answer(self, status, fields=None, retry_after=None, sent_bytes=0):
        """Answer the oldest request."""
        token = self.link.requests.pop(0)[0]
        event = Answered(token, status, fields, retry_after, sent_bytes)
        self.take(self.uplink.answered(event, self.moment))
        self.pump()

    def lose(self, reason="timeout"):
        """Lose the oldest request, or its answer."""
        token = self.link.requests.pop(0)[0]
        self.take(self.uplink.unanswered(Unanswered(token, reason, 0), self.moment))
        self.pump()

    def hub_says(self):
        """Return what the hub says to the oldest request, (status, fields)."""
        request = self.link.requests[0]
        if len(request) == 3:
            return self.hub.query(request[1], request[2])
        return self.hub.receive(request[1])

    def serve(self):
        """Have the hub answer every request there is and that follows at once."""
        for _ in range(PUMPS_MAX):
            if not self.link.requests:
                return
            status, fields = self.hub_says()
            self.answer(status, fields)
        raise AssertionError("the requests never end")

    def deadline_ms(self):
        return self.uplink.deadline_ms(self.moment)

    @property
    def is_idle(self):
        """Tell whether no sender has anything to send, or a question but for its paced one."""
        return all(sender.is_idle for sender in self.uplink.senders)

    def wait(self):
        """Go to the next deadline; there must be one."""
        self.now_ms = max(self.now_ms, self.deadline_ms())
        self.pump()

    def deliver(self):
        """Serve, and wait where the senders wait, until all is delivered."""
        self.pump()
        for _ in range(PUMPS_MAX):
            self.serve()
            if self.is_idle:
                return
            self.wait()
        raise AssertionError("not everything gets delivered")

    def ready(self):
        """Answer the first query of every sender; then none has anything to send."""
        self.deliver()
        self.clear()

    def fly(self, count):
        """Admit `count` records and go on until they are in flight, in one batch."""
        self.ready()
        self.admit(count)
        self.pump()
        if not self.link.requests:
            self.wait()
        assert self.sent()[-1] == (self.lane.last - count + 1, self.lane.last), self.log
        self.clear()

    def sent(self):
        """Return the ranges that were sent, (first, last)."""
        return [line[2:] for line in self.log if line[0] == "send"]

    def asked(self):
        """Return the sequence numbers that queries asked for; 0 is the cursor alone."""
        return [line[2] for line in self.log if line[0] == "query"]

    def entries(self):
        """Return the kinds of entries that were appended, a list a commit."""
        return [list(line[1:]) for line in self.log if line[0] == "append"]

    def events(self):
        """Return what was reported."""
        return [report.event for report in self.reports]
