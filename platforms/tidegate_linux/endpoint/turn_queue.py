"""The broker's turns on their way to the journal, and back.

Promises that every turn is delivered in its order until it is settled, that nothing is settled
before it is durable or out of its order, and that no failure of the journal loses one or admits one
twice.

Theory of operation.  A turn carries its number as the note "turn", in the transaction of its
messages.  While all is well turns are acknowledged one after another.  When the journal fails or is
full (`pause`), the turns that were not settled are kept, the publishers are held, and after
`resume` the journal is asked for that note: turns up to it are durable and count as settled, later
ones are delivered again, as of a new generation, because the gateway throws away whatever the old
one still brings.  So no client loses its connection to a failure of the journal.

    LOADING -> RUNNING <-> PAUSED -> ASKING -> RUNNING

LOADING reads all notes of earlier runs, page by page, before anybody may connect.  If it is paused
it goes on behind the last note that came: nobody else writes any.
"""

from collections import deque
from typing import TYPE_CHECKING

from tidegate.events import Arrived, Sought
from tidegate_linux.endpoint.broker.notes import TURN_KEY, unpack_turn

if TYPE_CHECKING:
    from typing import Protocol

    from tidegate.ports import Deliver
    from tidegate_linux.endpoint.broker.state.turns import Turn

    class Hearer(Protocol):
        """What a turn_queue tells; all in its own thread."""

        def loaded(self, pairs: list[tuple[bytes, bytes]]) -> None:
            """A page of notes came."""

        def settled(self, number: int, refused: bool) -> None:
            """A turn is durable."""

        def found(self, pairs: list[tuple[bytes, bytes]]) -> None:
            """The answer to `seek`."""

        def running(self) -> None:
            """It runs, for the first time or again."""

        def hold(self, is_held: bool) -> None:
            """Nothing more should come in, or it may come again."""


LOADING = "loading"
RUNNING = "running"
PAUSED = "paused"
ASKING = "asking"

MESSAGES_MAX = 8_000  # Of turns that are not settled; a commit or two at full speed.
BYTES_MAX = 8 * 1024 * 1024
PAGE_NOTES = 1000  # Notes a page at the start: a commit of others can come between two pages.
ALL_STOP = b"\xff"  # No key of ours begins so.
_END = b"\0"  # Behind a key, the next one that there can be.


class _Wish:
    """A range of notes that the broker asked for."""

    __slots__ = ("is_wanted", "range")

    def __init__(self, range: tuple[bytes, bytes, int]) -> None:
        self.range = range
        self.is_wanted = True


class TurnQueue:
    """Turns that are not settled; for one thread alone."""

    def __init__(self, source: str, deliver: "Deliver", hearer: "Hearer") -> None:
        self.state = LOADING
        self.generation = 1
        self.is_held = True
        self.messages = 0  # Of turns that are not settled.
        self.size_bytes = 0
        self._source = source
        self._deliver = deliver
        self._hearer = hearer
        self._turns: deque[Turn] = deque()
        self._sought: deque[_Wish] = deque()  # Not answered yet.
        self._loaded_next = b""
        self._is_loaded = False

    def load(self) -> None:
        """Read the notes of earlier runs."""
        self._ask(self._loaded_next, ALL_STOP, PAGE_NOTES)

    def send(self, turn: "Turn") -> None:
        """Take a turn to the journal, now or after a pause."""
        self._turns.append(turn)
        self.messages += len(turn.messages)
        self.size_bytes += turn.size_bytes
        if self.state == RUNNING:
            self._post(turn)
            if not self.is_held and self._is_full(1):
                self._hold(True)

    def seek(self, first: bytes, stop: bytes, count_max: int) -> None:
        """Ask for notes, now or after a pause.

        The broker asks one thing at a time.  If it asks anew before the answer, it has given up the
        first, whose answer it must not take for that to the second; or it asks for the same, to be
        sure, and gets one answer.
        """
        for wish in self._sought:
            if wish.is_wanted and wish.range == (first, stop, count_max):
                return
            wish.is_wanted = False
        self._sought.append(_Wish((first, stop, count_max)))
        if self.state == RUNNING:
            self._ask(first, stop, count_max)

    def acknowledged(self, generation: int, numbers: "list[int]", refused: bool) -> None:
        """The journal has these turns."""
        if generation != self.generation or self.state != RUNNING:
            return
        for number in numbers:
            assert self._turns and self._turns[0].number == number, "turns come back in order"
            self._settle(refused)
        if self.is_held and not self._is_full(2):
            self._hold(False)

    def found(self, generation: int, pairs: "list[tuple[bytes, bytes]]") -> None:
        """The journal has answered."""
        if generation != self.generation:
            return  # Asked before a pause; asked again since.
        if self.state == LOADING:
            self._load_on(pairs)
        elif self.state == ASKING:
            self._go_on(_number(pairs))
        elif self.state == RUNNING and self._sought.popleft().is_wanted:
            self._hearer.found(pairs)

    def pause(self) -> None:
        """Deliver nothing until `resume`; what is not settled is kept."""
        self.state = PAUSED
        self._hold(True)

    def resume(self) -> None:
        """Find out what became of the turns that were under way, and go on."""
        self.generation += 1
        if not self._is_loaded:
            self.state = LOADING
            self.load()
            return
        self.state = ASKING
        self._hold(True)
        self._ask(TURN_KEY, TURN_KEY + _END, 1)

    def _load_on(self, pairs: "list[tuple[bytes, bytes]]") -> None:
        if pairs:
            self._hearer.loaded(pairs)
            self._loaded_next = pairs[-1][0] + _END
        if len(pairs) == PAGE_NOTES:
            self.load()
            return
        self._is_loaded = True
        self._run()

    def _go_on(self, durable: int) -> None:
        """All turns up to `durable` are settled; deliver the others again."""
        while self._turns and self._turns[0].number <= durable:
            self._settle(refused=False)
        self._run()

    def _run(self) -> None:
        self.state = RUNNING
        for turn in self._turns:
            self._post(turn)
        self._sought = deque(wish for wish in self._sought if wish.is_wanted)
        for wish in self._sought:
            self._ask(*wish.range)
        self._hearer.running()
        if not self._is_full(2):
            self._hold(False)

    def _settle(self, refused: bool) -> None:
        turn = self._turns.popleft()
        self.messages -= len(turn.messages)
        self.size_bytes -= turn.size_bytes
        self._hearer.settled(turn.number, refused)

    def _post(self, turn: "Turn") -> None:
        self._deliver(
            Arrived(self._source, self.generation, turn.messages, turn.notes, turn.number)
        )

    def _ask(self, first: bytes, stop: bytes, count_max: int) -> None:
        self._deliver(Sought(self._source, self.generation, first, stop, count_max))

    def _is_full(self, parts: int) -> bool:
        """Tell whether a `parts`-th of the room is taken."""
        return self.messages * parts > MESSAGES_MAX or self.size_bytes * parts > BYTES_MAX

    def _hold(self, is_held: bool) -> None:
        if is_held != self.is_held:
            self.is_held = is_held
            self._hearer.hold(is_held)


def _number(pairs: "list[tuple[bytes, bytes]]") -> int:
    """Return the number of the last durable turn, 0 where none ever was, or its note is damaged."""
    try:
        return unpack_turn(pairs[0][1]) if pairs else 0
    except ValueError:
        return 0
