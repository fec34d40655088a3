"""A text that must never be printed: a password, a token, a database's address.

Promises that no log line, error, test report or `repr` of the settings shows it by accident.
Leaves to others to say when it is needed: `reveal` is the only way to the text, and easy to search
for.
"""


class Secret:
    """Hold a secret text; false when there is none.

    Two secrets can be compared for the sake of tests, but not in constant time: a receiver that
    checks a peer's token compares hashes with the platform's own means.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be handed to whoever needs it and to nobody else."""
        return self._text

    def __bool__(self) -> bool:
        return self._text != ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        # `str()` and f-strings fall back to this on both Pythons.
        return "Secret(***)" if self._text else "Secret()"
