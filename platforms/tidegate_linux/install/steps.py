"""Steps that lead a host to a state: each knows whether it is done, so any number may be repeated.

An installation that was cut off anywhere is finished by running it again; `--dry-run` asks the same
steps and carries none out.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from tidegate_linux import durable
from tidegate_linux.durable import ROOT, Owner
from tidegate_linux.install.errors import InstallError


class Step(NamedTuple):
    """Something to do, unless it is done; `places` is all that it looks at or changes."""

    what: str
    is_done: Callable[[], bool]
    carry_out: Callable[[], None]
    places: tuple[Path, ...] = ()


def check_inside(steps: Iterable[Step], root: Path) -> None:
    """Refuse steps that links of an image lead out of it: they would change the host instead."""
    real_root = root.resolve()
    for place in (place for step in steps for place in step.places):
        try:
            real = place.resolve()
        except (OSError, RuntimeError):  # Links in a circle; which of both, Python's version says.
            what = f"{place} is a link that leads to itself"
            raise InstallError(what, "put it right, or take it away") from None
        if not real.is_relative_to(real_root):
            what = f"{place} leads out of {root}, to {real}"
            hint = "in an image let such links be relative, or run the command in it with chroot"
            raise InstallError(what, hint)


def take(steps: Iterable[Step], is_dry: bool) -> int:
    """Carry out the steps that are not done, saying each; return how many there were."""
    count = 0
    for step in steps:
        with _told(step):
            is_done = step.is_done()
        if is_done:
            continue
        count += 1
        click.echo(f"would {step.what}" if is_dry else step.what)
        if not is_dry:
            with _told(step):
                step.carry_out()
    return count


def file_step(path: Path, data: bytes, mode: int) -> Step:
    """Return the step that puts these bytes there; root owns them."""

    def is_done() -> bool:
        return path.is_file() and _mode(path) == mode and path.read_bytes() == data

    def carry_out() -> None:
        if not path.parent.is_dir():
            durable.make_folder(path.parent, 0o755)
        durable.write_file(path, data, mode)

    return Step(f"write {path}", is_done, carry_out, (path,))


def link_step(path: Path, target: str) -> Step:
    """Return the step that lets `path` lead to `target`."""

    def is_done() -> bool:
        return path.is_symlink() and str(path.readlink()) == target

    def carry_out() -> None:
        if not path.parent.is_dir():
            durable.make_folder(path.parent, 0o755)
        durable.write_link(path, target)

    return Step(f"let {path} lead to {target}", is_done, carry_out, (path.parent,))


def folder_step(path: Path, mode: int, owner: Callable[[], Owner | None] = lambda: ROOT) -> Step:
    """Return the step that makes a folder; `owner` is asked when it is needed, not before."""

    def is_done() -> bool:
        if not path.is_dir() or owner() is None:
            return False
        status = path.stat()
        return (status.st_uid, status.st_gid) == owner() and _mode(path) == mode

    def carry_out() -> None:
        durable.make_folder(path, mode, _known(owner()))

    return Step(f"make {path}", is_done, carry_out, (path,))


def first_file_step(path: Path, data: bytes, mode: int, owner: Callable[[], Owner | None]) -> Step:
    """Return the step that writes a file where there is none; what is there is not ours."""
    return Step(
        f"write {path}",
        path.exists,
        lambda: durable.write_file(path, data, mode, _known(owner())),
        (path,),
    )


def removal_step(path: Path) -> Step:
    """Return the step that takes a file, a folder, or a link and not what it leads to, away.

    What a cut has left beside it goes too.
    """
    paths = (path, durable.beside(path))

    def carry_out() -> None:
        for each in paths:
            durable.remove(each)

    return Step(
        f"remove {path}",
        lambda: not any(map(os.path.lexists, paths)),
        carry_out,
        (path.parent,),
    )


def empty_folder_step(path: Path) -> Step:
    """Return the step that takes a folder away, unless something is in it."""
    return Step(
        f"remove {path}",
        lambda: not path.is_dir() or any(path.iterdir()),
        lambda: durable.remove(path),
        (path,),
    )


@contextmanager
def _told(step: Step) -> Iterator[None]:
    """Say which step failed, and at what."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        place = f" ({error.filename})" if error.filename else ""
        hint = "put that right and run the same command again: what is done stays done"
        if os.geteuid() != 0:
            hint = "run it with sudo: who is not root may not look everywhere"
        raise InstallError(f"cannot {step.what}: {reason}{place}", hint) from None


def _known(owner: Owner | None) -> Owner:
    if owner is None:
        raise InstallError("the user of the service is missing", "run the same command again")
    return owner


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
