"""Only a hub's own words touch data, and nothing but 200 can be a receipt."""

from tidegate.delivery.answer import LATER, POISON, RECEIPT, REFUSED, STANDING, TOO_LARGE, judge

WORD = {"error": "bad-record", "detail": "unfit"}
PORTALS = (None, "<html>", 7, [], {}, {"detail": "x"}, {"error": 400}, {"error": None})


def test_only_200_can_bring_a_receipt_or_a_standing():
    for fields in PORTALS + (WORD,):
        assert judge(200, fields, True) == RECEIPT
        assert judge(200, fields, False) == STANDING
        assert judge(409, fields, True) == judge(409, fields, False) == STANDING


def test_everything_unheard_of_means_later():
    for status in (0, 100, 201, 202, 204, 206, 301, 302, 307, 408, 425, 429, 500, 503, 599, 999):
        for fields in PORTALS + (WORD,):
            assert judge(status, fields, True) == judge(status, fields, False) == LATER, status


def test_a_refusal_of_us_blames_no_record():
    for status in (401, 402, 403, 404, 405, 407, 410, 421, 426, 451, 499):
        for fields in PORTALS + (WORD,):
            assert judge(status, fields, True) == judge(status, fields, False) == REFUSED, status


def test_a_verdict_on_data_needs_a_hubs_own_word():
    for status in (400, 406, 411, 415, 422):
        assert judge(status, WORD, True) == POISON, status
        assert judge(status, WORD, False) == REFUSED  # A query holds no data.
        for fields in PORTALS:
            assert judge(status, fields, True) == REFUSED, (status, fields)


def test_bytes_that_were_changed_on_the_way_are_sent_again():
    words = ("bad-checksum", "bad-magic", "bad-length", "bad-flags", "bad-deflate", "bad-hash")
    for word in words:
        assert judge(422, {"error": word}, True) == LATER, word


def test_a_hub_that_does_not_know_our_form_is_to_be_updated():
    for word in ("unknown-version", "no-deflate"):
        assert judge(415, {"error": word}, True) == REFUSED, word


def test_a_batch_at_the_wrong_address_blames_no_record():
    for word in ("bad-stream", "foreign-stream"):
        assert judge(422, {"error": word}, True) == REFUSED, word


def test_only_a_batch_can_be_too_large():
    for fields in PORTALS + (WORD,):
        assert judge(413, fields, True) == TOO_LARGE
        assert judge(413, fields, False) == REFUSED
