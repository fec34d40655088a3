"""Numbers that look random, from a seed: SplitMix64.

For jitter, and for new identities where the platform seeds it from the operating system's entropy.
Not for secrets: whoever sees one number can work out the rest.  The same seed gives the same
numbers on every Python, so that a simulation can be run again.

SplitMix64 (Steele, Lea and Flood, 2014) was taken because it needs one word of state, passes the
BigCrush tests and has no bad seeds: neighbouring ones, and zero, give unrelated numbers.
"""

_MASK64 = (1 << 64) - 1


class Chance:
    """A stream of numbers that `seed` (0 to 2^64-1) decides."""

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= _MASK64:
            raise ValueError("a seed has 64 bits")
        self._state = seed

    def bits64(self) -> int:
        """Return the next 64 bits, 0 to 2^64-1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK64
        bits = self._state
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK64
        return bits ^ (bits >> 31)

    def below(self, n: int) -> int:
        """Return a number from 0 to n-1, each equally likely; `n` is 1 to 2^64."""
        if not 1 <= n <= 1 << 64:
            raise ValueError(f"cannot draw below {n}")
        # Refuse the last, incomplete multiple of n: fewer than two draws on average.
        limit = (1 << 64) - (1 << 64) % n
        bits = self.bits64()
        while bits >= limit:
            bits = self.bits64()
        return bits % n
