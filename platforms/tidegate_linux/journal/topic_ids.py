"""The dictionary of topics: a topic is stored once a lane, not once a record.

A device that invents topics for ever must not grow it without end.  So each topic bears the
*generation* of the last row that used it: a row's number without its low 16 bits.  Rows of a lane
are forgotten from the front, so a topic whose generation is lower than that of the first row kept
is used by no row any more.  Writing the generation costs one UPDATE for 65,536 rows of a topic, not
one a record.
"""

import apsw

GENERATION_SHIFT = 16
KNOWN_BYTES_MAX = 2 * 1024 * 1024  # Of topics in memory: 20,000 topics of 100 bytes.
_ENTRY_BYTES = 120  # What CPython takes for a dictionary's entry besides the topic's bytes, about.


class Topics:
    """The topics of one lane; `id_of` finds or makes a topic's id."""

    def __init__(self, lane_number: int) -> None:
        self._lane_number = lane_number
        self._generation = -1
        self._pruned_to = 0
        self._known: dict[bytes, int] = {}
        self._known_bytes = 0

    def known_in(self, row: int) -> "dict[bytes, int]":
        """Return the ids of topics that are good for rows up to `row`; misses go to `id_of`."""
        generation = row >> GENERATION_SHIFT
        if generation != self._generation:
            self._generation = generation
            self._forget_known()
        return self._known

    def id_of(self, connection: apsw.Connection, topic: bytes) -> int:
        """Return the id of a topic that `known_in` does not know, and let it know it."""
        if self._known_bytes > KNOWN_BYTES_MAX:
            self._forget_known()
        stored = _stored_form(topic)
        found = connection.execute(
            "SELECT id FROM topic WHERE lane = ? AND topic = ?", (self._lane_number, stored)
        ).fetchone()
        if found is None:
            connection.execute(
                "INSERT INTO topic (lane, topic, used) VALUES (?, ?, ?)",
                (self._lane_number, stored, self._generation),
            )
            topic_id = connection.last_insert_rowid()
        else:
            topic_id = found[0]
            connection.execute(
                "UPDATE topic SET used = ? WHERE id = ? AND used < ?",
                (self._generation, topic_id, self._generation),
            )
        self._known[topic] = topic_id
        self._known_bytes += len(topic) + _ENTRY_BYTES
        return topic_id

    def prune(self, connection: apsw.Connection, first_row: int) -> None:
        """Delete topics that no row from `first_row` on can use."""
        generation = first_row >> GENERATION_SHIFT
        if generation > self._pruned_to:
            connection.execute(
                "DELETE FROM topic WHERE lane = ? AND used < ?", (self._lane_number, generation)
            )
            self._pruned_to = generation

    def _forget_known(self) -> None:
        self._known.clear()
        self._known_bytes = 0


def _stored_form(topic: bytes) -> "str | bytes":
    """Return text, for an owner to read, wherever that gives the same bytes back."""
    try:
        text = topic.decode("utf-8")
    except UnicodeDecodeError:
        return topic
    return topic if "\0" in text else text
