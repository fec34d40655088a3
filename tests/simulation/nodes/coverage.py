"""What a long run must have met at least once: a fault that never happens tests nothing.

What five thousand seeds meet fewer than twenty times is left out: a process that dies while a batch
is refused, an acknowledgement of an old generation, a changed magic.
"""

from simulation.nodes.plan import GATEWAY_SITES, NODE_SITES
from tidegate.errors import STORAGE_CORRUPT, STORAGE_FULL, STORAGE_IO, STORAGE_READONLY

_FAULTS = (
    "a failed sync reaches the flash",
    "a failed sync reaches the medium",
    "a node's batch is changed on the way",
    "a node's request arrives once more",
    "a node's request is lost",
    "a record on flash rots",
    "a removed segment is there again",
    "a reply is lost",
    "a request arrives once more",
    "a request is lost",
    "a request is refused",
    "a torn end",
    "an answer to a node is lost",
    "an old answer comes late",
    "an unsynced end is kept",
    "board rebooted",
    "flash full",
    "garbage behind a torn end",
    "gateway cut off",
    "gateway dies in a flush",
    "gateway killed",
    "gateway restored from an image",
    "hub stopped",
    "more than a record on flash rots",
    "node cloned",
    "node cut off",
    "node loses power",
    "node restored from an image",
    "node without network",
    "receiver dies before it answers",
    "receiver dies before it applies",
    "receiver restored from a backup",
    "somebody else sends for a node",
)

# What nodes, gateway and hub have to decide in consequence.
_BRANCHES = (
    "a batch is refused for want of room",
    "a batch of several boots",
    "a damaged log goes on under a new epoch",
    "a full page of notes",
    "a node opens a new epoch",
    "a node's request times out",
    "a segment is set aside",
    "an answer reaches nobody",
    "an answer that no node waits for",
    "gap told: expired",
    "gap told: overflow",
    "gateway answers 200 ",
    "gateway answers 409 fork",
    "gateway answers 409 out-of-order",
    "gateway answers 422 bad-checksum",
    "gateway answers 503 unavailable",
    "gateway drops: overflow",
    "hub is told of a node's gap: expired",
    "hub is told of a node's gap: overflow",
    "hub is told of a node's gap: quarantined",
    "node drops: overflow",
    "node drops: quarantined",
    "paused: the journal is full",
    "put raises full",
    "put raises io",
    "receiver says ahead",
    "receiver says known",
)

_GATEWAY_REPORTS = (
    "hub_restored", "journal_failed", "journal_full", "journal_has_room", "link_down", "link_up",
    "node_forked", "stream_forked",
)  # fmt: skip
_NODE_REPORTS = (
    "hub_restored", "journal_failed", "journal_full", "journal_has_room", "journal_salvaged",
    "link_down", "link_up", "queue_full", "record_damaged", "stream_forked",
)  # fmt: skip

REQUIRED = (
    *_FAULTS,
    *_BRANCHES,
    *[f"gateway reports {event}" for event in _GATEWAY_REPORTS],
    *[f"node reports {event}" for event in _NODE_REPORTS],
    *[f"a time of quality {quality}" for quality in (0, 1, 2, 3)],
    *[f"node dies at {site}" for site in NODE_SITES],
    *[f"gateway dies at {site}" for site in GATEWAY_SITES if site not in ("refuse", "resume")],
    *[f"flash fails at {method}" for method in ("segments", "append", "sync", "read", "remove")],
    *[f"heap full at {method}" for method in ("segments", "append", "sync", "read")],
    *[f"storage fails at {method}" for method in (
        "append", "sync", "usage", "read", "locate", "recover", "notes",
    )],
    *[f"storage fails: {kind}" for kind in (
        STORAGE_CORRUPT, STORAGE_FULL, STORAGE_IO, STORAGE_READONLY,
    )],
)  # fmt: skip


def missed(met: dict[str, int]) -> list[str]:
    """Return what was to be met and was not."""
    return [name for name in REQUIRED if not met.get(name)]
