"""The service around an update: how it is restarted, and how its proof is waited for.

The wait is on the monotonic clock.  Whoever sees the proof first ends the trial: who waits here, or
`select` at a start in between; how it ended stands in `result`.  If the wait is broken off, the
trial goes on without it.
"""

import subprocess
import time
from collections.abc import Callable

from tidegate_linux.clock import now_ms
from tidegate_linux.install.layout import Layout
from tidegate_linux.install.services import Service, service_of
from tidegate_linux.update.onefile import OnefileHost
from tidegate_linux.update.trial import (
    KEPT,
    PUT_BACK,
    Progress,
    Result,
    Trial,
    read_progress,
    read_result,
    read_trial,
)

GRACE_S_MAX = 30  # The gateway ends itself first, and says why; this is for one that hangs.
_RESTART_S = 120
_POLL_S = 0.25


def restart(layout: Layout) -> bool:
    """Restart the service, without waiting for it to be ready; False where nobody can be told."""
    service = service_of(layout)
    if not isinstance(service, Service) or not service.active:
        return False
    commands = {
        "systemd": ["systemctl", "--no-block", "restart", "tidegate"],
        "OpenRC": ["rc-service", "tidegate", "restart"],
    }
    command = commands.get(service.name, [str(service.path), "restart"])
    try:
        done = subprocess.run(command, capture_output=True, timeout=_RESTART_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def wait_for_proof(host: OnefileHost, trial: Trial, tell: Callable[[str], None]) -> Result | None:
    """Wait until the trial is proved or was ended; None when its time is over before that."""
    grace_s = min(GRACE_S_MAX, trial.limit_s)
    until_ms = now_ms() + (trial.limit_s + grace_s) * 1000
    told = ""
    while now_ms() < until_ms:
        found = read_trial(host.layout.trial)
        if found is None or found.id != trial.id:
            return _ended_by_another(host, trial)
        progress = progress_of(trial)
        if progress is not None and progress.is_proved:
            return kept(trial, progress)
        line = how_it_stands(found, progress)
        if line != told:
            tell(line)
            told = line
        time.sleep(_POLL_S)
    return None


def progress_of(trial: Trial) -> Progress | None:
    """Return what the gateway says of this trial; None while it has not said anything."""
    progress = read_progress(trial.progress)
    return progress if progress is not None and progress.id == trial.id else None


def kept(trial: Trial, progress: Progress) -> Result:
    """Return how a trial ends that was proved."""
    return Result(trial.id, trial.new, KEPT, f"proved by: {progress.receipt}")


def put_back(trial: Trial, progress: Progress | None) -> Result:
    """Return how a trial ends whose time is over."""
    missing = "it never said anything" if progress is None else progress.missing
    why = f"not proved within {trial.limit_s} s: {missing}"
    return Result(trial.id, trial.new, PUT_BACK, why)


def how_it_stands(trial: Trial, progress: Progress | None) -> str:
    """Return in a line how far a trial is."""
    starts = f"start {trial.starts}, {trial.failures} failed"
    if progress is None:
        return f"{starts}; it has not said anything yet"
    return f"{starts}; missing: {progress.missing}"


def _ended_by_another(host: OnefileHost, trial: Trial) -> Result:
    result = read_result(host.layout.result)
    if result is not None and result.id == trial.id:
        return result
    outcome = KEPT if host.running() == trial.new else PUT_BACK
    return Result(trial.id, trial.new, outcome, "the trial was ended by hand")
