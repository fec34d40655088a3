"""This machine's clocks: the monotonic one that timers and records use, and the wall clock.

Promises a monotonic clock that goes on while the machine sleeps (CLOCK_BOOTTIME) and an identity
that is new at each boot.  Whether what the wall clock shows is plausible is the core's to judge.
"""

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.events import ClockRead
from tidegate.records.clock import NO_IDENTITY, SET, SYNCHRONISED
from tidegate.records.stream import IDENTITY_DIGITS, is_identity

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_TIMEX_BYTES = 208  # sizeof(struct timex) on 64-bit Linux; on 32-bit it is smaller.
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised.


def now_ms() -> int:
    """Return the monotonic clock in milliseconds, the same for all programs since boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_identity(path: Path = BOOT_ID) -> str:
    """Return 16 hex digits that are this boot's.

    Where the kernel does not say (a container without /proc), it is random and so new at each start
    of the program: a boot is then as long as the program runs, which is true of its records too.
    """
    try:
        identity = path.read_text(encoding="ascii").strip().replace("-", "")[:IDENTITY_DIGITS]
    except (OSError, ValueError):
        identity = ""
    if not is_identity(identity) or identity == NO_IDENTITY:
        identity = os.urandom(IDENTITY_DIGITS // 2).hex()
    return identity


def read_clock() -> ClockRead:
    """Return what the wall clock shows, and whether a time service vouches for it."""
    quality = SYNCHRONISED if is_synchronised(_kernel_state) else SET
    return ClockRead(time.time_ns() // 1_000_000, quality)


def is_synchronised(kernel_state: Callable[[], int]) -> bool:
    """Tell whether chrony, ntpd or systemd-timesyncd has told the kernel that the time is right."""
    # TIME_OK and the four states around a leap second are 0 to 4; -1 is a refusal (seccomp).
    return 0 <= kernel_state() < _TIME_ERROR


def _kernel_state() -> int:
    """Return the state of the kernel's clock as adjtimex(2) gives it, -1 where it refuses."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # All zeroes, so `modes` is read-only.
    try:
        return int(_LIBC.adjtimex(timex))
    except AttributeError:  # A libc without it.
        return -1


_LIBC = ctypes.CDLL(None, use_errno=True)
