"""Topics as numbers: a dictionary in the database, and a bounded memory of it.

A number given out in a transaction is remembered only after its commit: `resolve` returns what was
found, `remember` is the caller's word that it is durable.  Safe with several connections and
several threads: a lost race is resolved by looking again.
"""

import hashlib
import threading

from sqlalchemy import Connection, select, text

from tidegate_hub.tables import TOPICS

# About 20 MB with topics of 100 bytes.  When it is full it is emptied: with so many topics in use
# a cleverer choice would have to be paid for by every record.
REMEMBERED_MAX = 100_000

_ASK_AT_ONCE = 500  # Below the number of parameters that any SQLite takes.

_INSERT = text(
    "INSERT INTO topics (digest, topic) VALUES (:digest, :topic) ON CONFLICT (digest) DO NOTHING"
)


class TopicIds:
    """Numbers of topics that are known to be in the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, int] = {}

    def resolve(self, connection: Connection, topics: set[bytes]) -> dict[bytes, int]:
        """Return the numbers of all `topics`, giving new ones to those without."""
        known = self._known
        numbers = {topic: known[topic] for topic in topics if topic in known}
        missing = {
            hashlib.sha256(topic).digest(): topic for topic in topics if topic not in numbers
        }
        if not missing:
            return numbers
        found = _find(connection, missing)
        # In one order everywhere, or two hubs' transactions could wait for each other.
        fresh = sorted(digest for digest, topic in missing.items() if topic not in found)
        if fresh:
            rows = [{"digest": digest, "topic": missing[digest].decode()} for digest in fresh]
            connection.execute(_INSERT, rows)
            found.update(_find(connection, {digest: missing[digest] for digest in fresh}))
        numbers.update(found)
        return numbers

    def remember(self, numbers: dict[bytes, int]) -> None:
        """Keep `numbers`, whose transaction has committed."""
        with self._lock:
            if len(self._known) + len(numbers) > REMEMBERED_MAX:
                # A new dictionary, because another thread may be reading the old one.
                self._known = {}
            self._known.update(numbers)

    def forget(self) -> None:
        """Drop everything: the connection was lost, and the database may be another one now."""
        with self._lock:
            self._known = {}


def _find(connection: Connection, topics: dict[bytes, bytes]) -> dict[bytes, int]:
    found = {}
    digests = list(topics)
    for start in range(0, len(digests), _ASK_AT_ONCE):
        part = digests[start : start + _ASK_AT_ONCE]
        query = select(TOPICS.c.digest, TOPICS.c.topic_id).where(TOPICS.c.digest.in_(part))
        for digest, topic_id in connection.execute(query):
            found[topics[bytes(digest)]] = topic_id
    return found
