"""SplitMix64: the same numbers everywhere."""

from support import raises
from tidegate.delivery.chance import Chance

# The numbers for 1234567 are those that other implementations of SplitMix64 publish.
VECTORS = (
    (
        1234567,
        (
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
            4593380528125082431,
            16408922859458223821,
        ),
    ),
    (0, (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)),
)


def test_numbers_are_those_of_splitmix64():
    for seed, numbers in VECTORS:
        chance = Chance(seed)
        for expected in numbers:
            assert chance.bits64() == expected, seed


def test_bits_stay_in_range_and_differ():
    chance = Chance((1 << 64) - 1)
    drawn = [chance.bits64() for _ in range(200)]
    assert len(set(drawn)) == 200
    for bits in drawn:
        assert 0 <= bits < 1 << 64
    # Each bit is one at times and zero at times.
    for bit in range(64):
        ones = sum((bits >> bit) & 1 for bits in drawn)
        assert 60 < ones < 140, bit


def test_below_gives_the_same_numbers_for_a_seed():
    chance = Chance(1234567)
    # The last digits of the published numbers.
    assert [chance.below(10) for _ in range(5)] == [7, 3, 3, 1, 1]


def test_below_refuses_the_incomplete_multiple():
    # Of the published numbers those that are not below 2^63+1 are left out, not folded back.
    chance = Chance(1234567)
    drawn = [chance.below((1 << 63) + 1) for _ in range(3)]
    assert drawn == [6457827717110365317, 3203168211198807973, 4593380528125082431]


def test_below_reaches_every_number_evenly():
    chance = Chance(1)
    counts = [0] * 6
    for _ in range(3000):
        counts[chance.below(6)] += 1
    for count in counts:
        assert 400 < count < 600, counts


def test_below_takes_every_width():
    chance = Chance(3)
    for n in (1, 2, 3, (1 << 32) + 1, (1 << 63) + 1, 1 << 64):
        for _ in range(20):
            assert 0 <= chance.below(n) < n


def test_wrong_arguments_are_refused():
    for seed in (-1, 1 << 64):
        with raises(ValueError):
            Chance(seed)
    for n in (0, -1, (1 << 64) + 1):
        with raises(ValueError):
            Chance(0).below(n)
