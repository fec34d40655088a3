"""The attendant of a gateway on trial: it writes down what this program has proved.

Proved is, by what the engine's thread sees between two of its steps:

- ready: the journal is open, and nothing makes the gateway unhealthy
- a commit: this process has synced a transaction of its own to the journal; the first one, which
  says that it was started, is one, so a site without any traffic proves itself too
- a receipt: the hub has answered this process, with its cursor or for records; or there is no hub;
  or, where that was agreed at the update, the gateway was well without a line for a stated time

and all of it has held for a minute in one start, so that a crash before that is a failure.

`update` waits for that, and `select` looks for it at the next start.  A clean stop before it is
written down too: it is no failure.  Time is counted in seconds of running, over all starts, on the
monotonic clock: what the wall clock shows plays no part.  When they are used up this process ends
itself with an error, so that its supervisor starts `select`, which puts the old program back.
"""

import logging
import os
from pathlib import Path

from tidegate.delivery.line import UP
from tidegate_linux.clock import now_ms
from tidegate_linux.durable import Owner
from tidegate_linux.status.survey import Snapshot
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.program import layout_of, started_program
from tidegate_linux.update.trial import (
    NO_HUB,
    OFFLINE,
    RECEIPT,
    Progress,
    Trial,
    read_progress,
    read_trial,
    write_progress,
)

FOLDER = "update"
FILE = "progress"
_FOLDER_MODE = 0o700
_WRITE_MS = 10_000  # How much of the time a crash may take back; each time is a sync of the disk.
# So long a start lasts at least, used up or not: where nobody puts the old program back, a gateway
# that works most of the time is better than one that ends at once.
_LEAST_MS = 60_000

_LOG = logging.getLogger("tidegate.update")


class ProofAttendant:
    """Attends the gateway in this process, which runs the program on `trial`."""

    def __init__(self, trial: Trial, now_ms: int) -> None:
        """Say, durably if the disk allows it, that this start has begun."""
        self._trial = trial
        self._started_ms = now_ms
        self._seen_ms = now_ms
        self._well_since_ms: int | None = None
        self._held_since_ms: int | None = None
        self._is_stopping = False
        self._delivered: int | None = None
        self._owner = Owner(os.geteuid(), os.getegid())
        earlier = read_progress(trial.progress)
        if earlier is not None and earlier.id != trial.id:
            earlier = None
        self._before_s = 0 if earlier is None else earlier.seconds
        self._is_proved = earlier is not None and earlier.is_proved
        self._receipt = ""
        self._written: Progress | None = None
        self._written_ms = now_ms
        if not self._is_proved:
            self._write("the journal is not open yet")

    def attend(self, snapshot: Snapshot) -> None:
        """Look what is proved now; raises `UpdateError` when the time for it is used up."""
        if self._is_proved:
            return
        self._seen_ms = snapshot.taken_ms
        missing = self._look(snapshot)
        self._is_proved = not missing
        is_news = self._written is None or missing != self._written.missing
        if is_news or self._seen_ms - self._written_ms >= _WRITE_MS:
            is_written = self._write(missing)
            self._is_proved = self._is_proved and is_written
        if self._is_proved:
            _LOG.info("%s has proved itself: %s", self._trial.new, self._receipt)
        elif self._is_over():
            self._write(missing)
            missing = missing or "its progress cannot be written"
            raise UpdateError(
                f"{self._trial.new} has not proved itself in {self._trial.limit_s} s: {missing}",
                "the program that ran before is put back at the next start",
            )

    def stopping(self) -> None:
        """Write down that this start was ended on purpose."""
        self._is_stopping = True

    def close(self) -> None:
        """Write it down only now, with the last commit done: what dies before that has failed."""
        if self._is_stopping and not self._is_proved:
            self._write("it was stopped before" if self._written is None else self._written.missing)

    def _look(self, snapshot: Snapshot) -> str:
        """Return what is not proved yet, in words; "" when all is."""
        fields = snapshot.fields
        if snapshot.problems:
            self._well_since_ms = self._held_since_ms = None
            return f"it is not healthy: {'; '.join(snapshot.problems)}"
        if self._well_since_ms is None:
            self._well_since_ms = snapshot.taken_ms
        if fields["journal"]["state"] != "open" or not fields["journal"]["commits"]:
            self._held_since_ms = None
            return "nothing was committed to the journal"
        # A line that goes again takes back nothing of what came over it.
        if self._receipt in ("", OFFLINE):
            self._receipt = self._receipt_of(fields["link"]["state"], fields["streams"])
        if not self._receipt:
            return f"no answer of the hub: the line is {self._line(fields)}"
        return self._hold()

    def _hold(self) -> str:
        """Return what is missing when all is there: that it stays so."""
        if self._held_since_ms is None:
            is_old = self._receipt == OFFLINE
            self._held_since_ms = self._well_since_ms if is_old else self._seen_ms
        held_ms = self._seen_ms - (self._held_since_ms or 0)
        hold_s = self._trial.hold_s
        return "" if held_ms >= hold_s * 1000 else f"all is there, but not for {hold_s} s yet"

    def _receipt_of(self, link: str, streams: "list[dict[str, int]]") -> str:
        delivered = sum(stream["delivered"] for stream in streams)
        if self._delivered is None:
            self._delivered = delivered
        if link == "none":
            return NO_HUB
        if link == UP or delivered > self._delivered:
            return RECEIPT
        well_ms = self._seen_ms - (self._well_since_ms or 0)
        if self._trial.offline_s and well_ms >= self._trial.offline_s * 1000:
            return OFFLINE
        return ""

    def _line(self, fields: "dict[str, dict[str, str]]") -> str:
        link = fields["link"]
        return f"{link['state']}, {link['last_error']}" if link["last_error"] else link["state"]

    def _seconds(self) -> int:
        return self._before_s + (self._seen_ms - self._started_ms) // 1000

    def _is_over(self) -> bool:
        """Tell whether the time is used up, and there is a `select` that would go back."""
        least_ms = min(_LEAST_MS, self._trial.limit_s * 1000)
        lasted = self._seen_ms - self._started_ms >= least_ms
        return self._trial.starts > 0 and lasted and self._seconds() >= self._trial.limit_s

    def _write(self, missing: str) -> bool:
        """Write down how it stands; return whether that is on the disk."""
        trial = self._trial
        progress = Progress(
            trial.id,
            trial.starts,
            self._seconds(),
            not missing,
            self._is_stopping,
            self._receipt,
            missing,
        )
        try:
            trial.progress.parent.mkdir(_FOLDER_MODE, exist_ok=True)
            write_progress(trial.progress, progress, self._owner)
        except OSError as error:
            # What is not written down is not proved: it is tried again, until the time is over.
            _LOG.warning("the trial's progress cannot be written: %s", error)
            return False
        self._written, self._written_ms = progress, self._seen_ms
        return True


def prover() -> ProofAttendant | None:
    """Return who writes down what this process proves; None where its program is on no trial."""
    trial = trial_of(started_program())
    return None if trial is None else ProofAttendant(trial, now_ms())


def trial_of(program: Path) -> Trial | None:
    """Return the trial that `program` is on, None where it is on none."""
    layout = layout_of(program)
    trial = None if layout is None else read_trial(layout.trial)
    return trial if trial is not None and trial.new == program.name else None


def progress_file(data: Path) -> Path:
    """Return where a gateway with this data folder writes what it has proved."""
    return data / FOLDER / FILE
