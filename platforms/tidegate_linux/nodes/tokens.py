"""The file of who may send over HTTP: a line for each, its name and its token, or the token's hash.

    greenhouse-1 6f1d0c...
    greenhouse-2 sha256:9b74c9897bac770ffc029102a200c5de...

Nothing of a line is ever quoted but its number: a token may stand anywhere in it.
"""

from pathlib import Path

from tidegate.config.checks import check_name, check_token, check_token_hash
from tidegate_hub.tokens import HASH_PREFIX, TokenBook, parse_token_hash, token_digest
from tidegate_linux.errors import OperatorError

FILE_BYTES_MAX = 1 << 20  # Ten thousand nodes.


class TokensError(OperatorError):
    """Report what is wrong with the file, worded to follow its key or path, and what to do."""


def load_tokens(path: Path) -> TokenBook:
    """Return the tokens in a file; raise `TokensError`."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TokensError(f"cannot be read: {reason}", "look at the path and the rights") from None
    if len(data) > FILE_BYTES_MAX:
        raise TokensError(f"has more than {FILE_BYTES_MAX} bytes", "is it another file?")
    entries = []
    for number, line in enumerate(data.split(b"\n"), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            entries.append(_entry(words))
        except ValueError:
            what = f"is not a name and a token, or sha256: and 64 hex digits, in line {number}"
            raise TokensError(what, "make a token with: openssl rand -hex 32") from None
    if not entries:
        hint = "write a line for each node: its name and its token"
        raise TokensError("leads to a file that names nobody", hint)
    try:
        return TokenBook(entries)
    except ValueError as error:
        hint = "give each node a name and a token of its own"
        raise TokensError(f"is not unambiguous: {error}", hint) from None


def _entry(words: list[bytes]) -> tuple[str, bytes]:
    name, token = [word.decode("ascii") for word in words]
    check_name(name)
    if token.startswith(HASH_PREFIX):
        check_token_hash(token)
        return name, parse_token_hash(token)
    check_token(token)
    return name, token_digest(token)
