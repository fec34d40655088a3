"""Bugs to plant, so that the rig is seen to find them.  Runs on MicroPython."""

from tidegate.store import chain, log, recovery
from tidegate_micropython.journal import FileMedium


class Lazy(FileMedium):
    """(a) A sync that does not flush."""

    def sync(self, number):
        pass


class GoesOn(recovery.Replay):
    """(c) A log that is gone on with behind a torn tail."""

    def read(self, number, size_bytes):
        confirmed = super().read(number, size_bytes)
        self.is_whole = True
        return confirmed


class Hasty(chain.Chain):
    """(d) A segment that is removed before the group that frees it is synced."""

    def sync(self):
        if self._has_shrunk:
            seen, self.seen = self.seen, self.ahead
            self._reclaim()
            self.seen = seen
        super().sync()


class Credulous(recovery.Replay):
    """(e) Groups that are believed without the frame that confirms them."""

    def _take(self, kind, found):
        super()._take(kind, found)
        if self.account is not None:
            self.end = found.end
            self.boots, self.spent = dict(self._boots), self._spent
            self.confirmed = self.account.copy()


def plant(name):
    """Plant a bug; return the medium to use.  "early" is the workload's own: (b)."""
    if name == "going-on":
        recovery.Replay = GoesOn
    elif name == "hasty":
        log.Chain = Hasty
    elif name == "credulous":
        recovery.Replay = Credulous
    elif name not in ("", "lazy", "early"):
        raise ValueError(name)
    return Lazy if name == "lazy" else FileMedium
