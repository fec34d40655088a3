"""Where two copies of one stream parted: which numbers can be compared, and in which order.

A cloned card or a restored image goes on under the same name with other records.  Sender and
receiver compare running hashes to find the last number that both have in common.  Inside a gap no
hash is known any more, only at its end.
"""

from tidegate.delivery.backoff import Backoff, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.delivery.chance import Chance
    from tidegate.records.span import Gap

RETRY_RENEWAL = Retry("renewal", 1_000, 60_000, None)  # A person mends it, as in `line.RETRY_HELD`.


def probe_between(low: int, high: int, gaps: "list[Gap]") -> int:
    """Return a number of `low+1..high` to compare next, as near to the middle as can be compared.

    `low` itself where there is none: nothing behind `low` is known to be common.
    """
    probe = (low + high + 1) // 2
    for gap in gaps:
        if gap.first <= probe < gap.last:
            probe = gap.last if gap.last <= high else gap.first - 1
            break
    return max(low, probe)


def before_gaps(seq: int, gaps: "list[Gap]") -> int:
    """Return the last number before the gap that `seq` lies in, and before those that adjoin it."""
    for gap in reversed(gaps):
        if gap.first <= seq <= gap.last:
            seq = gap.first - 1
    return seq


class Renewals:
    """Paces a lane's new epochs while nothing gets through.

    A hub that claims to have any stream, whatever it is called, would else have hundreds of them a
    second of us, each a commit.  The first is asked about at once, for an honest hub's sake.
    """

    def __init__(self, chance: "Chance") -> None:
        self._backoff = Backoff(RETRY_RENEWAL, chance)

    def ask_at_ms(self, now_ms: int) -> int:
        """Count a new epoch; return from when on the target may be asked about it."""
        at_ms = self._backoff.failed(now_ms)
        assert at_ms is not None, "an uplink never gives up"
        return now_ms if self._backoff.attempts == 1 else at_ms

    def delivered(self) -> None:
        """Start over: the target has taken records."""
        self._backoff.succeeded()
