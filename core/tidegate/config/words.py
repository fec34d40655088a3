"""How an error about a setting speaks: kinds of values, quoting, and the word that was meant."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_CHARACTERS_MAX = 60  # What an error quotes of a value: enough to find it.


def kind_of(value: object) -> str:
    """Say in the user's words what kind of value this is, and nothing of the value itself."""
    if value is True or value is False:
        return "true or false"
    if value is None:
        return "null"
    for kind, name in _KIND_NAMES:
        if isinstance(value, kind):
            return name
    return "a date or a time"


_KIND_NAMES = (
    (str, "text"),
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (list, "a list"),
    (dict, "a table"),
)


def shown(text: str) -> str:
    """Return the text in quotes, cut short, and without control characters to play with."""
    if len(text) > SHOWN_CHARACTERS_MAX:
        text = text[: SHOWN_CHARACTERS_MAX - 3] + "..."
    letters = []
    for letter in text:
        code = ord(letter)
        if code < 0x20 or 0x7F <= code < 0xA0:
            letters.append(f"\\u{code:04x}")
        elif letter in '"\\':
            letters.append("\\" + letter)
        else:
            letters.append(letter)
    return '"' + "".join(letters) + '"'


def listed(words: "Sequence[str]") -> str:
    """Return the words in quotes, with commas."""
    return ", ".join([shown(word) for word in words])


def nearest(word: str, known: "Sequence[str]") -> str:
    """Return the one of the known words that was probably meant, or "" when none is near."""
    plain = word[:SHOWN_CHARACTERS_MAX].lower().replace("-", "_")
    best = ""
    best_distance = 0
    for candidate in known:
        distance = edit_distance(plain, candidate.lower().replace("-", "_"))
        # A third of the letters wrong is a slip; more is another word.
        if 3 * distance <= max(len(plain), len(candidate), 4) and (
            not best or distance < best_distance
        ):
            best, best_distance = candidate, distance
    return best


def edit_distance(one: str, other: str) -> int:
    """Count the letters to insert, delete, replace or swap with a neighbour to get the other."""
    before_last: list[int] = []
    last = list(range(len(other) + 1))
    for i in range(1, len(one) + 1):
        row = [i]
        for j in range(1, len(other) + 1):
            cost = 0 if one[i - 1] == other[j - 1] else 1
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                best = min(best, before_last[j - 2] + 1)
            row.append(best)
        before_last, last = last, row
    return last[-1]
