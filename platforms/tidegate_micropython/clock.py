"""This board's clocks: a monotonic one that never wraps, its boot identity, and the wall clock.

`time.ticks_ms` wraps after 12 days on most ports; here it is widened.  A boot is one power-on.
Where the board keeps memory and its wall clock over deep sleep (ESP32), the boot goes on: ticks
move on by what the wall clock moved.  That clock is then an RC oscillator that may be per cents
off, so such a boot never says more than SET, and after each synchronisation the next wake begins a
new one: records made before it keep the time that was believed then.  Elsewhere each wake is a new
boot.  Whether what the wall clock shows is plausible is the core's to judge.
"""

import os
import struct
import time
from binascii import crc32, hexlify

from tidegate.events import ClockRead
from tidegate.records.clock import SET, SYNCHRONISED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate_micropython.board import Board

READ_MS = 10_000  # How often the wall clock is looked at.
SYNCHRONISE_MS = 12 * 3_600_000  # A crystal is off by 2 s then.
TRUST_MS = 2 * SYNCHRONISE_MS
SLEEP_MS_MAX = 45 * 24 * 3_600_000  # More than that did not pass: the clock was set meanwhile.
# The port's year 0 in seconds since 1970: 0 on unix, 2000 on most boards.
EPOCH_S = 946_684_800 if time.gmtime(0)[0] == 2000 else 0

# Magic, identity, ticks, wall clock; when to upload again, failures; when to synchronise again.
_SLEEP = "<4s8sQqQIQ"
_SLEEP_BYTES = struct.calcsize(_SLEEP)
_MAGIC = b"TGS1"


class Clock:
    """The clocks since power-on; `upload_at_ms` and `upload_failures` are kept over sleep too.

    `clocks` is the module `time`, or a fake of it.
    """

    def __init__(self, board: "Board", ntp_host: str, clocks: "Any" = time) -> None:
        self._clocks = clocks
        self._board = board
        self._host = ntp_host
        self._ticks = clocks.ticks_ms()
        self._now_ms = 0
        self._synchronised_ms: int | None = None
        self._ask_at_ms = 0
        self.slept = False
        self.upload_at_ms = 0
        self.upload_failures = 0
        identity = self._wake() or os.urandom(8)
        self._identity = identity
        self.identity = hexlify(identity).decode()

    def now_ms(self) -> int:
        """Return the monotonic clock; call it more often than `ticks_ms` wraps."""
        ticks = self._clocks.ticks_ms()
        self._now_ms += self._clocks.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now_ms

    def read(self) -> ClockRead:
        """Return what the wall clock shows, and whether a time server vouches for it."""
        at_ms = self._synchronised_ms
        fresh = at_ms is not None and self.now_ms() - at_ms < TRUST_MS
        return ClockRead(self._wall_ms(), SYNCHRONISED if fresh and not self.slept else SET)

    def synchronise(self) -> bool:
        """Ask the time server if that is due; tell whether the wall clock was set.

        Takes a second and the look-up of a name at most; call it where there is a network.
        """
        now_ms = self.now_ms()
        if not self._host or now_ms < self._ask_at_ms:
            return False
        try:
            import ntptime

            ntptime.host = self._host
            ntptime.settime()
        except ImportError:
            self._host = ""  # The unix port: its machine sees to the time.
            return False
        except (OSError, OverflowError):
            self._ask_at_ms = now_ms + 60_000
            return False
        self._synchronised_ms = self.now_ms()
        self._ask_at_ms = self._synchronised_ms + SYNCHRONISE_MS
        return True

    def prepare_sleep(self) -> None:
        """Keep over deep sleep what the next wake needs to go on."""
        # Set anew in this wake: a new boot then, or old records would get a time with a jump in it.
        identity = self._identity if self._synchronised_ms is None else bytes(8)
        now_ms = self.now_ms()
        data = struct.pack(
            _SLEEP,
            _MAGIC,
            identity,
            now_ms,
            self._wall_ms(),
            self.upload_at_ms,
            self.upload_failures,
            self._ask_at_ms,
        )
        self._board.keep(data + struct.pack("<I", crc32(data)))

    def _wall_ms(self) -> int:
        """Return what the wall clock shows, in milliseconds since 1970."""
        return self._clocks.time_ns() // 1_000_000 + EPOCH_S * 1000

    def _wake(self) -> "bytes | None":
        """Go on where the last wake ended; return its boot's identity, None for a new boot."""
        data = self._board.kept()
        if len(data) != _SLEEP_BYTES + 4:
            return None
        if struct.unpack_from("<I", data, _SLEEP_BYTES)[0] != crc32(data[:_SLEEP_BYTES]):
            return None
        magic, identity, ticks, wall_ms, upload_at_ms, failures, ask_at_ms = struct.unpack_from(
            _SLEEP, data
        )
        slept_ms = self._wall_ms() - wall_ms
        if magic != _MAGIC or not 0 <= slept_ms < SLEEP_MS_MAX:
            return None
        self.slept = True
        self.upload_failures = failures
        passed_ms = 0
        if identity == bytes(8):
            identity, passed_ms = None, ticks + slept_ms
        else:
            self._now_ms = ticks + slept_ms
        self.upload_at_ms = max(0, upload_at_ms - passed_ms)
        self._ask_at_ms = max(0, ask_at_ms - passed_ms)
        return identity
