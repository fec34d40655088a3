"""Topic names, after MQTT section 4.7, on bytes.

The rules are those of MQTT 5; 3.1.1 has the same ones.  Section numbers are those of MQTT 5.

Nothing is normalised: `/a`, `a` and `a/` are three topics, and case and bytes count.
"""

from tidegate.limits import TOPIC_BYTES_MAX
from tidegate.records.text import check_utf8


def check_topic(topic: bytes) -> None:
    """Raise `ValueError`, saying what is wrong, unless a message may be published to `topic`.

    An empty topic is refused: with an alias (MQTT 5) it has to be resolved first.
    """
    check_text(topic, "a topic")
    if b"+" in topic or b"#" in topic:
        raise ValueError("a topic holds no wildcard")  # [MQTT-3.3.2-2]


def check_text(text: bytes, what: str) -> None:
    """Raise `ValueError`, saying what is wrong with `what`, where no topic holds such text."""
    if not text:
        raise ValueError(f"{what} has at least one character")  # [MQTT-4.7.3-1]
    if len(text) > TOPIC_BYTES_MAX:
        raise ValueError(f"{what} has at most {TOPIC_BYTES_MAX} bytes")  # [MQTT-4.7.3-3]
    try:
        check_utf8(text)  # [MQTT-4.7.3-2]
    except ValueError as error:
        raise ValueError(f"{what} is not valid: {error}")
