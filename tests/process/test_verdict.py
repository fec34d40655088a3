"""The judge is no friend of ours: planted losses, copies, changes and disorder are all found."""

import pytest

from fixtures.publisher import number_of, payload
from process.verdict import judge

STREAM = "0000000000000001.0000000000000002.main"


def table(numbers, name="p1", stream=STREAM):
    """Return rows with these numbers, as the hub's table would have them."""
    return [
        (stream, seq, f"site/{name}", payload(name, number))
        for seq, number in enumerate(numbers, 1)
    ]


def test_a_payload_tells_its_number():
    assert [number_of(payload("p1", number)) for number in (1, 97, 70001)] == [1, 97, 70001]


def test_all_once_and_in_order_is_perfect():
    verdict = judge(table([1, 2, 3, 4]), {"p1": 4})
    assert verdict.is_perfect
    assert verdict.records == 4


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([1, 2, 4], {"lost": 1, "disorders": 1}),
        ([1, 2, 3], {"lost": 1}),
        ([1, 2, 3, 3, 4], {"copies": 1, "returns": 1, "deepest": 1}),
        ([1, 2, 3, 1, 2, 3, 4], {"copies": 3, "returns": 1, "deepest": 3}),
        ([1, 3, 2, 4], {"disorders": 2, "returns": 1, "deepest": 2}),
        ([1, 2, 3, 4, 5], {"foreign": 1}),
    ],
)
def test_what_is_wrong_is_found(numbers, found):
    verdict = judge(table(numbers), {"p1": 4})
    assert not verdict.is_perfect
    wrong = {name: n for name, n in verdict._asdict().items() if n and name != "records"}
    assert wrong == found


def test_a_changed_payload_topic_or_publisher_is_foreign():
    rows = table([1, 2, 3, 4])
    rows[1] = (*rows[1][:3], rows[1][3].replace(b"v", b"w"))
    rows[2] = (*rows[2][:2], "site/p9", rows[2][3])
    verdict = judge(rows, {"p1": 4})
    assert (verdict.foreign, verdict.lost) == (2, 2)


def test_a_hole_in_the_numbers_of_a_stream_is_found():
    rows = table([1, 2, 3, 4])
    assert judge([*rows[:2], (STREAM, 5, *rows[2][2:])], {"p1": 3}).holes == 2


def test_only_what_is_sent_again_in_order_counts_as_whole():
    assert judge(table([1, 2, 3, 2, 3, 4]), {"p1": 4}).is_whole
    assert not judge(table([1, 2, 3, 2, 4]), {"p1": 4}).is_whole
