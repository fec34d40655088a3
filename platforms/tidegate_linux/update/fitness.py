"""Whether a release may follow the program that runs, on this machine and with this journal.

The rule for the journal keeps the way back open: what the new program writes, the running one must
read, because it may be put back.  A release with a new format is therefore preceded by one that
reads it already (docs/decisions/0083-updates.md).
"""

import os
import platform
from typing import NamedTuple

from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.release_file import Manifest

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Place(NamedTuple):
    """What a release must fit: the program that runs, its machine and its journal.

    `journal` is the format of the journal that is there, None without one; `glibc` is "" where the
    C library is another one.
    """

    kind: str
    version: str
    platform: str
    glibc: str
    journal: int | None
    journal_reads: tuple[int, ...]


def this_platform() -> str:
    """Return what a release for this machine says."""
    machine = platform.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def this_glibc() -> str:
    """Return the version of this machine's glibc, "" where there is none."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return ""
    return version if name == "glibc" else ""


def check_fitness(manifest: Manifest, place: Place, is_downgrade_allowed: bool) -> None:
    """Raise `UpdateError` unless the release may be installed."""
    if manifest.kind != place.kind:
        raise UpdateError(
            f"the release is of the kind {manifest.kind}, here runs {place.kind}",
            "take the release file that is meant for this kind of host",
        )
    if manifest.platform != place.platform:
        raise UpdateError(
            f"the release is for {manifest.platform}, this machine is {place.platform}",
            f"take the release file for {place.platform}",
        )
    expected = program_name(manifest)
    if manifest.name != expected:
        raise UpdateError(
            f"the release calls its program {manifest.name} instead of {expected}",
            "get the release file again, from those who make Tidegate for you",
        )
    if not place.glibc or ordered(manifest.glibc) > ordered(place.glibc):
        here = f"this machine has {place.glibc}" if place.glibc else "this machine has none"
        raise UpdateError(
            f"the release needs glibc {manifest.glibc} or newer, {here}",
            "take a release for older systems, or renew the system first",
        )
    _check_version(manifest, place, is_downgrade_allowed)
    _check_journal(manifest, place)


def program_name(manifest: Manifest) -> str:
    """Return what the program of a release is called, always."""
    architecture = manifest.platform.partition("/")[2]
    floor = manifest.glibc.replace(".", "")
    return f"tidegate-{manifest.version}-linux-glibc{floor}-{architecture}"


def ordered(version: str) -> tuple[tuple[int, ...], tuple[tuple[int, str], ...]]:
    """Return a version as something that compares: SemVer's order, a release after its trials."""
    numbers, _, trial = version.partition("-")
    words = trial.split(".") if trial else []
    parts = tuple((int(part), "") if part.isdigit() else (1 << 30, part) for part in words)
    return tuple(int(part) for part in numbers.split(".")), parts or ((1 << 31, ""),)


def _check_version(manifest: Manifest, place: Place, is_downgrade_allowed: bool) -> None:
    if manifest.version == place.version:
        raise UpdateError(
            f"version {place.version} runs already",
            "there is nothing to do; another build must have a version of its own",
        )
    if ordered(manifest.version) < ordered(place.version) and not is_downgrade_allowed:
        raise UpdateError(
            f"the release is version {manifest.version}, here runs {place.version} already",
            "with --force-downgrade it is installed all the same",
        )


def _check_journal(manifest: Manifest, place: Place) -> None:
    if place.journal is not None and place.journal not in manifest.journal_reads:
        reads = ", ".join(map(str, manifest.journal_reads))
        raise UpdateError(
            f"the journal has format {place.journal}, version {manifest.version} reads {reads}",
            "take a version that reads this journal",
        )
    if manifest.journal_writes not in place.journal_reads:
        raise UpdateError(
            f"version {manifest.version} makes the journal one of format"
            f" {manifest.journal_writes}, which {place.version} could not read if it had to come"
            " back",
            "update to a version in between first, one that reads that format",
        )
