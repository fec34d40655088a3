"""The one error of an update that a person is told of."""


class UpdateError(Exception):
    """Report an update that is refused or has failed; the program that ran before still runs."""

    def __init__(self, what: str, hint: str) -> None:
        Exception.__init__(self, what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what
