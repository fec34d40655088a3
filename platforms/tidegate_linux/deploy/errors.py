"""What ends a deployment: one line that says what, one that says what to do."""

from tidegate_linux.errors import OperatorError


class DeployError(OperatorError):
    """Report why a board was not given its node.  Neither text holds a secret."""
