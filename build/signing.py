"""Keys and signatures for release files: `build/signing.py new-key|sign|verify`.

    signing.py new-key SECRET PUBLIC        makes a key pair; both files must not exist
    signing.py sign PROGRAM…                makes PROGRAM.update beside each
    signing.py verify FILE.update PUBLIC…   reads a release file as a gateway would

The secret is in the environment, as text in TIDEGATE_SIGNING_KEY or in the file that
TIDEGATE_SIGNING_KEY_FILE names; never on the command line, where others can read it, and never in
the repository.  What a key is good for, and where the public one goes: docs/updates.md.

A release is signed from the checkout that built it: what the journal's formats are is taken from
there, what else it says from the program's name.
"""

import base64
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from nacl.signing import SigningKey

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "platforms")]

from tidegate.version import VERSION  # noqa: E402 - found through the line above.
from tidegate_linux.journal.schema import READABLE  # noqa: E402
from tidegate_linux.journal.schema import VERSION as JOURNAL_VERSION  # noqa: E402
from tidegate_linux.update.errors import UpdateError  # noqa: E402
from tidegate_linux.update.keys import (  # noqa: E402
    KEY_BYTES,
    PUBLIC_LINE,
    SECRET_LINE,
    Key,
    decoded,
    fingerprint,
    parse_key,
)
from tidegate_linux.update.release_file import (  # noqa: E402
    ONEFILE,
    SUFFIX,
    Manifest,
    head,
    read_release,
    signed_bytes,
)

VARIABLE, FILE_VARIABLE = "TIDEGATE_SIGNING_KEY", "TIDEGATE_SIGNING_KEY_FILE"
_NAME = re.compile(r"tidegate-(?P<version>.+)-linux-glibc(?P<glibc>\d\d+)-(?P<arch>amd64|arm64)")
_PATH = click.Path(path_type=Path)


@click.group()
def main() -> None:
    """Make keys, and sign release files with them."""


@main.command(name="new-key")
@click.argument("secret", type=_PATH)
@click.argument("public", type=_PATH)
def new_key(secret: Path, public: Path) -> None:
    """Make a key pair."""
    key = SigningKey.generate()
    texts = (
        (secret, SECRET_LINE, key.encode(), 0o600),
        (public, PUBLIC_LINE, key.verify_key.encode(), 0o644),
    )
    for path, _, _, _ in texts:
        if os.path.lexists(path):
            raise click.ClickException(f"{path} is there already; a key is never overwritten")
    with _refusals():
        for path, line, data, mode in texts:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(fd, "w") as file:
                file.write(f"{line}\n{base64.b64encode(data).decode()}\n")
    click.echo(f"{public}: {fingerprint(key.verify_key.encode())}")
    click.echo(f"{secret}: whoever has this file can make programs that your gateways will run")


@main.command()
@click.argument("programs", type=_PATH, nargs=-1, required=True)
def sign(programs: tuple[Path, ...]) -> None:
    """Make the release file of each program, beside it."""
    key = signing_key()
    if key is None:
        raise click.ClickException(f"neither {VARIABLE} nor {FILE_VARIABLE} is set")
    for program in programs:
        with _refusals():
            click.echo(make_release(program, key))


@main.command()
@click.argument("file", type=_PATH)
@click.argument("keys", type=_PATH, nargs=-1, required=True)
def verify(file: Path, keys: tuple[Path, ...]) -> None:
    """Read a release file as a gateway would that trusts KEYS."""
    try:
        trusted = [Key(path.stem, parse_key(path)) for path in keys]
        with _refusals(), file.open("rb") as stream, Path(os.devnull).open("wb") as nothing:
            release = read_release(stream, trusted)
            release.copy_payload(nothing)
    except UpdateError as error:
        raise click.ClickException(f"{error.what}; {error.hint}") from error
    click.echo(f"signed by {release.signer}")
    for name, value in release.manifest._asdict().items():
        click.echo(f"{name}: {value}")


def signing_key() -> SigningKey | None:
    """Return the secret key that the environment holds or names; None where it does neither."""
    text, path = os.environ.get(VARIABLE, ""), os.environ.get(FILE_VARIABLE, "")
    if not text and path:
        with _refusals():
            text = Path(path).read_text(encoding="ascii", errors="replace")
    if not text.strip():
        return None
    try:
        data = decoded(text)
    except ValueError:
        data = b""
    if PUBLIC_LINE in text.splitlines():
        raise click.ClickException(f"{VARIABLE} or {FILE_VARIABLE} holds the public key")
    if len(data) != KEY_BYTES:
        raise click.ClickException(f"{VARIABLE} or {FILE_VARIABLE} holds no secret key")
    return SigningKey(data)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Tell in one line of a file that is missing or cannot be written."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {(error.strerror or '').lower()}") from error


def make_release(program: Path, key: SigningKey) -> Path:
    """Make the release file of a program that this checkout built; return where it is."""
    found = _NAME.fullmatch(program.name)
    if found is None or found["version"] != VERSION:
        raise click.ClickException(f"{program.name} is no program of version {VERSION}")
    payload = program.read_bytes()
    manifest = Manifest(
        ONEFILE,
        found["version"],
        f"linux/{found['arch']}",
        f"{found['glibc'][0]}.{found['glibc'][1:]}",
        READABLE,
        JOURNAL_VERSION,
        program.name,
        len(payload),
        hashlib.sha256(payload).hexdigest(),
    )
    release = program.with_name(program.name + SUFFIX)
    release.write_bytes(release_bytes(manifest, payload, key))
    return release


def release_bytes(manifest: Manifest, payload: bytes, key: SigningKey) -> bytes:
    """Return a whole release file."""
    line = manifest.line()
    return head(line, key.sign(signed_bytes(line)).signature) + payload


if __name__ == "__main__":
    main()
