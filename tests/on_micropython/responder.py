"""A gateway's end of "Batches over MQTT", on a real broker, with the real ledger."""

import json

from tidegate.records.stream import parse_stream
from tidegate.wire.decoder import decode
from tidegate.wire.ledger import APPLY, KNOWN, NEW_STREAM, examine
from tidegate.wire.receipt import Receipt, Standing
from tidegate.wire.reply import receipt_fields, standing_fields

GENERATION = "feedfacecafebeef"


class Responder:
    """Answers nodes; `records` are those that were applied, by stream.

    `edit(answer)` may change an answer before it is sent, or drop it by returning None.
    """

    def __init__(self, broker, edit=lambda answer: answer):
        self.records = {}
        self.cursors = {}
        self.edit = edit
        self._client = broker.client("responder")
        self._client.on_message = self._take
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = lambda client, *_: self._subscribe(client)
        self._subscribe(self._client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client):
        client.subscribe([("$tidegate/+/batch/+", 0), ("$tidegate/+/query/+", 0)])

    def _take(self, _client, _data, message):
        _, node, kind, token = message.topic.split("/")
        answer = self._query(message.payload) if kind == "query" else self._batch(message.payload)
        answer = self.edit({"token": int(token), **answer})
        if answer is not None:
            self.say(node, answer)

    def say(self, node, answer):
        """Send a node an answer, or bytes in its place."""
        payload = answer if isinstance(answer, bytes) else json.dumps(answer)
        self._client.publish(f"$tidegate/{node}/answer", payload)

    def _query(self, payload):
        name, _, at = payload.decode().partition(" ")
        stream = parse_stream(name)
        cursor = self.cursors.get(name, NEW_STREAM)
        standing = Standing(cursor, GENERATION, int(at or 0), None)
        return {"status": 200, **standing_fields(stream, standing)}

    def _batch(self, payload):
        batch = decode(payload)
        name, span = str(batch.stream), batch.span
        verdict = examine(self.cursors.get(name, NEW_STREAM), span)
        if verdict.kind not in (APPLY, KNOWN):
            return {"status": 409, "error": verdict.kind, "expected": verdict.cursor.through + 1}
        self.cursors[name] = verdict.cursor
        self.records.setdefault(name, []).extend(verdict.records)
        receipt = Receipt(span.first, span.last, verdict.cursor, GENERATION)
        return {"status": 200, **receipt_fields(batch.stream, receipt)}
