"""The board's part of the metrics; what a board does not say has none."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Add = Callable[[list[str], str, str, str, list[tuple[dict[str, str], float]]], None]


def add_board(lines: list[str], board: dict[str, Any], add: "Add") -> None:
    """Add what the board says of itself."""

    def gauge(name: str, help_text: str, value: float) -> None:
        add(lines, f"board_{name}", "gauge", help_text, [({}, value)])

    info = {"model": board["model"], "serial": board["serial"]}
    add(lines, "board_info", "gauge", "Which board this is.", [(info, 1)])
    if board["temperature_c"] is not None:
        gauge("temperature_celsius", "Temperature of the processor.", board["temperature_c"])
    for name, help_text in (
        ("throttled", "1 while the board is slowed down for this reason."),
        ("throttled_seen", "1 once it has been since the start."),
    ):
        if board[name] is not None:
            samples = [({"reason": reason}, is_so) for reason, is_so in board[name].items()]
            add(lines, f"board_{name}", "gauge", help_text, samples)
    if board["power"] is not None:
        gauge("power_good", "0 while the power fails.", board["power"] == "good")
    if board["watchdog_s"]:
        gauge("watchdog_seconds", "The board restarts without progress.", board["watchdog_s"])
