"""The link of a node to a Tidegate gateway over MQTT: batches and queries, each with its answer.

Promises what the port `Link` does, with `poll` in place of threads: each request gets exactly one
`Answered` or `Unanswered` within the time-out, whatever the broker does.  Everything is of QoS 0:
receipts give the reliability, a message lost on the way is a time-out.  `docs/protocol.md` has the
topics.  A connection is made when it is needed, never again of its own accord, and then kept.
"""

import json

from tidegate.wire.batch import encode
from tidegate_micropython.calls import Calls
from tidegate_micropython.mqtt_connection import DIALING, OPEN, MqttConnection

ANSWER_BYTES_MAX = 2048  # A receipt has 300.
NUMBER_BITS = 29  # The numbers of requests stay small integers, on 32-bit boards as well.


def make(settings, node, chance, moved):
    """Return the link of a node's settings."""
    return MqttLink(settings.uplink, node, chance, moved)


class MqttLink:
    """Requests to one gateway; call `poll` by `deadline_ms`, and when a socket is ready.

    `chance` draws the number of the first request: what an earlier run asked is answered to nobody.
    `moved` is called whenever bytes have moved, to feed a watchdog.
    """

    def __init__(self, uplink, node, chance, moved):
        self._calls = Calls(uplink.timeout_s)
        self._prefix = f"$tidegate/{node}/"
        self._number = 1 + chance.below(1 << NUMBER_BITS)
        topic = f"{self._prefix}answer".encode()
        self._connection = MqttConnection(uplink, node, topic, ANSWER_BYTES_MAX, moved)

    def start(self, deliver):
        """Deliver answers from now on."""
        self._calls.start(deliver)

    def query(self, token, stream, at):
        """Ask for the gateway's standing with `stream`, and for its hash at `at` if not 0."""
        text = f"{stream} {at}" if at else str(stream)
        self._calls.add(token, "query", text.encode())

    def send(self, token, batch):
        """Encode and send `batch`."""
        self._calls.add(token, "batch", encode(batch))

    def poll(self, now_ms):
        """Take in what came, send what is due, give up what is overdue."""
        calls, connection = self._calls, self._connection
        if connection.state == OPEN:
            self._send_one(now_ms)
        fault = connection.poll(now_ms, bool(calls.open))
        for payload in connection.messages:
            self._take_answer(payload)
        connection.messages.clear()
        for late in calls.expire(now_ms):
            if late.heard == connection.heard:
                # Nobody may be there any more: the next request gets a new connection.
                connection.close()
                fault = fault or ("the line is given up", 0)
        if fault is not None:
            calls.fail_all(*fault)

    def _send_one(self, now_ms):
        call = self._calls.unsent()
        if call is None:
            return
        call.number = self._number
        self._number += 1
        topic = f"{self._prefix}{call.target}/{call.number}".encode()
        call.sent_bytes = self._connection.publish(topic, call.body, now_ms)
        call.heard = self._connection.heard
        call.body = None

    def _take_answer(self, payload):
        """Answer the request that `payload` is about; what it is not about counts for nothing."""
        try:
            fields = json.loads(payload)
        except (ValueError, MemoryError):
            return
        if not isinstance(fields, dict):
            return
        number, status = fields.get("token"), fields.get("status")
        if not (is_number(number) and is_number(status)) or number <= 0:
            return
        call = self._calls.numbered(number)
        if call is None:
            return
        retry_after = fields.get("retry_after")
        if not isinstance(retry_after, str):
            retry_after = None
        self._calls.answer(call, status, fields, retry_after)

    def deadline_ms(self, now_ms):
        """Return when `poll` has something to do if no socket is ready, None for never."""
        if self._connection.state != DIALING and self._calls.unsent() is not None:
            return now_ms
        dues = [self._calls.deadline_ms(now_ms), self._connection.deadline_ms()]
        return min([due for due in dues if due is not None], default=None)

    def interests(self):
        """Return (socket, flags) pairs for `select.poll.register`."""
        return self._connection.interests()

    def close(self):
        """Give up what is in flight and release everything."""
        self._calls.closed = "the link was closed"
        self._calls.fail_all(self._calls.closed)
        self._connection.close()


def is_number(value):
    """Tell whether a JSON value is a whole number; `True` is one on CPython only."""
    return isinstance(value, int) and value is not True and value is not False
