"""The file of users and their hashed passwords.

A line is `name:scrypt$n$r$p$salt$hash`, salt and hash in base64; empty lines and lines that begin
with # are comments and kept.  Promises that the file is written whole or not at all, readable for
its owner alone, and that of two commands at once neither loses the other's user.  A line that is
neither is refused with its number and never dropped: it may be somebody's way in.

Theory of operation.  A check costs what scrypt costs (16 MB, some 50 ms), so that who steals the
file guesses slowly; one check runs at a time, so that many logins cost no more memory than one.
After a right one a keyed digest of the password is remembered, in memory only and under a key of
this process, so that a fleet that comes back after a cut is not held up by its hashes.
"""

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tidegate_linux.errors import OperatorError
from tidegate_linux.journal.folder import FOLDER_MODE

# 16 MB, and 50 ms on a small gateway.  Each line has its own; these are for new ones.
SCRYPT_N = 16384
SCRYPT_R = 8
SCRYPT_P = 1
SCRYPT_BYTES_MAX = 64 * 1024 * 1024  # What a line of the file may make a login cost,
SCRYPT_P_MAX = 4  # and how often.
SALT_BYTES = 16
HASH_BYTES = 32
NAME_BYTES_MAX = 256  # A name stands in logs and in topics (%u).
PASSWORD_BYTES_MAX = 65535  # The length field of MQTT's password is two bytes.
FILE_BYTES_MAX = 16 * 1024 * 1024  # A hundred thousand users.
PRIVATE = 0o600

_DUMMY_SALT = bytes(SALT_BYTES)


class UsersError(OperatorError):
    """Report what is wrong with the file or a name, and what to do, one line each."""


class Verifier(NamedTuple):
    """What a password is checked against."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    def __str__(self) -> str:
        salt, hash = (base64.b64encode(data).decode() for data in (self.salt, self.hash))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${hash}"


class Users:
    """The users of a file; nobody until `load`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Through a symbolic link, so that replacing the file does not replace the link.
        self.path = Path(os.path.realpath(path))
        self._verifiers: dict[str, Verifier] = {}
        self._seen: dict[str, tuple[Verifier, bytes]] = {}
        self._key = os.urandom(32)
        self._one_at_a_time = threading.Lock()

    def load(self) -> None:
        """Read the file; where there is none there are no users.

        Raises `UsersError` and keeps the users that were, when it cannot be read or understood.
        """
        self._verifiers = _parse(self.path, _read_lines(self.path))
        # Nobody who was removed, or got another password, comes in by what is remembered.
        verifiers = self._verifiers
        self._seen = {
            name: seen for name, seen in list(self._seen.items()) if verifiers.get(name) == seen[0]
        }

    def names(self) -> list[str]:
        """Return the names of the users, as the file has them."""
        return list(self._verifiers)

    def check(self, username: str, password: bytes) -> bool:
        """Tell whether this is the user's password; slow, for any thread.

        A name that nobody has takes as long as a wrong password.
        """
        if self.is_seen(username, password):
            return True
        verifier = self._verifiers.get(username)
        with self._one_at_a_time:
            if verifier is None:
                _hash(password, Verifier(SCRYPT_N, SCRYPT_R, SCRYPT_P, _DUMMY_SALT, b""))
                return False
            is_right = hmac.compare_digest(_hash(password, verifier), verifier.hash)
        if is_right:
            self._seen[username] = (verifier, self._digest(password))
        return is_right

    def is_seen(self, username: str, password: bytes) -> bool:
        """Tell whether this was right before, and nothing has changed since; fast."""
        seen = self._seen.get(username)
        if seen is None or seen[0] != self._verifiers.get(username):
            return False
        return hmac.compare_digest(seen[1], self._digest(password))

    def _digest(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._key).digest()

    def add(self, username: str, password: bytes) -> bool:
        """Write a user, or a user's new password; tell whether the user is new.

        Raises `UsersError`, and `OSError` from the disk; then the file is as it was.
        """
        check_username(username)
        if not 0 < len(password) <= PASSWORD_BYTES_MAX:
            what = f"the password has {len(password)} bytes"
            raise UsersError(what, f"take one of 1 to {PASSWORD_BYTES_MAX} bytes")
        verifier = new_verifier(password)
        line = f"{username}:{verifier}"

        def change(lines: list[str]) -> list[str]:
            if username not in _parse(self.path, lines):
                return [*lines, line]
            return [line if _name_of(each) == username else each for each in lines]

        return self._rewrite(change, username)

    def remove(self, username: str) -> bool:
        """Remove a user; tell whether there was one.  Raises as `add` does."""

        def change(lines: list[str]) -> list[str]:
            return [each for each in lines if _name_of(each) != username]

        return self._rewrite(change, username)

    def _rewrite(self, change: Callable[[list[str]], list[str]], username: str) -> bool:
        """Replace the file; tell whether the user was not in it before, or is not any more."""
        # Before the gateway's first start its data folder need not be there.
        self.path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        with _only_writer(self.path.parent):
            lines = _read_lines(self.path)
            before = _parse(self.path, lines)
            changed = change(lines)
            after = _parse(self.path, changed)
            if changed != lines:
                _replace(self.path, "".join(line + "\n" for line in changed))
        self._verifiers = after
        return (username in before) != (username in after)


def new_verifier(password: bytes) -> Verifier:
    """Hash a password under a salt of its own."""
    empty = Verifier(SCRYPT_N, SCRYPT_R, SCRYPT_P, os.urandom(SALT_BYTES), b"")
    return empty._replace(hash=_hash(password, empty))


def check_username(name: str) -> None:
    """Raise `UsersError` unless `name` can stand in the file and mean one user."""
    problem = ""
    if not name or len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        problem = f"is not 1 to {NAME_BYTES_MAX} bytes long"
    elif ":" in name or name.startswith("#") or name != name.strip():
        problem = "has a colon in it, begins with #, or has a space at an end"
    elif not name.isprintable():
        problem = "has a character in it that cannot be seen"
    if problem:
        raise UsersError(f"the user name {problem}", "choose another name")


def _hash(password: bytes, verifier: Verifier) -> bytes:
    return hashlib.scrypt(
        password,
        salt=verifier.salt,
        n=verifier.n,
        r=verifier.r,
        p=verifier.p,
        maxmem=SCRYPT_BYTES_MAX + 1024 * 1024,
        dklen=len(verifier.hash) or HASH_BYTES,
    )


def _read_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "run this as the user whose gateway it is, and look at endpoint.users_file"
        raise UsersError(f"{path} cannot be read: {reason}", hint) from None
    if len(data) > FILE_BYTES_MAX:
        raise UsersError(f"{path} has more than {FILE_BYTES_MAX} bytes", "is it another file?")
    try:
        return data.decode().split("\n")[: -1 if data.endswith(b"\n") else None] if data else []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsersError(f"{path}: line {line} is not UTF-8", "mend or remove the line") from None


def _name_of(line: str) -> str:
    """Return the name in a line that passed `_parse`, "" for a comment."""
    return "" if _is_comment(line) else line.partition(":")[0]


def _is_comment(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _parse(path: Path, lines: list[str]) -> dict[str, Verifier]:
    """Return the users in the lines; raise `UsersError` that names the first bad line."""
    verifiers: dict[str, Verifier] = {}
    for number, line in enumerate(lines, 1):
        if _is_comment(line):
            continue
        name, _, text = line.partition(":")
        try:
            check_username(name)
            verifier = _parse_verifier(text.strip())
        except (UsersError, ValueError):
            # Not a word of the line is quoted: it may hold a password in plain.
            what = f"{path}: line {number} is not name:scrypt$n$r$p$salt$hash"
            hint = "remove the line and write the user again with tidegate user add"
            raise UsersError(what, hint) from None
        if name in verifiers:
            what = f"{path}: line {number} names a user for the second time"
            raise UsersError(what, "remove one of the two lines")
        verifiers[name] = verifier
    return verifiers


def _parse_verifier(text: str) -> Verifier:
    """Return the verifier; raise `ValueError` for one that would not work, or cost too much."""
    kind, n_text, r_text, p_text, salt_text, hash_text = text.split("$")
    n, r, p = (_number(part) for part in (n_text, r_text, p_text))
    if (
        kind != "scrypt"
        or n < 2
        or n & (n - 1)
        or 128 * n * r > SCRYPT_BYTES_MAX
        or p > SCRYPT_P_MAX
    ):
        raise ValueError("not a scrypt hash of a bearable price")
    try:
        salt, hash = (base64.b64decode(part, validate=True) for part in (salt_text, hash_text))
    except binascii.Error:
        raise ValueError("not base64") from None
    if not salt or not HASH_BYTES // 2 <= len(hash) <= 64:
        raise ValueError("too short to prove anything")
    return Verifier(n, r, p, salt, hash)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValueError("not a number")
    return int(text)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: the file itself is replaced, so a lock on it would hold nobody."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "make the folder, for the user whose gateway it is, or look at endpoint.users_file"
        raise UsersError(f"{folder} cannot be opened: {reason}", hint) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)  # The new name, too, outlives a power cut.
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Write the file beside itself, make it durable, and put it in place."""
    beside = path.with_name(path.name + ".new")
    try:
        beside.unlink(missing_ok=True)  # What a power cut left.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, PRIVATE)
            if os.geteuid() == 0:
                # Root writes it, and the gateway, which is somebody else, has to read it.
                owner = path.stat() if path.exists() else path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "run this as the user whose gateway it is, and look whether the disk is full"
        raise UsersError(f"{path} cannot be written: {reason}", hint) from None
