"""A GPIO of the board as the input that says whether the power fails, through libgpiod.

The pull of the input is away from the level that means failure, so that a wire that has come off
says nothing.  Both need Linux 5.10 or newer; a level has to last for `DEBOUNCE_MS` to count.
"""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

DEBOUNCE_MS = 20
# The chip with the pins of the header: up to Pi 3, Pi 4, Pi 5.  Its offsets are the GPIOs' numbers.
_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")


class PowerInput(Protocol):
    """Says whether the power fails."""

    def has_failed(self) -> bool:
        """Tell whether it fails now; raises `OSError`."""

    def wait(self, seconds: float) -> None:
        """Return at the next change or after so long; raises `OSError`."""

    def close(self) -> None:
        """Give the GPIO back."""


class GpioInput:
    """The GPIO of this number as an input; raises `OSError`, `ValueError` or `ImportError`.

    `chip` is the label of its chip, "" the one whose GPIOs are on the board's header.
    """

    def __init__(self, root: Path, chip: str, number: int, is_low: bool) -> None:
        # Here, because only who has named a GPIO needs the library.
        import gpiod
        from gpiod.line import Bias, Direction, Edge, Value

        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            bias=Bias.PULL_UP if is_low else Bias.PULL_DOWN,
            active_low=is_low,
            debounce_period=timedelta(milliseconds=DEBOUNCE_MS),
        )
        self._number = number
        self._active = Value.ACTIVE
        self._line = gpiod.request_lines(
            str(_chip(root, chip)), consumer="tidegate power fail", config={number: settings}
        )

    def has_failed(self) -> bool:
        return self._line.get_value(self._number) == self._active

    def wait(self, seconds: float) -> None:
        if self._line.wait_edge_events(timedelta(seconds=seconds)):
            self._line.read_edge_events()

    def close(self) -> None:
        self._line.release()


def _chip(root: Path, label: str) -> Path:
    import gpiod

    wanted = (label,) if label else _LABELS
    refused: OSError | None = None
    for path in sorted((root / "dev").glob("gpiochip*")):
        try:
            with gpiod.Chip(str(path)) as chip:
                if chip.get_info().label in wanted:
                    return path
        except OSError as error:
            refused = error
    if refused is not None:
        raise refused
    raise FileNotFoundError(f"there is no GPIO chip {' or '.join(wanted)} in {root / 'dev'}")
