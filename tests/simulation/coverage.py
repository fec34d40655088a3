"""What a long run must have met at least once: a fault that never happens tests nothing.

The names are those that the world, its parts and the gateway's reports give.  What is so rare that
ten thousand seeds may miss it is left out: a changed version byte, a changed magic, a search for a
common record that ends without a fork.
"""

from simulation.link import MOODS
from simulation.plan import CRASH_SITES
from tidegate.errors import STORAGE_CORRUPT, STORAGE_FULL, STORAGE_IO, STORAGE_READONLY

_FAULTS = (
    "a byte is changed on the way",
    "a connection is lost in a flush",
    "a failed sync reaches the medium",
    "a message over every limit",
    "a reply is lost",
    "a request arrives once more",
    "a request is lost",
    "a request is refused",
    "a stored record rots",
    "an answer is mixed up with another",
    "broker drops from its queue",
    "broker killed",
    "broker loses its session",
    "broker redelivers",
    "broker replays a retained message",
    "connection lost",
    "dies in a flush",
    "disk full",
    "image restored",
    "line cut",
    "machine rebooted",
    "node cloned",
    "no message after the last fault",
    "node killed",
    "receiver dies before it answers",
    "receiver dies before it applies",
    "receiver restored from a backup",
    "receiver stopped",
    "the journal does not open",
    "wall clock steps",
)

# What the gateway and the receiver have to decide in consequence.
_BRANCHES = (
    "a batch of several boots",
    "a delivered record is withdrawn",
    "a stale acknowledgement is ignored",
    "an answer reaches nobody",
    "gap told: damaged",
    "gap told: expired",
    "gap told: overflow",
    "gap told: poison",
    "gap told: too-large",
    "receiver refuses bad-checksum",
    "receiver says 413",
    "receiver says 422",
    "receiver says ahead",
    "receiver says apply",
    "receiver says fork",
    "receiver says known",
    "report hub_restored",
    "report journal_failed",
    "report journal_full",
    "report journal_has_room",
    "report link_connecting",
    "report link_down",
    "report link_held",
    "report link_up",
    "report link_waiting",
    "report record_damaged",
    "report record_quarantined",
    "report stream_forked",
)

_TRANSITIONS = (
    ("ask", "asking"),
    ("asking", "ask"),
    ("asking", "flying"),
    ("asking", "ready"),
    ("asking", "seeking"),
    ("flying", "ask"),
    ("flying", "asking"),
    ("flying", "ready"),
    ("flying", "seeking"),
    ("ready", "asking"),
    ("ready", "flying"),
    ("seeking", "ask"),
    ("seeking", "asking"),
    ("seeking", "flying"),
)

REQUIRED = (
    *_FAULTS,
    *_BRANCHES,
    *[f"sender goes from {before} to {after}" for before, after in _TRANSITIONS],
    *[f"dies after {site}" for site in CRASH_SITES],
    *[f"storage fails: {kind}" for kind in (
        STORAGE_CORRUPT, STORAGE_FULL, STORAGE_IO, STORAGE_READONLY,
    )],
    *[f"storage fails at {method}" for method in (
        "append", "sync", "usage", "read", "locate", "recover",
    )],
    *[f"stranger answers {mood.name}" for mood in MOODS],
)  # fmt: skip


def missed(met: dict[str, int]) -> list[str]:
    """Return what was to be met and was not."""
    return [name for name in REQUIRED if not met.get(name)]
