"""Whose signatures count: the keys in the program, and those the host's owner has put beside it.

A key is a file `NAME.pub`: the 32 bytes of an Ed25519 public key in base64, below lines that begin
with `#`.  Several may stand side by side, so that an old and a new one overlap while keys are
changed.

- In the program: what `packaging/keys` held when it was built.  A build without any trusts nobody.
- Beside it: `keys/` in the folder of the installation.  Who can write there can replace the program
  itself, so this opens no door that was not open; it must belong to who owns the program, and be
  writable by nobody else.  No variable and no option names another place.
"""

import base64
import hashlib
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tidegate_linux.update.errors import UpdateError

KEY_BYTES = 32
# Both kinds of key are 32 bytes: what the first line of a secret one says keeps it out of here.
PUBLIC_LINE = "# A public key of Tidegate releases."
SECRET_LINE = (
    "# A SECRET key of Tidegate releases: whoever has it makes programs that gateways run."
)
_KEYS_MAX = 16
_FILE_BYTES_MAX = 4096
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Key(NamedTuple):
    """A public key and what its file is called."""

    name: str
    public: bytes

    def __str__(self) -> str:
        return f"{self.name} ({fingerprint(self.public)})"


def fingerprint(public: bytes) -> str:
    """Return what two people read to each other to know that they have the same key."""
    return hashlib.sha256(public).hexdigest()[:16]


def signer_of(message: bytes, signature: bytes, keys: Sequence[Key]) -> str | None:
    """Return which of the keys has signed `message`, None where none has."""
    for key in keys:
        try:
            VerifyKey(key.public).verify(message, signature)
        except BadSignatureError:
            continue
        return str(key)
    return None


def trusted_keys(pinned: Path, beside: Path, tell: Callable[[str], None]) -> list[Key]:
    """Return the keys of both folders; raise `UpdateError` if there is none.

    One of the owner's that is no key vouches for nothing: it is told of, and the others count.
    """
    keys = [Key(path.stem, parse_key(path)) for path in _key_files(pinned)]
    if beside.is_dir():
        owner = beside.parent.stat().st_uid
        _check_owner(beside, owner)
        for path in _key_files(beside):
            _check_owner(path, owner)
            try:
                keys.append(Key(path.stem, parse_key(path)))
            except UpdateError as error:
                tell(f"{error.what}; {error.hint}")
    if not keys:
        raise UpdateError(
            "this program trusts no key, so it refuses every update",
            f"put the public key of who makes your releases into {beside}/NAME.pub",
        )
    return keys


def parse_key(path: Path) -> bytes:
    """Return the key in a file, or raise `UpdateError`."""
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX).decode("ascii")
        public = decoded(text)
        is_secret = SECRET_LINE in text.splitlines()
    except (OSError, ValueError):
        public, is_secret = b"", False
    if is_secret:
        raise UpdateError(
            f"{path} is a secret key",
            "take it off this host, and make a new pair: it was seen here",
        )
    if len(public) != KEY_BYTES:
        raise UpdateError(f"{path} holds no public key", "make one with build/signing.py")
    return public


def decoded(text: str) -> bytes:
    """Return the bytes of a key below its comments, or raise `ValueError`."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    return base64.b64decode("".join(lines), validate=True)


def _key_files(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.pub"))
    if len(paths) > _KEYS_MAX:
        raise UpdateError(f"{folder} has {len(paths)} keys, {_KEYS_MAX} may be", "remove old ones")
    return paths


def _check_owner(path: Path, owner: int) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != owner or found.st_mode & _WRITABLE_BY_OTHERS:
        raise UpdateError(
            f"{path} could be changed by others than the owner of the program",
            f"chown root:root {path}; chmod go-w {path}; and look at who has put it there",
        )
