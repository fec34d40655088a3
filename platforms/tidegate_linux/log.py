"""The log on standard error: a line of text or of JSON for each event.

Promises that an event is one line whatever its fields hold: control characters, also those that
steer a terminal or turn the direction of writing, are escaped.  Leaves to those who log that no
secret is in it; settings hold theirs as `Secret`, which no format shows.
"""

import datetime
import json
import logging
import sys
from typing import TextIO, cast

from tidegate.config.settings import LogSettings

LEVELS = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
HUB_LOG = LogSettings("text", "info")  # A hub's configuration has no say in it yet.

# An event of the core or of a source -> what a person reads before the fields.
_SENTENCES = {
    "journal_salvaged": "the journal was damaged: set aside, and what was whole is carried over",
    "journal_failed": "the journal failed, nothing is acknowledged until it opens again",
    "link_up": "the line is up",
    "link_down": "the line is down",
    "link_held": "the hub refuses us, everything is held until somebody mends that",
    "link_waiting": "the line is not to be used now",
    "messages_too_large": "messages over 16 MiB were dropped, the hub will be told of a gap",
    "notes_damaged": "stored notes of a source are damaged and were left out",
    "record_damaged": "a stored record is damaged and was set aside",
    "record_quarantined": "the hub cannot take a record, it was set aside",
    "stream_forked": "two copies of this node have sent, this one goes on under a new epoch",
    "source_connected": "connected to the broker",
    "source_lost": "the connection to the broker was lost",
    "source_unreachable": "the broker cannot be reached",
    "source_session_lost": "the broker lost the session",
    "source_unsafe": "a subscription is not safe",
    "subscription_refused": "the broker refused a subscription",
    "subscription_granted": "the broker now grants a subscription",
}

_LOG = logging.getLogger("tidegate")  # The logger above all of ours.


class LogObserver:
    """Takes the reports of the core and of sources into the log."""

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Log one report."""
        extra = {"event": event, "fields": fields}
        _LOG.log(LEVELS[level], _SENTENCES.get(event, event.replace("_", " ")), extra=extra)


def set_up_log(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream`, or standard error, as the settings want it."""
    handler = logging.StreamHandler(stream or sys.stderr)
    layout = JsonLayout() if settings.format == "json" else TextLayout()
    handler.setFormatter(cast("logging.Formatter", layout))
    # Libraries have their say from warnings on; how much we say is the owner's choice.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _LOG.setLevel(LEVELS[settings.level])
    # A full disk behind standard error must not end a gateway that could still work.
    logging.raiseExceptions = False


class TextLayout:
    """Lays a log record out as `time level sentence: name=value, …`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        pairs = [f"{name}={_shown(value)}" for name, value in _fields(record)]
        text = record.getMessage() + (": " + ", ".join(pairs) if pairs else "")
        return escaped(f"{_time(record)} {record.levelname.lower()} {text}")


class JsonLayout:
    """Lays a log record out as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", ""),
            "message": record.getMessage(),
        }
        for name, value in _fields(record):
            line.setdefault(name, value)
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


def _fields(record: logging.LogRecord) -> "list[tuple[str, object]]":
    fields: list[tuple[str, object]] = list(getattr(record, "fields", []))
    if record.exc_info:
        trace = logging.Formatter().formatException(record.exc_info)
        fields.append(("trace", trace))
    return fields


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: object) -> str:
    text = str(value)
    if text and all(letter not in text for letter in ' ,="'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    """Return `text` on one line, without anything that a terminal would obey.

    C0 and C1 controls, separators of lines, marks of writing direction, and halves of surrogate
    pairs, which cannot be written out.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def warn(advice: "list[str]") -> None:
    """Log what is unwise in a configuration."""
    for line in advice:
        _LOG.warning("%s", line)
