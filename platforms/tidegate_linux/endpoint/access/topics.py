"""What the records of a node's batch may be about: what its client might publish itself.

A batch comes to `$tidegate/<node>/batch/<token>`, and whoever may publish there could otherwise put
anything into it.  So each topic in it is judged as that of a PUBLISH of the same client would be,
and one that begins with `$` is refused always: what this gateway says about nodes stands there.
"""

from typing import TYPE_CHECKING

from tidegate_linux.endpoint.access.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import AccessSettings, EndpointSettings

    Judge = Callable[[bytes], str]

QUOTED_CHARACTERS_MAX = 60


class BatchTopics:
    """The judge of all clients; for one thread at a time, with a memory of its own."""

    def __init__(self, settings: "EndpointSettings", access: "tuple[AccessSettings, ...]") -> None:
        self._settings = settings
        self._rules = Rules(access)

    def judge_of(self, user: str, client_id: str) -> "Judge":
        """Return what tells why a client may not bring a topic, or ""."""

        def refusal(topic: bytes) -> str:
            if topic.startswith(b"$"):
                return f"topic {_quoted(topic)} begins with $, and no client may publish there"
            if is_oversized(self._settings, topic):
                return f"topic {_quoted(topic)} is longer or deeper than this gateway takes"
            if not self._rules.may_publish(user, client_id, topic):
                return f"topic {_quoted(topic)} is not among those that the access rules allow"
            return ""

        return refusal


def is_oversized(settings: "EndpointSettings", topic: bytes) -> bool:
    """Tell whether a topic is longer, or has more levels, than is set."""
    return topic.count(b"/") >= settings.topic_levels_max or len(topic) > settings.topic_bytes_max


def _quoted(topic: bytes) -> str:
    text = topic.decode(errors="replace")
    cut = "..." if len(text) > QUOTED_CHARACTERS_MAX else ""
    return f"{text[:QUOTED_CHARACTERS_MAX]!r}{cut}"
