"""The judge of nodes finds planted losses, copies, changes and disorder."""

import pytest

from process.nodes_verdict import PATTERN, judge_nodes, read_payload

TOPIC = "site/n1"
AT_MS = 1_700_000_000_000


def payload(number, run=1, topic=TOPIC):
    return (
        f"{topic} {run} {number} {AT_MS}\n".encode() + PATTERN[number % 90 :][: number * 37 % 160]
    )


def table(*numbers):
    """Return rows with these (run, number), or number of run 1, as the hub would have them."""
    pairs = [each if isinstance(each, tuple) else (1, each) for each in numbers]
    return [
        ("g.1.main", seq, "n.1.main", seq, TOPIC, payload(number, run), AT_MS + 5)
        for seq, (run, number) in enumerate(pairs, 1)
    ]


SAID = {TOPIC: {1: 3, 2: 1}}


def test_a_payload_tells_what_it_is():
    assert read_payload(payload(150, 7)) == (TOPIC, 7, 150, AT_MS)
    assert read_payload(payload(150)[:-1]) is None
    assert read_payload(b"") is None


@pytest.mark.parametrize("numbers", [(1, 2, 3, (2, 1)), (1, 2, 3, 4, (2, 1), (2, 2), (5, 1))])
def test_all_once_and_in_order_is_perfect(numbers):
    verdict = judge_nodes(table(*numbers), SAID)
    assert verdict.is_perfect
    assert verdict.records == len(numbers)


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((1, 2, (2, 1)), {"lost": 1}),
        ((1, 2, 3), {"lost": 1}),
        ((1, 3, (2, 1)), {"lost": 1, "disorders": 1}),
        ((1, 2, 3, 3, (2, 1)), {"twice": 1, "disorders": 1}),
        ((1, 2, (2, 1), 3), {"disorders": 1}),
        ((1, 2, 3, (2, 2), (2, 1)), {"disorders": 2}),
    ],
)
def test_what_is_wrong_is_found(numbers, found):
    verdict = judge_nodes(table(*numbers), SAID)
    assert not verdict.is_perfect
    assert {name: n for name, n in verdict._asdict().items() if n and name != "records"} == found


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        (1, 9, {"holes": 7}),
        (3, 3, {"holes": 2, "same_origin": 1}),
        (3, 7, {"holes": 2}),
        (4, "site/n2", {"foreign": 1, "lost": 1, "disorders": 1}),
        (5, payload(2).replace(b"J", b"K"), {"foreign": 1, "lost": 1, "disorders": 1}),
        (6, None, {"mistimed": 1}),
        (6, AT_MS + 60_000, {"mistimed": 1}),
    ],
)
def test_a_changed_row_is_found(column, value, found):
    rows = table(1, 2, 3, (2, 1))
    rows[1] = (*rows[1][:column], value, *rows[1][column + 1 :])
    if column == 1:
        rows = [rows[0], *[(row[0], row[1] + 7, *row[2:]) for row in table(1, 2, 3, (2, 1))[1:]]]
    verdict = judge_nodes(rows, SAID)
    assert {name: n for name, n in verdict._asdict().items() if n and name != "records"} == found
