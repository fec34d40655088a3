"""Bounds on everything that can grow, each with the reason for its value.

A bound that only one module needs stands at the top of that module instead.
"""

TOPIC_BYTES_MAX = 65535  # The length field of an MQTT string is two bytes [MQTT-1.5.4].
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024  # One record must fit one batch; telemetry is far smaller.
PROPERTIES_BYTES_MAX = 65535  # User properties of one message; MQTT bounds only the packet.
REASON_BYTES_MAX = 200  # A reason is one line for a person, not a transcript.

LANE_BYTES_MAX = 16  # A lane's name stands in every URL and log line.
LANES_MAX = 8  # Each lane is a stream with a batch in flight: bounds memory and connections.

BATCH_RECORDS_MAX = 65535  # Each may bring its own topic, and topics are counted in 16 bits.
BATCH_GAPS_MAX = 4096  # More gaps than this in one batch is a broken sender.
BATCH_BOOTS_MAX = 255  # The index of a boot is one byte.
BATCH_BYTES_MAX = 32 * 1024 * 1024  # Inflated size: what a receiver holds in memory at most.

SEQ_MAX = (1 << 48) - 1  # A journal may pack lane and sequence into one 64-bit key.
# Of ticks and, either way, of wall time less ticks: 285,000 years.  The sum of the two still fits a
# signed 64-bit database column, and a double holds each exactly.
TICKS_MS_MAX = (1 << 53) - 1
BOOT_MAX = (1 << 32) - 1
