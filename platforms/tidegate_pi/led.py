"""The ACT LED: how the gateway is, for somebody who stands before it.

A short flash each second: on line.  A long one: it holds what comes in.  Quick blinking: trouble.
Dark: nobody is at work.  The first two are shot off one by one by the engine's progress, so a
gateway that is stuck or dead does not look well; the third goes on without us, as it should.

The kernel makes the files of a trigger when that is chosen, and udev gives them to our group a
moment later; so what is refused is tried again, by `show`, before it is given up with one warning.
"""

import logging
from pathlib import Path

from tidegate_pi.tree import read_text

ONLINE, HOLDING, TROUBLE = "online", "holding", "trouble"

# State -> the kernel's trigger, and for how many milliseconds it lights and is dark.
_PATTERNS = {
    ONLINE: ("oneshot", 50, 50),
    HOLDING: ("oneshot", 400, 50),
    TROUBLE: ("timer", 100, 100),
}
_OURS = ("oneshot", "timer")
_NAMES = ("ACT", "led0")  # What recent and what older kernels call it.
_USUAL_TRIGGER = "mmc0"  # What the LED shows by itself: the card at work.
_TRIES_MAX = 5

_LOG = logging.getLogger("tidegate.board")


class Led:
    """The LED; it never raises, for it is not worth that."""

    def __init__(self, root: Path) -> None:
        leds = [root / "sys/class/leds" / name for name in _NAMES]
        self._folder = next((led for led in leds if led.is_dir()), None)
        self._before = ""
        self._shown = ""
        self._tries = 0

    @property
    def shown(self) -> str:
        """Return the state that it shows; "" where it shows none."""
        return self._shown

    def show(self, state: str) -> None:
        """Show a state; to be called again and again, since it lives from that."""
        if self._folder is None:
            return
        trigger, on_ms, off_ms = _PATTERNS[state]
        try:
            if state != self._shown:
                self._choose(trigger)
                (self._folder / "delay_on").write_text(f"{on_ms}\n")
                (self._folder / "delay_off").write_text(f"{off_ms}\n")
                self._shown, self._tries = state, 0
            if trigger == "oneshot":
                (self._folder / "shot").write_text("1\n")
        except OSError as error:
            self._shown = ""
            self._tries += 1
            if self._tries >= _TRIES_MAX:
                _LOG.warning(
                    "the LED in %s is left alone: %s; docs/raspberry-pi.md says who may write it",
                    self._folder,
                    error,
                )
                self._folder = None

    def close(self) -> None:
        """Let the LED show what it showed before."""
        folder, self._folder = self._folder, None
        self._shown = ""
        if folder is None or not self._before:
            return
        try:
            (folder / "trigger").write_text(f"{self._before}\n")
        except OSError as error:
            _LOG.warning("the LED in %s is not given back: %s", folder, error)

    def _choose(self, trigger: str) -> None:
        assert self._folder is not None
        path = self._folder / "trigger"
        words = read_text(path).split()
        chosen = next((word.strip("[]") for word in words if word.startswith("[")), "none")
        known = [word.strip("[]") for word in words]
        if not self._before:
            # What a gateway that was killed has left is not what the LED showed before.
            left = chosen in _OURS
            self._before = _usual(known) if left else chosen
        if trigger not in known:
            raise OSError(f"the kernel has no trigger {trigger}: modprobe ledtrig-{trigger}")
        if chosen != trigger:
            path.write_text(f"{trigger}\n")


def _usual(known: list[str]) -> str:
    return _USUAL_TRIGGER if _USUAL_TRIGGER in known else "none"
