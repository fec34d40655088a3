"""What ends an installation: one line that says what, one that says what to do."""

from tidegate_linux.errors import OperatorError


class InstallError(OperatorError):
    """Report why Tidegate was not installed or removed; what was done before stays done."""
