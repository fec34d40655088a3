"""The requests of a link that wait for their answer: each gets one, and no second one."""

from tidegate.events import Answered, Unanswered


class Call:
    """One request: `target` is where it goes, `body` what it brings along."""

    def __init__(self, token, target, body):
        self.token = token
        self.target = target
        self.body = body
        self.number = 0  # The link's own name for it, once it is under way.
        self.heard = 0  # How much was heard from the peer when it went.
        self.due_ms = None  # From the first time on that the clock was seen.
        self.sent_bytes = 0


class Calls:
    """All open requests, in the order in which they were made."""

    def __init__(self, timeout_s):
        self.open = []
        self.closed = ""  # Why nothing is taken any more.
        self.timeout_ms = timeout_s * 1000
        self._deliver = None

    def start(self, deliver):
        """Deliver answers from now on."""
        self._deliver = deliver

    def add(self, token, target, body):
        """Open a request."""
        call = Call(token, target, body)
        self.open.append(call)
        if self.closed:
            self.fail(call, self.closed)

    def unsent(self):
        """Return the first request that is not under way, or None."""
        for call in self.open:
            if not call.number:
                return call
        return None

    def numbered(self, number):
        """Return the request that is under way as `number`, or None."""
        for call in self.open:
            if call.number == number:
                return call
        return None

    def answer(self, call, status, fields, retry_after=None):
        """Close a request with the target's answer."""
        self.open.remove(call)
        self._deliver(Answered(call.token, status, fields, retry_after, call.sent_bytes))

    def fail(self, call, reason):
        """Close a request without an answer."""
        self.open.remove(call)
        self._deliver(Unanswered(call.token, reason, call.sent_bytes))

    def fail_all(self, reason, status=0):
        """Close every request; with a status, it is a refusal of us."""
        for call in list(self.open):
            if status:
                self.answer(call, status, {"error": "refused", "detail": reason})
            else:
                self.fail(call, reason)

    def expire(self, now_ms):
        """Close what is overdue; return it."""
        late = []
        for call in self.open:
            if call.due_ms is None:
                call.due_ms = now_ms + self.timeout_ms
            elif now_ms >= call.due_ms:
                late.append(call)
        for call in late:
            self.fail(call, f"no answer within {self.timeout_ms} ms")
        return late

    def deadline_ms(self, now_ms):
        """Return when `expire` has something to do, None for never."""
        dues = [now_ms if call.due_ms is None else call.due_ms for call in self.open]
        return min(dues) if dues else None
