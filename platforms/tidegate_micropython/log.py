"""The log on the console: one line an event.

Promises that an event is one line whatever its fields hold.  What is logged is kept nowhere: flash
is for records.
"""


class LogObserver:
    """Takes the reports of the core and of the board into the log; counts errors and warnings."""

    def __init__(self) -> None:
        self.counts = {"error": 0, "warning": 0, "info": 0}

    def report(self, level: str, event: str, fields: "list[tuple[str, object]]") -> None:
        """Log one report."""
        self.counts[level] += 1
        text = ", ".join([f"{name}={_shown(value)}" for name, value in fields])
        what = event.replace("_", " ")
        print("tidegate", level, f"{what}: {text}" if text else what)  # noqa: T201


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if any(not "!" <= letter <= "~" for letter in text) else text
