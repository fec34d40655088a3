"""What ends an installation: one line that says what, one that says what to do."""


class InstallError(Exception):
    """Report why Tidegate was not installed or removed; what was done before stays done."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what
