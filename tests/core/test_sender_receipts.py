"""Only a receipt that names stream, range, hash and generation releases; nothing else ever does."""

from builders import NODE
from rig import Rig
from tidegate.delivery.sender import ASK, CONFLICTS_MAX, FLYING, READY

COUNT = 5
PORTAL = {"error": "login", "redirect": "http://portal.invalid/"}


def flying():
    """Return a rig with records 6 to 10 in flight, 1 to 5 delivered, and the receipt due."""
    rig = Rig(batch_records=80)
    rig.ready()
    rig.admit(5)
    rig.deliver()
    rig.fly(COUNT)
    _, receipt = rig.hub_says()
    return rig, receipt


def changed(fields, **changes):
    result = dict(fields)
    for name, value in changes.items():
        if value is None:
            del result[name]
        else:
            result[name] = value
    return result


def test_the_right_receipt_releases():
    rig, receipt = flying()
    rig.answer(200, receipt)
    assert rig.lane.balance.delivered == 10
    assert rig.state == READY


def test_a_receipt_may_say_more_than_we_know():
    rig, receipt = flying()
    rig.answer(200, changed(receipt, note="x", received_ms=1))
    assert rig.lane.balance.delivered == 10


def wrong_receipts(receipt):
    other_hash = "0" * 8 if receipt["hash"] != "0" * 8 else "1" * 8
    stream = receipt["stream"]
    return [
        ("nothing", None),
        ("a portal's page", "<html><body>Welcome</body></html>"),
        ("a portal's object", PORTAL),
        ("a list", [receipt]),
        ("empty", {}),
        ("no stream", changed(receipt, stream=None)),
        ("another stream", changed(receipt, stream=stream[:-4] + "low")),
        ("another epoch", changed(receipt, stream=stream.replace("0001.", "0002."))),
        ("no generation", changed(receipt, generation=None)),
        ("a generation that is none", changed(receipt, generation="xyz")),
        ("another generation", changed(receipt, generation="00000000000000ff")),
        ("a number as generation", changed(receipt, generation=170)),
        ("no first", changed(receipt, first=None)),
        ("another first", changed(receipt, first=receipt["first"] + 1)),
        ("an earlier first", changed(receipt, first=1)),
        ("no last", changed(receipt, last=None)),
        ("an earlier last", changed(receipt, last=receipt["last"] - 1)),
        ("a later last", changed(receipt, last=11, through=11)),
        ("no through", changed(receipt, through=None)),
        ("a through before the batch", changed(receipt, through=5)),
        ("a through within the batch", changed(receipt, through=8)),
        ("a through beyond all", changed(receipt, through=99)),
        ("a text as through", changed(receipt, through="10")),
        ("a truth as through", changed(receipt, through=True)),
        ("a fraction as through", changed(receipt, through=10.0)),
        ("a negative through", changed(receipt, through=-10)),
        ("no hash", changed(receipt, hash=None)),
        ("another hash", changed(receipt, hash=other_hash)),
        ("a hash in capitals", changed(receipt, hash=receipt["hash"].upper() + "A")),
        ("a number as hash", changed(receipt, hash=1)),
    ]


def test_no_wrong_receipt_releases_anything():
    names = [name for name, _ in wrong_receipts(flying()[1])]
    assert len(names) >= 20
    for index, name in enumerate(names):
        rig, receipt = flying()
        before = rig.lane.balance
        rig.answer(200, wrong_receipts(receipt)[index][1])
        assert rig.lane.balance == before, name
        assert rig.entries() == [], name
        assert rig.sent() == [], name
        assert rig.state in (ASK, "asking"), name
        # And nothing is lost by the doubt: the cursor tells that the batch was applied.
        rig.deliver()
        assert rig.lane.balance.delivered == 10, name
        assert len(rig.hub.payloads) == 10, name


def test_no_other_status_releases_anything():
    for status in (0, 100, 201, 202, 204, 206, 300, 301, 302, 304, 307, 400, 404, 410, 500, 503):
        rig, receipt = flying()
        before = rig.lane.balance
        rig.answer(status, receipt)  # Even with a receipt in it.
        assert rig.lane.balance == before, status
        assert rig.entries() == [], status
        assert rig.state == ASK, status


def test_a_portal_that_answers_everything_never_gets_data_twice_a_second():
    for status, fields in ((200, None), (200, PORTAL), (302, None), (204, None)):
        rig = Rig()
        rig.admit(5)
        start_ms = rig.now_ms
        for _ in range(100):
            rig.wait()
            rig.answer(status, fields)
        assert rig.now_ms - start_ms > 20_000, status
        assert rig.sent() == []
        assert rig.lane.balance.held == 5


def wrong_standings(standing):
    return [
        ("nothing", None),
        ("a portal's object", PORTAL),
        ("another stream", changed(standing, stream="x")),
        ("no generation", changed(standing, generation=None)),
        ("no through", changed(standing, through=None)),
        ("no hash", changed(standing, hash=None)),
        ("a text as hash", changed(standing, hash="unknown!")),
    ]


def test_no_wrong_standing_releases_or_sends_anything():
    for index in range(7):
        rig, _ = flying()
        rig.start()
        rig.pump()
        _, standing = rig.hub_says()
        name, fields = wrong_standings(standing)[index]
        rig.answer(200, fields)
        assert rig.entries() == [] and rig.sent() == [], name
        assert rig.lane.balance.held == COUNT, name
        rig.deliver()
        assert rig.lane.balance.delivered == 10, name


def test_late_and_unknown_answers_count_for_nothing():
    rig, receipt = flying()
    token = rig.link.requests[0][0]
    rig.lose()
    rig.link.requests.insert(0, (token, None))
    rig.answer(200, receipt)  # Of the request that was given up.
    for unknown in (0, token + 1, 999, -1):
        rig.link.requests.insert(0, (unknown, None))
        rig.answer(200, receipt)
        rig.link.requests.insert(0, (unknown, None))
        rig.lose()
    assert rig.entries() == []
    assert rig.state == ASK
    assert rig.lane.balance.held == COUNT


def test_a_second_answer_to_one_request_counts_for_nothing():
    rig, receipt = flying()
    token = rig.link.requests[0][0]
    rig.answer(200, receipt)
    rig.clear()
    rig.link.requests.insert(0, (token, None))
    rig.answer(200, receipt)
    rig.link.requests.insert(0, (token, None))
    rig.answer(401)
    assert rig.log == []
    assert rig.line.state == "up"


def test_a_receiver_that_contradicts_itself_is_backed_off_from():
    # It answers every batch with 409 or with a cursor that its next word denies.
    for with_receipts in (False, True):
        rig = Rig()
        rig.ready()
        rig.admit(5)
        rig.deliver()
        _, standing = rig.hub.query(rig.lane.stream(NODE), 0)
        rig.fly(COUNT)
        _, receipt = rig.hub_says()
        posts = 0
        start_ms = rig.now_ms
        while rig.now_ms - start_ms < 60_000:
            if not rig.link.requests:
                rig.wait()
            elif rig.state != FLYING:
                rig.answer(200, standing)
            elif with_receipts:
                posts += 1
                rig.answer(200, changed(receipt, through=11))
            else:
                posts += 1
                rig.answer(409, standing)
        assert CONFLICTS_MAX < posts < 50, (with_receipts, posts)
        assert rig.lane.balance.held == COUNT
