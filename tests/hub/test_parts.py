"""The hub's small parts, without a database or a network."""

import asyncio
import random
import threading

import pytest
from starlette.requests import Request

from tidegate_hub.answers import Answer
from tidegate_hub.app import Hub, Limits
from tidegate_hub.body import Budget, RefusedBodyError, read_body
from tidegate_hub.metrics import Metrics
from tidegate_hub.rate import BURST_S, Bucket
from tidegate_hub.tokens import TokenBook, parse_token_hash, token_digest


def test_bucket_grants_its_rate_and_a_burst():
    bucket = Bucket(10)
    now_s = 1000.0
    granted = [bucket.take(now_s) for _ in range(10 * BURST_S)]
    assert granted == [0.0] * (10 * BURST_S)
    assert bucket.take(now_s) == pytest.approx(0.1)
    assert bucket.take(now_s + 0.1) == 0
    assert bucket.take(now_s + 0.1) > 0


def test_bucket_never_grants_more_than_its_rate():
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    bucket = Bucket(50)
    now_s, granted = 0.0, 0
    for _ in range(5000):
        # Also a clock that steps back must not open the gate.
        now_s += chance.choice((0.0, 0.001, 0.01, 0.05, -0.01))
        granted += bucket.take(now_s) == 0
    assert granted <= 50 * (5000 * 0.061 + BURST_S)
    limit = 50 * (now_s + 5000 * 0.01 / 5 + BURST_S) * 1.2
    assert granted <= limit


def test_bucket_of_0_is_no_limit():
    bucket = Bucket(0)
    assert not any(bucket.take(0.0) for _ in range(1000))


def test_token_is_found_by_all_of_it_only():
    book = TokenBook([("a", token_digest("aaaa")), ("b", token_digest("bbbb"))])
    assert book.find("aaaa") == "a"
    assert book.find("bbbb") == "b"
    for wrong in ("", "aaa", "aaaaa", "AAAA", token_digest("aaaa").hex(), "ü" * 4):
        assert book.find(wrong) is None


@pytest.mark.parametrize(
    "entries", [[("a", b"1"), ("a", b"2")], [("a", b"1"), ("b", b"1")]], ids=["name", "token"]
)
def test_token_book_refuses_what_stands_twice(entries):
    with pytest.raises(ValueError, match="a"):
        TokenBook(entries)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:00", "md5:" + "0" * 64, "0" * 64, "sha256:" + "g" * 64]
)
def test_hash_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="hex"):
        parse_token_hash(text)


def test_metrics_count_from_several_threads():
    metrics = Metrics()

    def work():
        for _ in range(10_000):
            metrics.count("records", 2)
            metrics.count("refused", 1, "fork")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value("records") == 80_000
    assert 'tidegate_hub_refused_total{reason="fork"} 40000' in metrics.text().splitlines()


class FakeRequest:
    """A request whose body comes in the chunks that it was given, and then perhaps never ends."""

    def __init__(self, chunks, ends=True):
        self.chunks, self.ends = chunks, ends

    async def stream(self):
        for chunk in self.chunks:
            yield chunk
        if not self.ends:
            await asyncio.sleep(3600)


def test_body_is_read_within_its_bound():
    budget = Budget(100)
    assert asyncio.run(read_body(FakeRequest([b"ab", b"", b"c"]), 3, budget)) == b"abc"
    assert budget.used_bytes == 3
    with pytest.raises(RefusedBodyError) as caught:
        asyncio.run(read_body(FakeRequest([b"ab", b"cd"]), 3, budget))
    assert caught.value.status == 413
    assert budget.used_bytes == 3


def test_bodies_together_are_bounded():
    budget = Budget(5)
    assert asyncio.run(read_body(FakeRequest([b"abc"]), 10, budget)) == b"abc"
    with pytest.raises(RefusedBodyError) as caught:
        asyncio.run(read_body(FakeRequest([b"ab", b"c"]), 10, budget))
    assert caught.value.status == 503
    budget.give_back(3)
    assert asyncio.run(read_body(FakeRequest([b"abcde"]), 10, budget)) == b"abcde"


class FakeReceiver:
    """Answers everything alike, or fails as our own bug would."""

    def __init__(self, fails):
        self.fails = fails

    def receive(self, name, owner, data):
        if self.fails:
            raise ValueError("a bug")
        return Answer(200, {"bytes": len(data)})


@pytest.mark.parametrize("fails", [False, True])
def test_room_of_a_body_is_given_back_whatever_becomes_of_it(fails):
    budget = Budget(100)
    tokens = TokenBook([("a", token_digest("aaaa"))])
    hub = Hub(FakeReceiver(fails), tokens, Limits(100, 0), Metrics(), budget=budget)
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"authorization", b"Bearer aaaa")],
        "path_params": {"stream": "x"},
    }

    async def receive():
        return {"type": "http.request", "body": bytes(90), "more_body": False}

    for _ in range(3):
        if fails:
            with pytest.raises(ValueError, match="a bug"):
                asyncio.run(hub.post_batch(Request(scope, receive)))
        else:
            response = asyncio.run(hub.post_batch(Request(scope, receive)))
            assert response.body == b'{"bytes":90}'
        assert budget.used_bytes == 0
    hub.close()


def test_body_that_stops_coming_is_given_up():
    budget = Budget(5)
    with pytest.raises(RefusedBodyError) as caught:
        asyncio.run(read_body(FakeRequest([b"abc"], ends=False), 10, budget, 0.05))
    assert (caught.value.status, budget.used_bytes) == (408, 0)
