"""Who may send: the tokens of the nodes, kept as hashes.

A token is a random text, not a password that a person made up, so one SHA-256 is enough: there is
nothing to guess from a list of words, and a slow hash a request would only be a way to stop the hub
(docs/decisions/0021-hub-tokens.md).  The clear text is dropped as soon as it is hashed and is never
logged.  Every look-up compares with all hashes in constant time: how long it takes tells nothing.
"""

import hashlib
import hmac

HASH_PREFIX = "sha256:"


def token_digest(token: str) -> bytes:
    """Return what the hub keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


def parse_token_hash(text: str) -> bytes:
    """Return the digest in "sha256:" and 64 hex digits; raise `ValueError` when it is not that."""
    digest = bytes.fromhex(text.removeprefix(HASH_PREFIX))
    if not text.startswith(HASH_PREFIX) or len(digest) != hashlib.sha256().digest_size:
        raise ValueError("a token's hash is sha256: and 64 hex digits")
    return digest


class TokenBook:
    """The names of the nodes that may send, found by their token."""

    def __init__(self, entries: list[tuple[str, bytes]]) -> None:
        """Take (name, digest) pairs; raise `ValueError` when a name or a token stands twice."""
        owners: dict[bytes, str] = {}
        names: set[str] = set()
        for name, digest in entries:
            if name in names:
                raise ValueError(f"two nodes are called {name}")
            if digest in owners:
                # One token for two gateways would let each of them overwrite the other's claim.
                raise ValueError(f"{owners[digest]} and {name} have the same token")
            names.add(name)
            owners[digest] = name
        self._entries = list(entries)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self._entries]

    def find(self, token: str) -> str | None:
        """Return the name of the node that sends `token`, or None."""
        digest = token_digest(token)
        found = None
        for name, known in self._entries:
            if hmac.compare_digest(known, digest):
                found = name
        return found
