"""Only numbers whose hash is known are compared, and few of them."""

from builders import chance
from tidegate.delivery.fork import before_gaps, probe_between
from tidegate.records.span import Gap


def gaps_of(ranges):
    return [Gap(first, last, 0, "overflow") for first, last in ranges]


def search(low, high, gaps, fork):
    """Return what a search finds when all up to `fork` is common, and the numbers it compared."""
    probes = []
    while True:
        probe = probe_between(low, high, gaps)
        if probe == low:
            return low, probes
        probes.append(probe)
        if probe <= fork:
            low = probe
        else:
            high = probe - 1


def test_without_gaps_it_is_bisection():
    for high in range(40):
        for fork in range(high + 1):
            found, probes = search(0, high, [], fork)
            assert found == fork
            assert 1 << max(0, len(probes) - 1) <= high + 1, (high, fork, probes)


def test_the_end_of_a_gap_can_be_compared_and_its_inside_cannot():
    gaps = gaps_of([(4, 7)])
    assert [probe_between(0, high, gaps) for high in range(1, 15)] == [
        1, 1, 2, 2, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7,
    ]  # fmt: skip
    assert probe_between(3, 6, gaps) == 3  # All between is inside the gap.
    assert probe_between(4, 6, gaps) == 4
    assert probe_between(3, 7, gaps) == 7


def test_the_last_comparable_common_number_is_found_whatever_the_gaps():
    for seed in range(500):
        draw = chance(seed)
        high = 1 + draw.below(40)
        ranges, at = [], 1
        while at <= high:
            at += draw.below(6)
            last = at + draw.below(5)
            if last <= high:
                ranges.append((at, last))
            at = last + 1
        gaps = gaps_of(ranges)
        fork = draw.below(high + 1)
        hidden = [seq for first, last in ranges for seq in range(first, last)]
        known = [seq for seq in range(1, fork + 1) if seq not in hidden]
        found, probes = search(0, high, gaps, fork)
        assert found == (known[-1] if known else 0), (seed, ranges, fork)
        assert not [seq for seq in probes if seq in hidden], (seed, probes)
        assert len(probes) <= 2 * 6, (seed, probes)


def test_the_last_number_before_adjoining_gaps():
    gaps = gaps_of([(2, 3), (5, 6), (7, 9)])
    assert [before_gaps(seq, gaps) for seq in range(1, 12)] == [1, 1, 1, 4, 4, 4, 4, 4, 4, 10, 11]
    assert before_gaps(2, gaps_of([(1, 2)])) == 0
