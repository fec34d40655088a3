"""What every command tells a person when it ends early: what, and what to do about it."""


class OperatorError(Exception):
    """Report what a person has to know and to do, one line each; the command ends with both."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what
