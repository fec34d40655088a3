"""What a client may publish and subscribe to.

Promises that a subscription is allowed only where every topic that it matches is allowed, and that
nothing in a user name or a client id, which clients choose, opens more than the rule's author
wrote.  Without any rule everybody may do everything; with any, only what a matching one allows.
Deciding costs microseconds, so answers are remembered.
"""

import re

from tidegate.config.settings import AccessSettings
from tidegate.records.filters import shared

# 10 MB at the most; a site's clients with their usual topics fit in.
ANSWERS_MAX = 16_384
ANSWER_CHARACTERS_MAX = 512  # Longer questions are answered each time.

_PLACES = re.compile(rb"%[uc]")
_UNFIT = re.compile(r"[+#/\x00]")


class Rules:
    """The rules of a configuration, and the last answers they gave."""

    def __init__(self, access: tuple[AccessSettings, ...], answers_max: int = ANSWERS_MAX) -> None:
        self._access = access
        self._answers_max = answers_max
        self._answers: dict[tuple[str, str, bytes, bool], bool] = {}

    @property
    def is_open(self) -> bool:
        """Tell whether there is no rule, so that nothing hangs on who asks."""
        return not self._access

    def may_publish(self, user: str, client_id: str, topic: bytes) -> bool:
        """Tell whether a client may publish to `topic`; one without a user name is user ""."""
        if not self._access:
            return True
        return self._answer(user, client_id, topic, False)

    def may_subscribe(self, user: str, client_id: str, filter: bytes) -> bool:
        """Tell whether a client may subscribe to `filter`; of a shared one the filter in it."""
        if not self._access:
            return True
        return self._answer(user, client_id, filter, True)

    def _answer(self, user: str, client_id: str, asked: bytes, is_filter: bool) -> bool:
        question = (user, client_id, asked, is_filter)
        answer = self._answers.get(question)
        if answer is None:
            answer = self._decide(user, client_id, asked, is_filter)
            if len(user) + len(client_id) + len(asked) <= ANSWER_CHARACTERS_MAX:
                if len(self._answers) >= self._answers_max:
                    self._answers = {}
                self._answers[question] = answer
        return answer

    def _decide(self, user: str, client_id: str, asked: bytes, is_filter: bool) -> bool:
        if is_filter:
            try:
                parts = shared(asked)
            except ValueError:
                return False
            asked = asked if parts is None else parts[1]
        levels = asked.split(b"/")
        for rule in self._access:
            if not (_fits(rule.users, user) and _fits(rule.client_ids, client_id)):
                continue
            for text in rule.subscribe if is_filter else rule.publish:
                allowed = _filled_in(text.encode(), user, client_id)
                if allowed is not None and covers(allowed, levels):
                    return True
        return False


def covers(allowed: list[bytes], asked: list[bytes]) -> bool:
    """Tell whether the filter `allowed` matches every topic that `asked` matches, level by level.

    Errs on the side of no: `+/#` is not found to cover `#`.
    """
    # [MQTT-4.7.2-1]: a leading wildcard does not match topics that begin with $.
    if allowed[0] in (b"#", b"+") and asked[0].startswith(b"$"):
        return False
    for index, level in enumerate(allowed):
        if level == b"#":
            return True  # Also where `asked` ends: sport/# matches sport.
        if index >= len(asked) or asked[index] == b"#":
            return False
        if level != b"+" and level != asked[index]:
            return False
    return len(allowed) == len(asked)


def matches_pattern(pattern: str, text: str) -> bool:
    """Tell whether `text` is `pattern`, in which each * stands for any characters or none.

    Takes time in proportion to the text, whatever the pattern: a client chose the text.
    """
    first, *inner = pattern.split("*")
    if not inner:
        return text == pattern
    last = inner.pop()
    if len(text) < len(first) + len(last):
        return False
    if not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in inner:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _fits(patterns: tuple[str, ...], text: str) -> bool:
    return any(matches_pattern(pattern, text) for pattern in patterns)


def _filled_in(text: bytes, user: str, client_id: str) -> list[bytes] | None:
    """Return the levels of an allowed filter with its %u and %c filled in.

    None where the rule gives this client nothing: its name is empty, or would be more than a part
    of one level, or would begin a topic with $ where the rule's author wrote none.
    """
    names = {b"%u": user, b"%c": client_id}
    places = _PLACES.findall(text)
    if not places:
        return text.split(b"/")
    for place in places:
        if not names[place] or _UNFIT.search(names[place]):
            return None
    filled = _PLACES.sub(lambda found: names[found[0]].encode(), text)
    if filled.startswith(b"$") and not text.startswith(b"$"):
        return None
    return filled.split(b"/")
