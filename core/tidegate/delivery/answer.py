"""What a target's answer means, by its status (RFC 9110 section 15) and a hub's own word.

Whoever answers may be no hub at all: a captive portal, a proxy, a web server at a wrong address.
So an answer is a verdict on data only where a hub says so in its own words, and everything unheard
of means "later", never "done".
"""

from tidegate.wire.receipt import refusal_word

RECEIPT = "receipt"  # A batch was taken, if the fields prove it.
STANDING = "standing"  # Where the receiver stands, if the fields prove it.
TOO_LARGE = "too-large"  # The batch, or its only record.
POISON = "poison"  # Something in the batch cannot be taken.
LATER = "later"  # The same again, after a pause.
REFUSED = "refused"  # We are refused, not the data: somebody must mend a configuration.

_VERDICTS = (400, 406, 411, 415, 422)
_LATER = (408, 425, 429)
# What a hub says of bytes that were changed on the way, by a proxy or bad memory: our encoder makes
# no such thing, and the next try may come through whole.
_DAMAGED_ON_THE_WAY = (
    "bad-checksum", "bad-magic", "bad-length", "bad-flags", "bad-deflate", "bad-hash",
)  # fmt: skip
# What it says of a form it does not know (a hub to be updated) or of a batch that came to the wrong
# address (a proxy that rewrites paths): no fault of the data.
_NO_FAULT_OF_DATA = ("unknown-version", "no-deflate", "bad-stream", "foreign-stream")


def judge(status: int, fields: object, of_batch: bool) -> str:
    """Return what the answer to a batch, or else to a query, means."""
    if status == 200:
        return RECEIPT if of_batch else STANDING
    if status == 409:
        return STANDING
    if not 400 <= status < 500 or status in _LATER:
        return LATER
    if status == 413 and of_batch:
        return TOO_LARGE
    word = refusal_word(fields)
    if status not in _VERDICTS or word is None or word in _NO_FAULT_OF_DATA:
        return REFUSED
    if word in _DAMAGED_ON_THE_WAY:
        return LATER
    return POISON if of_batch else REFUSED
