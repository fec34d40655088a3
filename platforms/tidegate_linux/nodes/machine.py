"""Takes batches of nodes in, without a thread or a clock: told events, it delivers and answers.

Promises that a receipt leaves only for what the journal holds durably (P1), that nothing of a
stream is taken twice or out of order (P2, P3), and that every request is answered exactly once.

Theory of operation.  The cursors of all streams are in memory, read from the notes page by page
when it begins.  A batch is decoded, the core's ledger compares it with the cursor, and what is new
goes to the journal as ONE arrival: messages, one for each gap, and the note with the new cursor.
Its acknowledgement moves the cursor in memory and sends the receipt; so does a refusal for want of
room, because what was refused is a gap of the gateway's own stream, told and counted.  While a
batch is under way, what else comes for its stream waits behind it, for only then is it known where
the stream stands.

    LOADING -> RUNNING -> PAUSED -> LOADING

A pause means that nobody knows what became of the batches under way: their senders are told to ask
later, all that is in memory is thrown away, and `resume` reads the notes again, as a new
generation, so that no late acknowledgement counts.  The name under which the receiver answers
(`identity`) is new each time as well, as a hub's is at each start: so a journal that was restored,
salvaged or cloned is never taken for the one that had confirmed more, and the price is one question
a stream.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tidegate.errors import ProtocolError
from tidegate.events import Arrived, Sought
from tidegate.gateway import NODES
from tidegate.records.stream import Stream, parse_stream
from tidegate.wire.batch import Batch
from tidegate.wire.ledger import APPLY, FORK, KNOWN, NEW_STREAM, Verdict, examine
from tidegate.wire.receipt import Cursor, Standing
from tidegate.wire.reply import standing_fields
from tidegate_hub import answers
from tidegate_hub.answers import RETRY_AFTER_S, Answer, inflate, read_at, read_batch, refusal
from tidegate_linux.nodes import accounts
from tidegate_linux.nodes.accounts import Account, Accounts, NoRoomError
from tidegate_linux.nodes.arrivals import hashes_of, messages_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.ports import Deliver, Observer
    from tidegate_linux.endpoint.access.topics import Judge

    Reply = Callable[[Answer], None]

LOADING = "loading"
RUNNING = "running"
PAUSED = "paused"

PAGE_NOTES = 500  # Notes a page: a commit of others can come between two pages.
# Of one stream, behind the batch under way: a sender that lost patience asks once more, and has one
# request at a time.
WAITING_MAX = 4
REPORT_MS = 60_000  # Between two reports of one kind.


class Request(NamedTuple):
    """A batch, or a question about `at` where there is none."""

    stream: Stream
    owner: str
    batch: Batch | None
    at: int
    reply: "Reply"
    judge: "Judge | None" = None


class Flight(NamedTuple):
    """A batch on its way into the journal, and how its stream will stand."""

    batch: Batch
    account: Account
    records: int
    gaps: int
    reply: "Reply"


class Counts:
    """What was counted since the start; each only grows."""

    def __init__(self) -> None:
        self.batches = 0  # Taken, for the first time.
        self.known = 0  # Taken before.
        self.records = 0
        self.gaps = 0
        self.refused: dict[str, int] = {}  # By the word of the answer.

    def refuse(self, answer: Answer) -> None:
        """Count an answer that is no receipt."""
        word = str(answer.fields["error"])
        self.refused[word] = self.refused.get(word, 0) + 1


class NodeMachine:
    """The receiver of all nodes; for one thread alone.

    Events go to `deliver`.  `new_identity` makes 16 hex digits that were never used before.
    """

    def __init__(
        self,
        deliver: "Deliver",
        new_identity: Callable[[], str],
        observer: "Observer | None" = None,
    ) -> None:
        self.state = LOADING
        self.generation = 1
        self.identity = new_identity()
        self.counts = Counts()
        self._deliver = deliver
        self._new_identity = new_identity
        self._observer = observer
        self._accounts = Accounts()
        self._pages: list[tuple[bytes, bytes]] = []
        self._flights: dict[int, Flight] = {}  # By token.
        self._token = 0
        # Streams with a batch under way, and what waits behind it.
        self._queues: dict[str, deque[Request]] = {}
        self._told_ms: dict[str, int] = {}

    @property
    def streams(self) -> int:
        """Return how many streams are known."""
        return self._accounts.streams

    @property
    def nodes(self) -> int:
        """Return how many nodes are known."""
        return self._accounts.nodes

    def load(self) -> None:
        """Read the cursors; call it once, at the start."""
        self._seek(accounts.KEY)

    def receive(
        self,
        name: str,
        owner: str,
        body: bytes,
        now_ms: int,
        reply: "Reply",
        deflated: bool = True,
        judge: "Judge | None" = None,
    ) -> None:
        """Take the batch in `body` of the stream called `name`, sent by `owner`.

        `reply` gets the answer, now or when it is durable; it must not call back.  With a `judge`
        the records are those of a node and nobody else's: it says why a topic may not be among
        them, or "", and origins that they bring along count for nothing.
        """
        try:
            batch = read_batch(name, body, inflate if deflated else None)
        except ProtocolError as error:
            self._refuse(reply, answers.refused_bytes(error))
            return
        self._take(Request(batch.stream, owner, batch, 0, reply, judge), now_ms)

    def standing(self, name: str, owner: str, at_text: str, now_ms: int, reply: "Reply") -> None:
        """Tell `reply` where the stream called `name` stands, and its hash at `at_text`."""
        try:
            stream, at = parse_stream(name), read_at(at_text)
        except ProtocolError as error:
            self._refuse(reply, answers.refused_bytes(error))
            return
        self._take(Request(stream, owner, None, at, reply), now_ms)

    def acknowledged(self, generation: int, tokens: "list[object]", now_ms: int) -> None:
        """The journal has these batches, or has them as a gap of the gateway's own stream."""
        if generation != self.generation or self.state != RUNNING:
            return
        for token in tokens:
            assert isinstance(token, int), "a token is a number of ours"
            flight = self._flights.pop(token)
            stream, cursor = flight.batch.stream, flight.account.cursor
            self._settle(flight)
            self._reply_receipt(flight.batch, cursor, flight.reply)
            self._serve(stream, now_ms)

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """The journal has answered with a page of notes."""
        if generation != self.generation or self.state != LOADING:
            return  # Asked before a pause; asked again since.
        self._pages.extend(pairs)
        if len(pairs) == PAGE_NOTES:
            self._seek(pairs[-1][0] + b"\0")
            return
        pages, self._pages = self._pages, []
        damaged = self._accounts.load(pages)
        if damaged:
            self._report("error", "node_notes_damaged", [("count", damaged)], None)
        self.state = RUNNING

    def pause(self) -> None:
        """Answer everything that is not settled with "later"; deliver nothing until `resume`."""
        self.state = PAUSED
        flights, self._flights = self._flights, {}
        queues, self._queues = self._queues, {}
        for flight in flights.values():
            self._refuse(flight.reply, _later())
        for queue in queues.values():
            for request in queue:
                self._refuse(request.reply, _later())

    def resume(self) -> None:
        """Read again how the streams stand, and go on."""
        self.generation += 1
        self.identity = self._new_identity()
        self._accounts = Accounts()
        self._pages = []
        self.state = LOADING
        self.load()

    def _take(self, request: Request, now_ms: int) -> None:
        if self.state != RUNNING:
            self._refuse(request.reply, _later())
            return
        queue = self._queues.get(str(request.stream))
        if queue is None:
            self._handle(request, now_ms)
        elif len(queue) < WAITING_MAX:
            queue.append(request)
        else:
            detail = "too many requests wait for this stream"
            self._refuse(request.reply, refusal(503, "busy", detail, RETRY_AFTER_S))

    def _serve(self, stream: Stream, now_ms: int) -> None:
        """Handle what waited behind a batch of `stream`, up to the next one that has to wait."""
        name = str(stream)
        waiting = self._queues.pop(name)
        while waiting and name not in self._queues:
            self._handle(waiting.popleft(), now_ms)
        if waiting:
            self._queues[name].extend(waiting)

    def _handle(self, request: Request, now_ms: int) -> None:
        stream, owner = request.stream, request.owner
        known = self._accounts.owner_of(stream.node)
        # What nobody in particular has sent is anybody's who has a name.
        if known is not None and known != owner and known != "":
            self._refuse(request.reply, answers.foreign_node(stream.node))
            return
        account = self._accounts.find(stream)
        cursor = NEW_STREAM if account is None else account.cursor
        if request.batch is None:
            at_hash = None if account is None else account.hash_at(request.at)
            standing = Standing(cursor, self.identity, request.at, at_hash)
            request.reply(Answer(200, standing_fields(stream, standing)))
            return
        verdict = examine(cursor, request.batch.span)
        if verdict.kind == APPLY:
            self._apply(request, request.batch, account, verdict, now_ms)
        elif verdict.kind == KNOWN and not _contradicts(account, request.batch):
            self.counts.known += 1
            self._reply_receipt(request.batch, cursor, request.reply)
        else:
            kind = FORK if verdict.kind == KNOWN else verdict.kind
            if kind == FORK:
                fields: list[tuple[str, object]] = [("stream", str(stream)), ("owner", owner)]
                self._report("error", "node_forked", fields, now_ms)
            answer = answers.conflict(kind, request.batch, cursor, self.identity)
            self._refuse(request.reply, answer)

    def _apply(
        self,
        request: Request,
        batch: Batch,
        account: Account | None,
        verdict: Verdict,
        now_ms: int,
    ) -> None:
        """Send what is new in a batch to the journal, with the cursor behind it."""
        stream, owner, reply = request.stream, request.owner, request.reply
        detail = _unfit(verdict, request.judge)
        if detail:
            told: list[tuple[str, object]] = [("stream", str(stream)), ("reason", detail)]
            self._report("warning", "node_topic_refused", told, now_ms)
            self._refuse(reply, refusal(422, "topic-not-allowed", detail))
            return
        used = self._accounts.next_use()
        hashes = hashes_of(verdict)
        after = accounts.moved(owner, account, verdict.cursor, hashes, batch.span.first - 1, used)
        before = Account(owner, NEW_STREAM, used, b"") if account is None else account
        try:
            # It stands where it stood until the batch is durable, but has its room from now on.
            gone = self._accounts.put(stream, before._replace(owner=owner, used=used), self._queues)
        except NoRoomError:
            detail = f"this gateway knows {self.nodes} nodes, and takes no further ones"
            self._report("warning", "nodes_full", [("nodes", self.nodes)], now_ms)
            self._refuse(reply, refusal(503, "too-many-nodes", detail, RETRY_AFTER_S))
            return
        notes: list[tuple[bytes, bytes | None]] = [
            (accounts.key_of(stream), accounts.pack_account(after))
        ]
        for one in gone:
            notes.append((accounts.key_of(one), None))
            self._report("warning", "node_forgotten", [("stream", str(one))], now_ms)
        messages = messages_of(batch, verdict, now_ms, keeps_origins=request.judge is None)
        self._token += 1
        self._flights[self._token] = Flight(
            batch, after, len(verdict.records), len(verdict.gaps), reply
        )
        self._queues[str(stream)] = deque()
        self._deliver(Arrived(NODES, self.generation, messages, notes, self._token))

    def _settle(self, flight: Flight) -> None:
        self._accounts.put(flight.batch.stream, flight.account)
        self.counts.batches += 1
        self.counts.records += flight.records
        self.counts.gaps += flight.gaps

    def _reply_receipt(self, batch: Batch, cursor: Cursor, reply: "Reply") -> None:
        span = batch.span
        reply(answers.applied(batch.stream, span.first, span.last, cursor, self.identity))

    def _refuse(self, reply: "Reply", answer: Answer) -> None:
        self.counts.refuse(answer)
        reply(answer)

    def _seek(self, first: bytes) -> None:
        self._deliver(Sought(NODES, self.generation, first, accounts.KEY_STOP, PAGE_NOTES))

    def _report(
        self, level: str, event: str, fields: "list[tuple[str, object]]", now_ms: int | None
    ) -> None:
        """Tell the operator; of what a peer can bring about as often as it likes, now and then."""
        if now_ms is not None:
            if now_ms < self._told_ms.get(event, now_ms - REPORT_MS) + REPORT_MS:
                return
            self._told_ms[event] = now_ms
        if self._observer is not None:
            self._observer.report(level, event, fields)


def _contradicts(account: Account | None, batch: Batch) -> bool:
    """Tell whether a batch that lies behind the cursor is known to be another history."""
    known = None if account is None else account.hash_at(batch.span.last)
    return known is not None and known != batch.span.hash_after


def _unfit(verdict: Verdict, judge: "Judge | None") -> str:
    """Return why what is new may not be taken, or "".

    What was taken before is not judged again: rules may have changed since.
    """
    if judge is not None:
        for topic in dict.fromkeys([record.topic for record in verdict.records]):
            detail = judge(topic)
            if detail:
                return detail
    return ""


def _later() -> Answer:
    detail = "the journal is not there now; what became of the batch is not known"
    return refusal(503, "unavailable", detail, RETRY_AFTER_S)
