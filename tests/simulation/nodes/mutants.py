"""Planted bugs of nodes and of the gateway that receives them, each of which must be found.

As in `simulation/mutants.py`, this is the one place where code of the project is patched.  The
number is how many seeds, from 0 on, it took when the bug was planted; `seeds_max` says how many it
may take, for a change of code or world gives every seed another run.
"""

from collections import deque
from itertools import pairwise
from typing import Any

from simulation.mutants import Mutant, Patch
from tidegate.effects import Acknowledge, Append, Sync
from tidegate.gateway import NODES, Gateway
from tidegate.records.clock import UNKNOWN
from tidegate.records.origin import GAP_TOPIC
from tidegate.store.account import Account
from tidegate.store.chain import Chain
from tidegate.store.journal import Noted
from tidegate.store.recovery import Replay
from tidegate_linux.nodes import arrivals, machine
from tidegate_linux.nodes.accounts import Accounts
from tidegate_linux.nodes.machine import RUNNING, NodeMachine
from tidegate_micropython.source import NAME, NodeSource

# The node.


def _acknowledges_first(original):
    def gathered(self, arrivals):
        effects = original(self, arrivals)
        early = [one for one in effects if isinstance(one, Acknowledge) and one.source == NAME]
        return early + [one for one in effects if one not in early]

    return gathered


def _refused_is_stored(_original):
    def refuse(self, generation, tokens, reason):
        self.acknowledge(generation, tokens)

    return refuse


# Its log.


def _believes_unsynced(original):
    def read(self, number, size_bytes):
        found = original(self, number, size_bytes)
        account = self.account
        if account is not None and account.last:
            account.held_records = account.live_between(account.through + 1, account.last)
            self.confirmed = account.copy()
        return found

    return read


def _behind_a_torn_end(original):
    def read(self, number, size_bytes):
        found = original(self, number, size_bytes)
        self.is_whole = True
        return found

    return read


def _removes_too_early(_original):
    def reclaim(self):
        account, parts = self.seen, self.parts
        kept = []
        for part, after in pairwise(parts):
            end = after.first - 1 - account.base
            if account.live_between(part.first - account.base, end) > 1:
                kept.append(part)
            else:
                self._segments.medium.remove(part.number)
        parts[:] = [*kept, parts[-1]]

    return reclaim


def _keeps_its_numbers(_original):
    def renew(self, epoch, hash_at):
        self.epoch = epoch

    return renew


def _drops_without_a_gap(_original):
    def add_hole(self, new, told):
        return None

    return add_hole


# The gateway's transaction.


def _split(is_note_first):
    def plant(original):
        def gathered(self, arrivals):
            effects = original(self, arrivals)
            if not effects or not isinstance(effects[0], Append):
                return effects
            notes = [one for one in effects[0].entries if isinstance(one, Noted)]
            others = [one for one in effects[0].entries if not isinstance(one, Noted)]
            if not notes or not others or notes[0].source != NODES:
                return effects
            parts = [notes, others] if is_note_first else [others, notes]
            return [Append(parts[0]), Sync(), Append(parts[1]), *effects[1:]]

        return gathered

    return plant


# The machine of nodes.


def _answers_at_once(original):
    def apply(self, request, batch, account, verdict, now_ms):
        self._reply_receipt(batch, verdict.cursor, request.reply)
        silent = request._replace(reply=lambda _answer: None)
        original(self, silent, batch, account, verdict, now_ms)

    return apply


def _keeps_its_memory(_original):
    def resume(self):
        self.generation += 1
        self.state = RUNNING

    return resume


def _leaves_batches_under_way(_original):
    def pause(self):
        self.state = machine.PAUSED

    return pause


def _knows_before_it_is_durable(original):
    def apply(self, request, batch, account, verdict, now_ms):
        original(self, request, batch, account, verdict, now_ms)
        for flight in self._flights.values():
            self._accounts.put(flight.batch.stream, flight.account)

    return apply


def _questions_do_not_wait(original):
    def take(self, request, now_ms):
        if request.batch is None and self.state == RUNNING:
            self._handle(request, now_ms)
        else:
            original(self, request, now_ms)

    return take


def _batches_do_not_wait(original):
    def take(self, request, now_ms):
        if self.state == RUNNING:
            self._handle(request, now_ms)
        else:
            original(self, request, now_ms)

    return take


def _nobody_waits(_original):
    def serve(self, stream, now_ms):
        self._queues.pop(str(stream), deque())

    return serve


def _one_page_is_all(original):
    def found(self, generation, pairs):
        page_notes, machine.PAGE_NOTES = machine.PAGE_NOTES, -1
        try:
            original(self, generation, pairs)
        finally:
            machine.PAGE_NOTES = page_notes

    return found


def _anybody_is_the_owner(_original):
    def owner_of(self, node):
        return None

    return owner_of


def _keeps_gaps_to_itself(original):
    def messages_of(batch, verdict, now_ms, keeps_origins=True):
        messages = original(batch, verdict, now_ms, keeps_origins)
        return [message for message in messages if message.topic != GAP_TOPIC]

    return messages_of


def _off_by_one(original):
    def messages_of(batch, verdict, now_ms, keeps_origins=True):
        if verdict.first > batch.span.first and not verdict.gaps:
            cursor = verdict.cursor._replace(through=verdict.cursor.through - 1)
            verdict = verdict._replace(first=verdict.first - 1, cursor=cursor)
        return original(batch, verdict, now_ms, keeps_origins)

    return messages_of


def _gaps_come_last(original):
    def messages_of(batch, verdict, now_ms, keeps_origins=True):
        messages = original(batch, verdict, now_ms, keeps_origins)
        return sorted(messages, key=lambda message: message.topic == GAP_TOPIC)

    return messages_of


def _takes_what_is_ahead(original):
    def examine(cursor, span):
        if span.first > cursor.through + 1:
            cursor = cursor._replace(through=span.first - 1, hash_at=None)
        return original(cursor, span)

    return examine


def _no_wall_time(_original):
    def times(batch, boot, ticks_ms):
        return None, UNKNOWN, batch.sent_ticks_ms - ticks_ms

    return times


def _no_origin(_original):
    def with_origin(properties, value):
        return properties

    return with_origin


def _compares_nothing(original):
    def examine(cursor, span):
        return original(cursor._replace(hash_at=None), span)

    return examine


def _single(name: str, owner: Any, attribute: str, make: Any) -> Mutant:
    return Mutant(name, (Patch(owner, attribute, make),))


_NOT_DURABLE = Mutant(
    "gateway: answers a question from memory",
    (
        Patch(NodeMachine, "_apply", _knows_before_it_is_durable),
        Patch(NodeMachine, "_take", _questions_do_not_wait),
    ),
)
_TWO_AT_ONCE = Mutant(
    "gateway: two batches of a stream under way",
    (
        Patch(NodeMachine, "_take", _batches_do_not_wait),
        Patch(NodeMachine, "_serve", _nobody_waits),
    ),
)

MUTANTS = (
    (
        _single("node: acknowledges before the sync", Gateway, "_gathered", _acknowledges_first),
        2000,
    ),
    (_single("node: what is refused is stored", NodeSource, "refuse", _refused_is_stored), 46),
    (_single("log: believes groups without a mark", Replay, "read", _believes_unsynced), 2),
    (_single("log: goes on behind a torn end", Replay, "read", _behind_a_torn_end), 104),
    (_single("log: removes a segment too early", Chain, "_reclaim", _removes_too_early), 4),
    (_single("log: a new epoch keeps the numbers", Account, "renew", _keeps_its_numbers), 1),
    (_single("log: drops without a gap", Account, "_add_hole", _drops_without_a_gap), 4),
    (_single("gateway: cursor before the records", Gateway, "_gathered", _split(True)), 25),
    (_single("gateway: records before the cursor", Gateway, "_gathered", _split(False)), 25),
    (_single("gateway: answers at once", NodeMachine, "_apply", _answers_at_once), 1),
    (_single("gateway: memory over a failure", NodeMachine, "resume", _keeps_its_memory), 4),
    (_single("gateway: a pause lets wait", NodeMachine, "pause", _leaves_batches_under_way), 4),
    (_single("gateway: one page is all", NodeMachine, "found", _one_page_is_all), 5),
    (_single("gateway: anybody is the owner", Accounts, "owner_of", _anybody_is_the_owner), 18),
    (_single("gateway: keeps gaps to itself", machine, "messages_of", _keeps_gaps_to_itself), 4),
    (_single("gateway: gaps come last", machine, "messages_of", _gaps_come_last), 4),
    (_single("gateway: origin off by one", machine, "messages_of", _off_by_one), 43),
    (_single("gateway: takes what is ahead", machine, "examine", _takes_what_is_ahead), 18),
    (_single("gateway: no wall time", arrivals, "_times", _no_wall_time), 1),
    (_single("gateway: no origin", arrivals, "with_origin", _no_origin), 1),
    (_single("gateway: compares nothing", machine, "examine", _compares_nothing), 950),
    (_NOT_DURABLE, 23),
    (_TWO_AT_ONCE, 11),
)


def seeds_max(took: int) -> int:
    """Return within how many seeds a bug must be found that took so many once."""
    return max(500, 5 * took)
