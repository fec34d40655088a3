"""What keeps a line down, in words.  Imported when one is."""

# By errno, lwIP's and newlib's too: boards have these numbers without their names.
WORDS = {
    -2: "unknown host",
    -202: "unknown host",
    104: "the connection was reset",
    110: "timed out",
    111: "nothing listens there",
    113: "no way there",
    116: "timed out",
    118: "no way there",
}
# By what CONNACK and SUBACK say.
REFUSALS = {
    4: "wrong name or password",
    5: "not allowed",
    128: 'may not subscribe: [[access]] needs "$tidegate/#"',
}


def words_of(error, words=WORDS):
    """Return what an error means, and its number, or as much as is known of it."""
    code = error.args[0] if error.args else 0
    return f"{words[code]} ({code})" if code in words else repr(error)
