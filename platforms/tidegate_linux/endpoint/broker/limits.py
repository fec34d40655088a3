"""Bounds of the broker that are not settings, each with its reason."""

# Packet ids are 1 to 65,535.
PACKET_IDS = 65_535
# Entries of one session that are not acknowledged.  Below the number of packet ids, so that a free
# one is always near.
ENTRIES_LIVE_MAX = 60_000

# A kept session has this much of its queue in memory ahead of the connection, and as much again in
# flight; the rest exists only as notes.  A turn of the journal takes some milliseconds, so 256
# entries a turn are tens of thousands a second; ten thousand absent sessions with short messages
# take about 1 GB at the very worst, and what they hold in practice is a handful each.
WINDOW_ENTRIES = 256
WINDOW_BYTES = 256 * 1024

# What the objects of one queued or retained message take in Python, about.
DELIVERY_OVERHEAD_BYTES = 400

# Topics whose subscribers are remembered, and how long a topic may be for that: 4096 of the longest
# take 2 MB.
MATCHES_TOPICS_MAX = 4096
MATCHES_TOPIC_BYTES_MAX = 512
# Subscribers over all remembered topics, of about 100 bytes: with ten thousand subscribers of `#`,
# ever new topics would take gigabytes otherwise.
MATCHES_SUBSCRIBERS_MAX = 200_000

# What a node of a tree over topic levels takes in Python, about.  A retained message pays for all
# nodes on its way, or deep topics without payload would take memory that nobody counts.
NODE_BYTES = 300
