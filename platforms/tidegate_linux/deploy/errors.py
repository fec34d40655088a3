"""What ends a deployment: one line that says what, one that says what to do."""


class DeployError(Exception):
    """Report why a board was not given its node.  Neither text holds a secret."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what
