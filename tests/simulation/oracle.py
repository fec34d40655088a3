"""The oracle: what must be true, told by message and not by sequence number.

It knows every message by the `uid` that its payload carries, hears of it when it is acknowledged,
stored, dropped, applied, and judges by that.  It uses nothing of the core's own bookkeeping, except
where that bookkeeping is what it checks (P4).
"""

from collections import Counter
from typing import NamedTuple

from simulation.plan import POISON, Plan
from simulation.world import BrokenPromiseError, World
from tidegate.store.journal import OVERFLOW, TOO_LARGE


class Told(NamedTuple):
    """What was published under a uid."""

    source: str
    lane: str
    number: int
    qos: int
    is_retained: bool
    has_identity: bool
    is_unwanted: bool


def payload_of(kind: bytes, uid: str, size: int) -> bytes:
    """Return a payload of about `size` bytes that says its uid."""
    return kind + b" " + uid.encode() + b" " + b"." * size


def uid_of(payload: bytes) -> str:
    return payload.split(b" ", 2)[1].decode()


class Oracle:
    """Judges one run."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.too_large_answers = 0
        self.told: dict[str, Told] = {}
        self.excused: set[str] = set()
        self._world = world
        self._plan = plan
        self._promised: set[str] = set()
        self._stored: Counter[str] = Counter()
        self._ever_applied: set[str] = set()
        self._dropped: dict[str, str] = {}
        self._forgotten: set[str] = set()
        self._damaged: set[str] = set()
        self._lost_by_receiver: set[str] = set()
        self._refused = 0

    # What it is told while the world runs.

    def acknowledged(self, uid: str) -> None:
        self._promised.add(uid)

    def admitted(self, uids: list[str]) -> None:
        self._stored.update(uids)

    def applied(self, stream: str, uids: list[str]) -> None:
        self._ever_applied.update(uids)
        for uid in uids:
            if uid in self._damaged and uid not in self._ever_applied:
                self._break("P2", f"{uid} was damaged and arrived")

    def lost_by_receiver(self, uids: list[str]) -> None:
        self._lost_by_receiver.update(uids)

    def damaged(self, uid: str) -> None:
        self._damaged.add(uid)

    def forgotten(self, uids: list[str]) -> None:
        self._forgotten.update(uids)
        for uid in uids:
            # What one copy of a node sets aside, the other takes for delivered.
            known = uid in self._ever_applied or uid in self._damaged or uid in self._dropped
            if not known:
                self._break("P1", f"{uid} was forgotten before it arrived")

    def dropped(self, uids: list[str], refused: int, reason: str, is_kept: bool) -> None:
        """Take note of records that were taken out, and of `refused` that never were in."""
        self._refused += refused
        for uid in uids:
            self._dropped[uid] = reason
            if is_kept and not (uid in self._damaged or self.told[uid].is_unwanted):
                self._break("P4", f"{uid} is a good record, and was parked: {reason}")
        if reason == OVERFLOW and not self._plan.is_cramped:
            self._break("P4", f"{uids} dropped though there was room")
        if refused and reason not in (OVERFLOW, TOO_LARGE):
            self._break("P4", f"{refused} refused: {reason}")

    def reported(self, event: str) -> None:
        if event == "stream_forked" and not (self._plan.clone or self._plan.restore_image):
            self._break("P2", "a fork where there is one copy only")

    def check_node(self, process) -> None:
        """Compare a gateway's account with its medium, between two steps (P4)."""
        gateway = process.gateway
        if not gateway.node or process.journal is None:
            return
        disk = process.node.disk
        for lane in gateway.lanes:
            balance = lane.balance
            if not balance.holds:
                self._break("P4", f"the balance of {lane.name} does not hold: {balance}")
            stored = disk.lanes[lane.name]
            own = (
                lane.epoch, lane.last, lane.through, lane.held_records, lane.last_hash,
                lane.forgotten,
            )  # fmt: skip
            medium = (
                stored.epoch, stored.last, stored.through, stored.held_records, stored.last_hash,
                stored.forgotten,
            )  # fmt: skip
            counts = (balance.delivered, balance.quarantined, balance.dropped)
            stored_counts = (stored.delivered, stored.quarantined, stored.dropped)
            if own != medium or counts != stored_counts:
                self._break(
                    "P4",
                    f"the account of {lane.name} is {own} {counts}, but the medium has"
                    f" {medium} {stored_counts}",
                )

    # What it says in the end.

    def judge(self, receiver) -> None:
        """Judge a world that has come to rest."""
        found: Counter[str] = Counter()
        for name, table in receiver.tables.items():
            self._check_whole(name, table)
            self._check_order(name, table)
            found.update([uid for _, uid in table.rows])
        self._check_promises(found)
        self._check_once(found)

    def _check_whole(self, name: str, table) -> None:
        """Each number of a stream once: a record or a gap, and no hole (P2, P4)."""
        parts = [(seq, seq) for seq, _ in table.rows]
        parts += [(gap.first, gap.last) for gap in table.gaps]
        expected = 1
        for first, last in sorted(parts):
            if first != expected:
                self._break("P2", f"{name}: {first} where {expected} was to come")
            expected = last + 1
        if expected != table.cursor.through + 1:
            self._break("P2", f"{name} ends at {expected - 1}, not at {table.cursor.through}")

    def _check_order(self, name: str, table) -> None:
        """As published, apart from copies (P3); retained messages come again out of turn."""
        latest: dict[tuple[str, int], int] = {}
        seen: set[str] = set()
        may_part = self._plan.clone or self._plan.restore_image or self._refused > 0
        for _, uid in table.rows:
            told = self.told[uid]
            # Of what has lost a copy, a later one may be the first to arrive.
            is_lost = uid in self._lost_by_receiver and uid in self._forgotten
            is_lost = is_lost or uid in self.excused
            if uid in seen or told.is_retained or uid in self._dropped or is_lost:
                continue
            if may_part and self._stored[uid] > 1:
                # Of two copies of a message only the second is here: a fork came between them, or
                # the first was refused for want of room.
                continue
            seen.add(uid)
            key = (told.source, told.qos)
            if told.number < latest.get(key, -1):
                self._break("P3", f"{name}: {uid} after {latest[key]} of {told.source}")
            latest[key] = told.number
            if told.lane != name.rsplit(".", 1)[1]:
                self._break("P3", f"{uid} arrived in {name}")

    def _check_promises(self, found: Counter[str]) -> None:
        """Acknowledged: it arrived, or a gap says why not (P1, P4)."""
        missing = [uid for uid in sorted(self._promised) if not found[uid]]
        unexplained = [uid for uid in missing if not self._is_explained(uid)]
        never_stored = [uid for uid in unexplained if uid not in self._stored]
        if len(never_stored) <= self._refused:
            unexplained = [uid for uid in unexplained if uid in self._stored]
        if unexplained:
            self._break("P1", f"acknowledged and lost: {unexplained[:10]}")

    def _is_explained(self, uid: str) -> bool:
        """Tell whether there is a reason; the gap that tells it is checked with its stream."""
        if uid in self._dropped or uid in self.excused:
            return True
        # The receiver had it and lost it; where the sender could not keep it, a gap says so.
        return uid in self._lost_by_receiver and (
            (uid in self._forgotten and (self._plan.is_cramped or bool(self._damaged)))
            or self._plan.clone or self._plan.restore_image
        )  # fmt: skip

    def _check_once(self, found: Counter[str]) -> None:
        """What bears an identity arrives once, unless copies of the node are about (P2)."""
        plan = self._plan
        if plan.clone or plan.restore_image or plan.is_cramped or self._damaged:
            return
        for uid in sorted(found):
            if found[uid] > 1 and self.told[uid].has_identity:
                self._break("P2", f"{uid} arrived {found[uid]} times")

    def _break(self, promise: str, what: str) -> None:
        raise BrokenPromiseError(f"{promise}: {what}")


def is_unwanted(kind: bytes, plan: Plan) -> bool:
    """Tell whether the receiver will never take a message of this kind."""
    return kind == POISON or (kind == b"big" and plan.receiver_bytes_max < 1 << 20)
