"""`tidegate update`: another program in place of this one, on trial until it has proved itself.

Nothing is changed before the release is verified, fits and answers; from the switch on the trial's
files say all, so that this command may be broken off, or the power go, at any moment.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from tidegate.config.settings import GatewaySettings
from tidegate.delivery.line import UP
from tidegate.errors import StorageError
from tidegate.version import VERSION
from tidegate_linux.config import load_gateway
from tidegate_linux.install.layout import Layout
from tidegate_linux.journal.schema import READABLE
from tidegate_linux.journal.sqlite import journal_format
from tidegate_linux.log import escaped
from tidegate_linux.status.status import StatusError, ask
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.fetch import open_source
from tidegate_linux.update.fitness import Place, check_fitness, this_glibc, this_platform
from tidegate_linux.update.keys import trusted_keys
from tidegate_linux.update.onefile import KIND, OnefileHost
from tidegate_linux.update.program import installation, pinned_keys, started_program
from tidegate_linux.update.proof import progress_file
from tidegate_linux.update.release_file import Manifest, read_release
from tidegate_linux.update.smoke import check_program
from tidegate_linux.update.supervision import (
    how_it_stands,
    kept,
    progress_of,
    put_back,
    restart,
    wait_for_proof,
)
from tidegate_linux.update.trial import (
    HOLD_S,
    KEPT,
    PUT_BACK,
    Result,
    Trial,
    mark,
    read_result,
    read_trial,
)

NO_LINK = "none"
OFFLINE_S = 300  # How long a gateway that had no line before must be well without one.


class Wishes(NamedTuple):
    """What the operator wants; `offline_s` None is: as the line was before.

    `is_another_try` takes the very program that was put back after the last trial.
    """

    limit_s: int
    offline_s: int | None
    is_downgrade_allowed: bool
    is_another_try: bool


def run_update(source: str, config: Path, wishes: Wishes) -> None:
    """Update to the release in `source`; returns when it has proved itself, or raises."""
    host = _host()
    with _refusals(), _alone(host.layout):
        _check_current(host)
        _settle(host)
        settings, _ = load_gateway(config)
        keys = trusted_keys(pinned_keys(), host.layout.keys, _say)
        place = _place(settings)
        with open_source(source) as stream:
            release = read_release(stream, keys)
            manifest = release.manifest
            check_fitness(manifest, place, wishes.is_downgrade_allowed)
            if not wishes.is_another_try:
                _check_history(host, manifest)
            _say(f"version {manifest.version}, signed by {release.signer}")
            trial = _trial(host, manifest, settings, wishes)
            host.place(release, lambda path: _try(path, manifest, config, host.layout))
        # A terminal that closes does not end the wait: who hangs is put back all the same.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        host.switch(trial)
        _say(f"{trial.new} is on trial for {trial.limit_s} s")
        _restart(host.layout)
        _conclude(host, trial)


def show_status() -> None:
    """Print what is installed, what is on trial, and how the last trial ended."""
    host = _host()
    click.echo(f"current: {host.running()}")
    click.echo(f"previous: {host.before() or 'none'}")
    trial, result = read_trial(host.layout.trial), read_result(host.layout.result)
    if trial is not None and trial.new == host.running():
        click.echo(f"on trial: {escaped(how_it_stands(trial, progress_of(trial)))}")
    else:
        click.echo("on trial: nothing")
    last = "none" if result is None else f"{result.new} was {result.outcome}: {result.why}"
    click.echo(f"last trial: {escaped(last)}")


def go_back() -> None:
    """Put back what ran before, now and for good."""
    host = _host()
    with _refusals(), _alone(host.layout):
        running, before = host.running(), host.before()
        if before is None or before == running:
            raise UpdateError("there is no other program to go back to", "see --status")
        trial = read_trial(host.layout.trial)
        name = trial.id if trial is not None and trial.new == running else "none"
        host.put_back(before, Result(name, running, PUT_BACK, "by hand: tidegate update --back"))
        _say(f"{before} is put back")
        _restart(host.layout)


def _host() -> OnefileHost:
    """Return this host's programs, for who may change them."""
    host = OnefileHost(installation())
    if os.geteuid() not in (0, host.owner.uid):
        raise UpdateError(f"{host.layout.home} is not yours to change", "run this as root")
    return host


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Tell in one line what the operating system refuses: a disk that is full or read-only."""
    try:
        yield
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        raise UpdateError(
            f"{where}{(error.strerror or str(error)).lower()}",
            "look at that disk; tidegate update --status says what is installed",
        ) from error


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Keep a second update out; a lock that a dead one held is free."""
    fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
            raise UpdateError(
                f"another update is at work, process {holder}",
                "see --status; if that process is ended, a trial goes on, and --back ends it",
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def _check_current(host: OnefileHost) -> None:
    """Refuse where another update has come before this one, and this program runs no more."""
    running, started = host.running(), started_program().name
    if running != started:
        raise UpdateError(
            f"{running} runs by now, this is a command of {started}", "give the command again"
        )


def _check_history(host: OnefileHost, manifest: Manifest) -> None:
    """Refuse what was put back the last time, so that no timer tries it again every night."""
    last = read_result(host.layout.result)
    if last is None or last.outcome != PUT_BACK or not last.id.endswith(mark(manifest.sha256)):
        return
    raise UpdateError(
        f"this very {last.new} was put back the last time: {last.why}",
        "take a later release; with --again it is tried once more",
    )


def _settle(host: OnefileHost) -> None:
    """End an earlier trial that has been proved; refuse while one is under way."""
    trial = read_trial(host.layout.trial)
    if trial is None or trial.new != host.running():
        return
    progress = progress_of(trial)
    if progress is None or not progress.is_proved:
        raise UpdateError(
            f"{trial.new} is still on trial",
            "wait for its proof, see --status; or end the trial with --back",
        )
    host.end(kept(trial, progress))


def _place(settings: GatewaySettings) -> Place:
    data = Path(settings.node.data)
    try:
        journal = journal_format(data)
    except StorageError as error:
        raise UpdateError(
            f"the journal in {data} cannot be looked at: {error}",
            "mend that first: tidegate check says more",
        ) from error
    return Place(KIND, VERSION, this_platform(), this_glibc(), journal, READABLE)


def _try(program: Path, manifest: Manifest, config: Path, layout: Layout) -> None:
    _say(f"{manifest.name} is written, and tried")
    check_program(program, manifest.version, config, layout.current)


def _trial(
    host: OnefileHost, manifest: Manifest, settings: GatewaySettings, wishes: Wishes
) -> Trial:
    offline_s = wishes.offline_s
    if offline_s is None:
        # Who had no line before cannot be asked for a receipt; who had one has to show it again.
        offline_s = OFFLINE_S if _is_line_down(settings) else 0
    if offline_s:
        _say(f"without a line {offline_s} s in good health are proof enough")
    if offline_s >= wishes.limit_s:
        raise UpdateError(
            f"the proof without a line takes {offline_s} s, the limit is {wishes.limit_s} s",
            "give it more time with --time-limit",
        )
    progress = progress_file(Path(settings.node.data).absolute())
    name = f"{os.urandom(8).hex()}{mark(manifest.sha256)}"
    # Where there is little time, half of it.
    hold_s = min(HOLD_S, wishes.limit_s // 2)
    trial = Trial(name, manifest.name, host.running(), wishes.limit_s, offline_s, progress)
    return trial._replace(hold_s=hold_s)


def _is_line_down(settings: GatewaySettings) -> bool:
    """Tell whether the running gateway says that it has a hub and no line to it."""
    try:
        fields = None if settings.status.url is None else ask(str(settings.status.url))
    except StatusError:
        fields = None
    # Whatever listens there, and is no gateway, is believed nothing.
    link = None if fields is None else fields.get("link")
    state = link.get("state") if isinstance(link, dict) else None
    return state is not None and state not in (UP, NO_LINK)


def _restart(layout: Layout) -> None:
    if not restart(layout):
        _say("nobody here restarts the gateway: restart it now, by select as before every start")


def _conclude(host: OnefileHost, trial: Trial) -> None:
    """Wait for the proof and end the trial, whichever way; raise unless the program is kept."""
    result = wait_for_proof(host, trial, _say)
    if result is None:
        result = put_back(trial, progress_of(trial))
        host.put_back(trial.old, result)
        _restart(host.layout)
    if result.outcome != KEPT:
        host.prune()
        raise UpdateError(
            f"{trial.new} was put back for {trial.old}: {result.why}",
            "the log of the service says more; what was acknowledged meanwhile is in the journal",
        )
    host.end(result)
    host.prune()
    _say(f"{trial.new} is kept, {result.why}")


def _say(text: str) -> None:
    """Tell who waits; a terminal that has gone must not keep the old program from coming back."""
    with contextlib.suppress(OSError):
        click.echo(f"update: {escaped(text)}")
