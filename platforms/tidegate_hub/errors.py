"""Why a hub does not start, and why a batch that is well-formed is not applied.

A peer's fault in the bytes themselves is the core's `ProtocolError`.
"""


class HubError(Exception):
    """Report that the hub cannot start: the `problem`, and a `hint` what to do about it."""

    def __init__(self, problem: str, hint: str) -> None:
        Exception.__init__(self, problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return self.problem


class ForeignNodeError(Exception):
    """Report a stream whose node belongs to another token; `owner` is that token's name."""

    def __init__(self, node: str, owner: str) -> None:
        Exception.__init__(self, node, owner)
        self.node = node
        self.owner = owner

    def __str__(self) -> str:
        return f"node {self.node} belongs to {self.owner}"


class UnavailableError(Exception):
    """Report that the database did not do it now; nothing was applied, or it is not known.

    Either is safe: the sender sends the same again, and the ledger tells what was applied.
    """


class UnstorableError(Exception):
    """Report that the database refuses a value as such; the same batch will be refused again."""


class IntegrityError(Exception):
    """Report that the last line of defence was hit: the database contradicts the ledger."""
