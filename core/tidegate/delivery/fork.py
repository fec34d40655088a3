"""Where two copies of one stream parted: which numbers can be compared, and in which order.

A cloned card or a restored image goes on under the same name with other records.  Sender and
receiver compare running hashes to find the last number that both have in common.  Inside a gap no
hash is known any more, only at its end.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.records.span import Gap


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
