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
# Matching subscriptions over all remembered topics, of about 100 bytes: with ten thousand
# subscribers of `#`, or one with a thousand filters that overlap, ever new topics would take
# gigabytes otherwise.
MATCHES_SUBSCRIBERS_MAX = 200_000

# What a node of a tree over topic levels takes in Python, about.  A retained message pays for all
# nodes on its way, or deep topics without payload would take memory that nobody counts.
NODE_BYTES = 300

# A QoS 2 packet id that its client has not released: a note of 100 bytes in the journal, and what
# it takes in a set.  MQTT 3.1.1 allows a client 65,535 of them, and it need never release one.
PACKET_ID_BYTES = 160

# Where there is no room in all queues together, the largest of them loses its oldest messages: so
# much at a time, or this part of all of them where they may hold little.  To find it costs some
# milliseconds with ten thousand sessions.
SHED_BYTES = 256 * 1024
SHED_PART = 16

# All subscriptions of all clients together, by what they take in memory (`subscriptions.cost_of`):
# ten thousand devices with four of four levels each.  One client may have a thousand of 64 KB.
SUBSCRIPTIONS_BYTES_MAX = 64 * 1024 * 1024
SUBSCRIPTION_BYTES = 400
