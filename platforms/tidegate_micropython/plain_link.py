"""The link of a node to any MQTT broker: each record is a plain message of QoS 1.

Promises what the port `Link` does, with `poll` in place of threads.  No receiver is behind a plain
broker, so the link is one to the node: a batch has its receipt when every record of it has its
PUBACK, and what was acknowledged before the line broke is in the standing, so that it is not sent
again.  That is *at least once*: what was under way then arrives twice.  Gaps of the stream are told
on `<prefix>tidegate/gap`.  User properties are left out: MQTT 3.1.1 has none.
"""

import json
import struct

from tidegate.records.record import RETAIN
from tidegate.records.topics import check_topic
from tidegate.wire.receipt import Cursor, Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields
from tidegate_micropython.calls import Calls
from tidegate_micropython.mqtt_connection import DIALING, OPEN, MqttConnection

WINDOW = 16  # Records under way: a round trip for each one alone would be the pace of the line.
PACKET_BYTES_MAX = 64  # Nothing is subscribed to: acknowledgements are all that comes.
PACKET_ID_MAX = 65535
GENERATION = "0000000000000000"  # Nothing remembers anything that could be restored.
GAP_TOPIC = b"tidegate/gap"


class PlainLink:
    """Publishes to one broker; call `poll` by `deadline_ms`, and when a socket is ready.

    `position(stream)` returns (through, hash): how far the node has been told that the stream is
    delivered, and its running hash there.  `moved` as in `MqttLink`.
    """

    def __init__(self, uplink, node, position, moved):
        self._calls = Calls(uplink.timeout_s)
        self._prefix = uplink.prefix.encode()
        self._position = position
        self._connection = MqttConnection(uplink, node, None, PACKET_BYTES_MAX, moved)
        self._reached = {}  # By lane: (stream, through, hash) of what the broker acknowledged last.
        self._call = None  # The batch that is being published,
        self._packet_id = 0
        self._messages = None  # what of it still is to be,
        self._waiting = []  # and [packet id, through, hash] of what has no PUBACK yet, in order.

    def start(self, deliver):
        """Deliver answers from now on."""
        self._calls.start(deliver)

    def query(self, token, stream, _at):
        """Answer with how far `stream` was acknowledged, once the broker gives a sign of life."""
        self._calls.add(token, stream, None)

    def send(self, token, batch):
        """Publish what is in `batch`."""
        self._calls.add(token, batch.stream, batch)

    def poll(self, now_ms):
        """Publish what is due, take in what came, give up what is overdue."""
        connection = self._connection
        if connection.state == OPEN:
            self._publish(now_ms)
        fault = connection.poll(now_ms, bool(self._calls.open))
        self._take_acknowledged(now_ms)
        self._answer_queries()
        if self._calls.expire(now_ms):
            connection.close()
            fault = fault or ("the line is given up", 0)
        if fault is not None:
            self._forget()
            self._calls.fail_all(*fault)

    def _publish(self, now_ms):
        for call in list(self._calls.open):
            if call.number:
                continue
            if call.body is None:
                # Also the answer to a query is proof of the line, for who decides by it.
                self._connection.ping(now_ms)
                call.heard = self._connection.heard
                call.sent_bytes = 2
                call.number = 1
            elif self._call is None:
                self._begin(call)
        while self._messages is not None and len(self._waiting) < WINDOW:
            message = next(self._messages, None)
            if message is None:
                self._messages = None
                break
            topic, payload, retain, through, hash_at = message
            self._packet_id = self._packet_id % PACKET_ID_MAX + 1
            head = head_of(self._packet_id, topic, len(payload), retain)
            self._connection.packets.write(head)
            self._connection.packets.write(payload)
            self._waiting.append([self._packet_id, through, hash_at])
            self._call.sent_bytes += len(head) + len(payload)

    def _begin(self, call):
        """Begin with a batch, if every topic of it can be published."""
        call.number = 1
        try:
            for record in call.body.span.records:
                check_topic(self._prefix + record.topic)
                if not self._prefix and record.topic[:1] == b"$":
                    raise ValueError("a topic with $ in front is the broker's own")
        except ValueError as error:
            fields = {"error": "bad-topic", "detail": str(error)}
            self._calls.answer(call, 422, fields)
            return
        self._call = call
        self._messages = messages_of(call.body, self._prefix)

    def _take_acknowledged(self, now_ms):
        acknowledged, call = self._connection.acknowledged, self._call
        if call is not None:
            for waiting in self._waiting:
                if waiting[0] in acknowledged:
                    waiting[0] = 0
                    call.due_ms = now_ms + self._calls.timeout_ms
            while self._waiting and not self._waiting[0][0]:
                _, through, hash_at = self._waiting.pop(0)
                self._reached[call.target.lane] = call.target, through, hash_at
            if not self._waiting and self._reached_of(call.target)[0] == call.body.span.last:
                self._finish(call)
        acknowledged.clear()

    def _finish(self, call):
        span = call.body.span
        receipt = Receipt(span.first, span.last, Cursor(span.last, span.hash_after), GENERATION)
        self._forget()
        self._calls.answer(call, 200, receipt_fields(call.target, receipt))

    def _answer_queries(self):
        for call in list(self._calls.open):
            if call.body is None and call.number and call.heard != self._connection.heard:
                through, hash_at = max(self._position(call.target), self._reached_of(call.target))
                cursor = Cursor(through, hash_at if through else None)
                standing = Standing(cursor, GENERATION, 0, None)
                self._calls.answer(call, 200, standing_fields(call.target, standing))

    def _reached_of(self, stream):
        reached, through, hash_at = self._reached.get(stream.lane, (None, 0, 0))
        return (through, hash_at) if reached == stream else (0, 0)

    def _forget(self):
        self._call = self._messages = None
        self._waiting = []

    def deadline_ms(self, now_ms):
        """Return when `poll` has something to do if no socket is ready, None for never."""
        is_due = self._messages is not None and len(self._waiting) < WINDOW
        for call in self._calls.open:
            is_due |= not call.number and (call.body is None or self._call is None)
        if is_due and self._connection.state != DIALING:
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
        self._forget()
        self._connection.close()


def head_of(packet_id, topic, payload_bytes, retain):
    """Return what stands before the payload of a PUBLISH of QoS 1.

    umqtt's own `publish` waits for the PUBACK, which is one record a round trip.
    """
    head = bytearray(b"\x33" if retain else b"\x32")
    size = 4 + len(topic) + payload_bytes
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return head + struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id)


def messages_of(batch, prefix):
    """Yield (topic, payload, retain, through, hash) in the order of the stream, gaps among them."""
    span = batch.span
    at, index = span.first, 0
    for gap in span.gaps + [None]:
        end = span.last if gap is None else gap.first - 1
        while at <= end:
            record = span.records[index]
            retain = bool(record.flags & RETAIN)
            yield prefix + record.topic, record.payload, retain, at, span.hashes[index]
            at += 1
            index += 1
        if gap is not None:
            yield prefix + GAP_TOPIC, _gap_text(batch.stream, gap), False, gap.last, gap.hash_at
            at = gap.last + 1


def _gap_text(stream, gap):
    fields = {"stream": str(stream), "first": gap.first, "last": gap.last, "reason": gap.reason}
    return json.dumps(fields).encode()
