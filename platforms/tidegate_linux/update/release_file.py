"""The release file: a program, what it is, and who vouches for it, in one file that travels alone.

    {"format":1,"product":"tidegate","kind":"onefile",…}\n   the manifest, JSON on one line
    <base64 of 64 bytes>\n                                    its signature
    <the payload>                                             `size` bytes, with this `sha256`

The signature is Ed25519 over `PREFIX` and the manifest's bytes without the line's end; the manifest
names the payload's hash, so the signature covers the program too.  The prefix keeps a signature
that was made for something else from being one of ours.

Promises that nothing is parsed, and nothing but these two lines held in memory, before a key has
vouched for it; that not a byte more than the manifest says is written; and that whatever a hostile
file holds ends in one `UpdateError`.  Names in the manifest become names of files, so they are
checked even though they are signed.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.keys import Key, signer_of

FORMAT = 1
PRODUCT = "tidegate"
PREFIX = b"tidegate release manifest, format 1\n"
SUFFIX = ".update"

MANIFEST_BYTES_MAX = 4096  # A manifest is about 400.
PAYLOAD_BYTES_MAX = 256 * 1024 * 1024  # Ten times a program; an appliance with its kernel has room.
SIGNATURE_BYTES = 64
_SIGNATURE_LINE_BYTES = 88
_PIECE_BYTES = 64 * 1024

ONEFILE = "onefile"
_KIND = re.compile(r"[a-z][a-z0-9]{0,15}")
_VERSION = re.compile(r"(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){2}(-[0-9a-z]+(\.[0-9a-z]+)*)?")
_PLATFORM = re.compile(r"linux/(amd64|arm64)")
_GLIBC = re.compile(r"[1-9]\.\d{1,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_HINT = "get the release file again, from those who make Tidegate for you"


class Stream(Protocol):
    """Where a release file comes from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


class Sink(Protocol):
    """Where its payload goes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


class Manifest(NamedTuple):
    """What a release says of itself; `journal_reads` are the formats it opens, in rising order."""

    kind: str
    version: str
    platform: str
    glibc: str
    journal_reads: tuple[int, ...]
    journal_writes: int
    name: str
    size: int
    sha256: str

    def line(self) -> bytes:
        """Return the manifest as its line, without the end."""
        fields = {"format": FORMAT, "product": PRODUCT, **self._asdict()}
        return json.dumps(fields, separators=(",", ":")).encode("ascii")


def signed_bytes(line: bytes) -> bytes:
    """Return what is signed for a manifest's line."""
    return PREFIX + line


def head(line: bytes, signature: bytes) -> bytes:
    """Return what stands before the payload."""
    return line + b"\n" + base64.b64encode(signature) + b"\n"


class Release:
    """A release file whose manifest has a good signature, and whose payload is still to be read."""

    def __init__(self, manifest: Manifest, signer: str, stream: Stream) -> None:
        self.manifest = manifest
        self.signer = signer
        self._stream = stream

    def copy_payload(self, sink: Sink) -> None:
        """Write the payload out; what was written counts only if this returns."""
        left, digest = self.manifest.size, hashlib.sha256()
        while left:
            piece = self._stream.read(min(left, _PIECE_BYTES))
            if not piece:
                raise UpdateError(f"the release file ends {left} bytes too early", _HINT)
            digest.update(piece)
            sink.write(piece)
            left -= len(piece)
        if self._stream.read(1):
            raise UpdateError("the release file goes on behind its program", _HINT)
        if digest.hexdigest() != self.manifest.sha256:
            raise UpdateError("the program in the release file is damaged", _HINT)


def read_release(stream: Stream, keys: Sequence[Key]) -> Release:
    """Read a release file as far as its payload, or raise `UpdateError`."""
    lines = _Lines(stream)
    line = lines.next(MANIFEST_BYTES_MAX)
    encoded = None if line is None else lines.next(_SIGNATURE_LINE_BYTES)
    if line is None or encoded is None or not line.startswith(b"{"):
        raise UpdateError("this is no release file of Tidegate", _HINT)
    if not encoded:
        raise UpdateError("the release file is not signed", _HINT)
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != SIGNATURE_BYTES or base64.b64encode(signature) != encoded:
        raise UpdateError("the release file has no signature that could be one", _HINT)
    signer = signer_of(signed_bytes(line), signature, keys)
    if signer is None:
        what = "no key that this program trusts has signed the release file"
        known = ", ".join(str(key) for key in keys)
        raise UpdateError(what, f"trusted are {known}; docs/updates.md says how to add one")
    return Release(parse_manifest(line), signer, stream)


def parse_manifest(line: bytes) -> Manifest:
    """Return the manifest in a line that was signed."""
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("product") != PRODUCT:
        raise UpdateError("the release file's manifest is none of Tidegate's", _HINT)
    if fields.get("format") != FORMAT:
        raise UpdateError(
            f"the release file has format {fields.get('format')}, this program knows {FORMAT}",
            "update to a version in between first",
        )
    manifest = Manifest(
        _text(fields, "kind", _KIND),
        _text(fields, "version", _VERSION),
        _text(fields, "platform", _PLATFORM),
        _text(fields, "glibc", _GLIBC),
        _numbers(fields, "journal_reads"),
        _number(fields, "journal_writes", 1, 1_000_000),
        _text(fields, "name", _NAME),
        _number(fields, "size", 1, PAYLOAD_BYTES_MAX),
        _text(fields, "sha256", _SHA256),
    )
    if manifest.journal_writes not in manifest.journal_reads:
        raise _bad("journal_reads")
    return manifest


class _Lines:
    """Reads lines of a stream without taking a byte of what follows them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def next(self, bytes_max: int) -> bytes | None:
        """Return the next line without its end; None where it is longer, or has no end."""
        line = bytearray()
        while len(line) <= bytes_max:
            byte = self._stream.read(1)
            if byte == b"\n":
                return bytes(line)
            if not byte:
                return None
            line += byte
        return None


def _text(fields: dict[str, Any], name: str, form: "re.Pattern[str]") -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.isascii() or not form.fullmatch(value):
        raise _bad(name)
    return value


def _number(fields: dict[str, Any], name: str, low: int, high: int) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _bad(name)
    return value


def _numbers(fields: dict[str, Any], name: str) -> tuple[int, ...]:
    values = fields.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= 100:
        raise _bad(name)
    return tuple(sorted(_number({name: value}, name, 1, 1_000_000) for value in values))


def _bad(name: str) -> UpdateError:
    return UpdateError(f"the release file's manifest has no good {name}", _HINT)
