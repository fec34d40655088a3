"""A refusal of us holds, "later" backs off, a verdict on data parks the one poison record."""

from builders import NOON_MS, chance
from rig import Rig
from tidegate.delivery.line import RETRY_HELD
from tidegate.delivery.sender import QUARANTINE_RUN_MAX, READY
from tidegate.store.lane import QUARANTINED

HELD_STATUSES = (401, 403, 404, 405, 407, 410)
LATER_STATUSES = (408, 425, 429, 500, 502, 503, 504)
UNFIT = {"error": "bad-record", "detail": "unfit"}
PARKED = QUARANTINED + "status 422 bad-record: unfit"


def payloads(numbers):
    return [str(number).encode() for number in numbers]


def log2_up(number):
    bits = 0
    while 1 << bits < number:
        bits += 1
    return bits


def test_a_refusal_of_us_holds_everything_and_parks_nothing():
    for status in HELD_STATUSES:
        for at_query in (True, False):
            rig = Rig()
            if at_query:
                rig.admit(5)
                rig.pump()
            else:
                rig.fly(5)
            rig.reports = []
            for _ in range(12):
                rig.answer(status, UNFIT)
                before_ms = rig.now_ms
                rig.wait()
                delay_ms = rig.now_ms - before_ms
                assert RETRY_HELD.delay_ms_min <= delay_ms <= RETRY_HELD.delay_ms_max, status
                if not at_query:
                    rig.answer(*rig.hub_says())  # Queries are allowed, batches are not.
            place = (status, at_query)
            assert rig.line.state == "held", place
            assert rig.events() == ["link_held"], place
            assert rig.medium.quarantine == [], place
            assert rig.lane.balance.held == 5, place
            rig.deliver()  # Somebody mended it.
            assert rig.events() == ["link_held", "link_up"], place
            assert rig.lane.balance.delivered == 5, place


def test_a_refusal_holds_the_urgent_lane_as_well():
    rig = Rig(("alarm", "main"), urgent=("alarm",))
    rig.admit(1, rig.lanes[0])
    rig.admit(1, rig.lanes[1])
    rig.pump()
    rig.answer(401)
    rig.answer(401)
    held_until_ms = rig.deadline_ms()
    assert held_until_ms >= rig.now_ms + RETRY_HELD.delay_ms_min
    rig.now_ms = held_until_ms - 1
    rig.pump()
    assert rig.link.requests == []


def test_later_means_a_pause_and_then_the_cursor_first():
    for status in LATER_STATUSES:
        rig = Rig()
        rig.fly(5)
        rig.answer(status, UNFIT)
        assert rig.log == [], status
        assert rig.line.state == "down"
        assert rig.deadline_ms() > rig.now_ms
        rig.wait()
        assert rig.asked() == [0]
        rig.deliver()
        assert rig.lane.balance.delivered == 5
        assert rig.medium.quarantine == []


def test_backoff_grows_though_queries_are_answered():
    for status in LATER_STATUSES:
        rig = Rig(retry_max_s=5)
        rig.fly(5)
        rig.reports = []
        posts = 0
        start_ms = rig.now_ms
        while rig.now_ms - start_ms < 300_000:
            if not rig.link.requests:
                rig.wait()
            elif rig.state == "flying":
                posts += 1
                rig.answer(status)
            else:
                rig.answer(*rig.hub_says())
        assert 60 < posts < 200, (status, posts)  # Every 2.6 s on the average.
        assert rig.events() == ["link_down"], status


def test_retry_after_is_obeyed_as_seconds_and_as_a_date():
    for text, least_ms in (
        ("30", 30_000),
        ("Thu, 01 Jan 2026 12:00:45 GMT", 45_000),
        ("86400", 600_000),  # Clamped: a wrong header costs ten minutes, not a day.
    ):
        rig = Rig()
        rig.wall_ms = NOON_MS
        rig.fly(5)
        rig.answer(503, None, text)
        assert rig.now_ms + least_ms < rig.deadline_ms() <= rig.now_ms + least_ms + 5000, text


def test_a_batch_that_is_too_large_is_halved_and_the_size_remembered():
    rig = Rig(batch_records=800)
    rig.hub.records_max = 25
    rig.ready()
    rig.admit(400)
    rig.deliver()
    assert rig.hub.payloads == payloads(range(1, 401))
    assert rig.medium.quarantine == []
    assert 0 < rig.hub.refused <= 6
    rig.hub.refused = rig.hub.posts = 0
    rig.admit(200)
    rig.deliver()
    assert (rig.hub.refused, rig.hub.posts <= 17) == (0, True)  # Of 12 to 25 records each.


def test_a_single_record_that_is_too_large_is_set_aside():
    rig = Rig(batch_records=8)
    rig.ready()
    rig.hub.records_max = 0
    rig.admit(2)
    rig.pump()
    rig.answer(*rig.hub_says())
    assert rig.medium.quarantine == [("main", 1, b"1")]
    rig.hub.records_max = 5
    rig.deliver()
    assert rig.hub.gaps == [(1, 1, QUARANTINED + "status 413 too-large")]
    assert rig.hub.payloads == [b"2"]


def refused_posts(rig, poison):
    """Deliver; return how many posts followed the first refused one until all poison was parked."""
    rig.hub.poison = set(poison)
    posts = None
    for _ in range(5000):
        if not rig.link.requests:
            if rig.is_idle:
                return posts
            rig.wait()
            continue
        before = rig.hub.posts
        status, fields = rig.hub_says()
        if rig.hub.posts > before and len(rig.medium.quarantine) < len(poison):
            if posts is not None:
                posts += 1
            elif status == 422:
                posts = 0
        rig.answer(status, fields)
    raise AssertionError("not delivered in the end")


def test_the_one_poison_record_is_found_in_few_posts_and_alone_parked():
    for count in list(range(1, 20)) + [31, 32, 33, 48, 63, 64]:
        for position in range(1, count + 1):
            rig = Rig(batch_records=512)  # All of them in one batch.
            rig.fly(count)
            posts = refused_posts(rig, payloads([position]))
            place = (count, position, posts)
            assert posts <= log2_up(count) + 1, place
            assert rig.medium.quarantine == [("main", position, str(position).encode())], place
            wanted = [number for number in range(1, count + 1) if number != position]
            assert rig.hub.payloads == payloads(wanted), place
            assert rig.hub.gaps == [(position, position, PARKED)], place


def test_poison_is_found_between_gaps():
    for seed in range(60):
        draw = chance(seed)
        rig = Rig(batch_records=512)
        rig.ready()
        rig.admit(40)
        good = list(range(1, 41))
        gaps = []
        for first in (1 + draw.below(5), 12 + draw.below(5), 25 + draw.below(5), 40):
            last = min(40, first + draw.below(4))
            rig.set_aside(first, last)
            gaps.append((first, last, "overflow"))
            good = [seq for seq in good if not first <= seq <= last]
        position = good.pop(draw.below(len(good)))
        rig.pump()
        posts = refused_posts(rig, payloads([position]))
        assert posts <= log2_up(len(good) + 1) + 1, (seed, posts)
        assert rig.medium.quarantine == [("main", position, str(position).encode())], seed
        assert rig.hub.payloads == payloads(good), seed
        assert sorted(rig.hub.gaps) == sorted(gaps + [(position, position, PARKED)]), seed


def test_two_poison_records_are_both_found_and_nothing_else_parked():
    for first in range(1, 25):
        for second in range(first + 1, 25):
            rig = Rig(batch_records=512)
            rig.fly(24)
            posts = refused_posts(rig, payloads([first, second]))
            assert posts <= 2 * (log2_up(24) + 1) + 1, (first, second, posts)
            parked = [seq for _, seq, _ in rig.medium.quarantine]
            assert parked == [first, second]
            wanted = [seq for seq in range(1, 25) if seq not in parked]
            assert rig.hub.payloads == payloads(wanted), (first, second)


def test_after_the_poison_batches_are_large_again():
    rig = Rig(batch_records=512)
    rig.fly(64)
    refused_posts(rig, payloads([1]))
    assert rig.sent()[-1] == (1, 64)  # The gap and all that is behind it.


def test_an_outage_in_the_middle_of_the_search_does_not_mislead_it():
    for seed in range(60):
        draw = chance(seed)
        rig = Rig(batch_records=512)
        rig.fly(32)
        position = 1 + draw.below(32)
        rig.hub.poison = set(payloads([position]))
        for _ in range(400):
            if not rig.link.requests:
                if rig.is_idle:
                    break
                rig.wait()
            elif draw.below(4) == 0:
                if draw.below(2):
                    rig.hub_says()
                rig.lose()
            else:
                rig.answer(*rig.hub_says())
        assert [seq for _, seq, _ in rig.medium.quarantine] == [position], seed
        assert rig.lane.balance[1:4] == (31, 0, 1), seed


def test_a_400_that_no_hub_wrote_parks_nothing():
    for fields in (None, "<html>Bad Request</html>", {}, {"message": "bad"}, {"error": 7}, []):
        for status in (400, 406, 411, 415, 422):
            rig = Rig()
            rig.fly(1)
            for _ in range(5):
                rig.answer(status, fields)
                assert rig.line.state == "held", (status, fields)
                rig.wait()
                rig.answer(*rig.hub_says())
            assert rig.medium.quarantine == []
            assert rig.lane.balance.held == 1


def test_more_poison_in_a_row_than_makes_sense_holds():
    rig = Rig(batch_records=8)
    rig.ready()
    count = QUARANTINE_RUN_MAX + 5
    rig.hub.poison = set(payloads(range(1, count + 1)))
    rig.admit(count + 3)
    rig.pump()
    rig.serve()
    assert len(rig.medium.quarantine) == QUARANTINE_RUN_MAX
    assert rig.line.state == "held"
    assert rig.deadline_ms() >= rig.now_ms + RETRY_HELD.delay_ms_min
    # One more each time we come back, at growing intervals, told once; and in the end all is well.
    rig.reports = []
    for extra in range(1, 6):
        rig.wait()
        rig.serve()
        assert len(rig.medium.quarantine) == QUARANTINE_RUN_MAX + extra
    rig.deliver()
    assert rig.hub.payloads == payloads(range(count + 1, count + 4))
    assert [event for event in rig.events() if event.startswith("link")] == ["link_up"]
    assert rig.state == READY


def test_good_records_in_between_end_the_run():
    rig = Rig(batch_records=8)
    rig.ready()
    count = 4 * QUARANTINE_RUN_MAX
    rig.hub.poison = set(payloads(range(1, count, 2)))
    rig.admit(count)
    rig.deliver()
    assert len(rig.medium.quarantine) == count // 2
    assert "link_held" not in rig.events()


def test_what_a_stranger_answers_becomes_one_printable_line():
    rig = Rig()
    rig.fly(1)
    rig.answer(422, {"error": "x\n\x1b[31m", "detail": chr(0xD800) + "y" * 500})
    reason = rig.lane.gaps[0].reason
    assert reason.startswith(QUARANTINED + "status 422 x??[31m: ?yyy")
    assert len(reason) == 200
    rig.deliver()
    assert rig.hub.gaps == [(1, 1, reason)]
