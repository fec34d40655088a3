"""How often an address may name a wrong password.

Promises that guessing from one address is as slow as the configuration says, in bounded memory.
A right login forgives nothing: who has one account could guess the others' passwords between two
of its own logins for ever.  Leaves to the caller to ask before a password is looked at.
"""

import ipaddress

# 2 MB at the most.  Who has more addresses than this to guess from is not stopped by a bar for
# each of them; the price of one guess (`users`) has to do.
ADDRESSES_MAX = 10_000
_MINUTE_MS = 60_000
_IPV6_SITE_BITS = 64  # What one customer gets at least: one host has 2**64 addresses there.


class Logins:
    """Counts failures by address; they drain at the rate that is allowed."""

    def __init__(self, failures_per_minute: int, addresses_max: int = ADDRESSES_MAX) -> None:
        self._failures_max = failures_per_minute
        self._addresses_max = addresses_max
        # Address -> (until when its failures have drained, in ms), the one that failed last last.
        self._drained_at_ms: dict[str, int] = {}
        self._failure_ms = _MINUTE_MS // failures_per_minute

    def is_barred(self, address: str, now_ms: int) -> bool:
        """Tell whether an address has to wait before it may name a password."""
        drained_at_ms = self._drained_at_ms.get(_group(address), now_ms)
        return drained_at_ms - now_ms > self._failure_ms * (self._failures_max - 1)

    def failed(self, address: str, now_ms: int) -> None:
        """Take note of a wrong password or an unknown name."""
        group = _group(address)
        drained_at_ms = max(self._drained_at_ms.pop(group, now_ms), now_ms)
        if len(self._drained_at_ms) >= self._addresses_max:
            self._forget(now_ms)
        # Attempts that were under way when the bar fell do not lengthen it.
        most_ms = now_ms + self._failure_ms * self._failures_max
        self._drained_at_ms[group] = min(drained_at_ms + self._failure_ms, most_ms)

    def _forget(self, now_ms: int) -> None:
        """Forget addresses in the order of their last failure: drained ones, at least one."""
        for group in list(self._drained_at_ms)[: self._addresses_max // 10 + 1]:
            is_full = len(self._drained_at_ms) >= self._addresses_max
            if not is_full and self._drained_at_ms[group] > now_ms:
                return
            del self._drained_at_ms[group]


def _group(address: str) -> str:
    """Return what an address is counted as: itself without a port, or its IPv6 network."""
    host = address
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host  # A name in a test, or of a kind of socket without addresses.
    if parsed.version == 4:
        return host
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))
