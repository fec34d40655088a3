"""The Wi-Fi: joins the network, and joins it again, without ever waiting.

`poll` is called from the loop and takes one step.  `online` is None until the first attempt has
ended, then whether there is a network.  Without settings, or without the module `network`, somebody
else sees to the network and it is taken to be there.
"""

from tidegate.delivery.backoff import Backoff, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.config.node_settings import WifiSettings
    from tidegate.delivery.chance import Chance
    from tidegate.ports import Observer

# An access point that restarts takes a minute; a radio that tries all the time empties a battery.
RETRY_WIFI = Retry("wifi", 1_000, 60_000, None)
LOOK_MS = 250  # How often an attempt is looked at,
KEEP_MS = 2_000  # and a connection that stands.

OFF, CONNECTING, UP, DOWN = "off", "connecting", "up", "down"


class Wifi:
    """The station interface; `network` is the module of that name, or a fake."""

    def __init__(
        self,
        settings: "WifiSettings | None",
        observer: "Observer",
        chance: "Chance",
        network: "Any" = None,
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._network = _network() if network is None else network
        self._backoff = Backoff(RETRY_WIFI, chance)
        self._station: Any = None
        self._until_ms = 0
        self._due_ms = 0
        exists = settings is not None and self._network is not None
        self.state = OFF if exists else UP
        self.online = None if exists else True

    def poll(self, now_ms: int) -> None:
        """Take the next step, if one is due."""
        if self._settings is None or self._network is None or now_ms < self._due_ms:
            return
        try:
            self._step(now_ms)
        except (OSError, RuntimeError) as error:  # A driver that is not ready, or out of memory.
            self._fail(now_ms, str(error))

    def deadline_ms(self) -> "int | None":
        """Return when `poll` has something to do."""
        return None if self._settings is None or self._network is None else self._due_ms

    def stop(self) -> None:
        """Leave the network and turn the radio off."""
        if self._station is not None:
            try:
                self._station.disconnect()
            except OSError:
                self.state = OFF  # It was not connected.
            self._station.active(False)
            self._station = None
        if self._settings is not None and self._network is not None:
            self.state, self.online, self._due_ms = OFF, None, 0

    def _step(self, now_ms: int) -> None:
        if self.state in (OFF, DOWN):
            self._connect(now_ms)
        elif self._station.isconnected():
            if self.state != UP:
                self.state, self.online = UP, True
                self._backoff.succeeded()
                address = self._station.ifconfig()[0]
                self._observer.report("info", "wifi_up", [("address", address)])
            self._due_ms = now_ms + KEEP_MS
        elif self.state == UP:
            self._observer.report("warning", "wifi_lost", [])
            self.online = False
            self._connect(now_ms)
        elif now_ms >= self._until_ms:
            self._fail(now_ms, "no connection")
        else:
            self._due_ms = now_ms + LOOK_MS

    def _connect(self, now_ms: int) -> None:
        settings, network = self._settings, self._network
        if self._station is None:
            if settings.country and hasattr(network, "country"):
                network.country(settings.country)
            if hasattr(network, "hostname"):
                network.hostname(settings.hostname)
            self._station = network.WLAN(network.STA_IF)
        # Before anything that can raise: an attempt that cannot begin has failed as well.
        self.state = CONNECTING
        self._until_ms = now_ms + settings.timeout_s * 1000
        self._due_ms = now_ms + LOOK_MS
        self._station.active(False)  # A radio that hangs is the commonest cause of a lost network.
        self._station.active(True)
        if settings.password:
            self._station.connect(settings.ssid, settings.password.reveal())
        else:
            self._station.connect(settings.ssid)

    def _fail(self, now_ms: int, reason: str) -> None:
        if self.state != DOWN:
            self._observer.report("warning", "wifi_down", [("reason", reason)])
        self.state, self.online = DOWN, False
        retry_at_ms = self._backoff.failed(now_ms)
        assert retry_at_ms is not None
        self._due_ms = retry_at_ms


def _network() -> "Any":
    try:
        import network
    except ImportError:
        return None
    return network
