"""The one error of an update that a person is told of."""

from tidegate_linux.errors import OperatorError


class UpdateError(OperatorError):
    """Report an update that is refused or has failed; the program that ran before still runs."""
