"""The bounds of the transport.  Each says what it protects."""

# One read takes no more, so that one publisher at full speed holds up the others for a few
# milliseconds at most.  With many connections a share of READ_BYTES_ALL each: that much may lie
# with the broker, read and not judged yet, if all of them send at once.
READ_BYTES_MAX = 64 * 1024
READ_BYTES_MIN = 4 * 1024
READ_BYTES_ALL = 16 * 1024 * 1024

# Beginnings of packets whose end has not come: of all connections together.  The largest goes.
PARTIAL_BYTES_MAX = 16 * 1024 * 1024
# What all readers together have left unread, and what one may; the largest goes.
UNSENT_BYTES_ALL = 64 * 1024 * 1024
UNSENT_BYTES_MAX = 16 * 1024 * 1024
# One call of send(2) or SSL_write takes no more of what waits.
SEND_BYTES = 256 * 1024

BACKLOG = 1024  # Connections that the kernel completes before we accept them; a site restarts.
ACCEPTS_MAX = 64  # Accepted in one pass of the loop, so that a storm leaves time for the others.
ACCEPT_PAUSE_S = 0.5  # After EMFILE and its like: trying again at once would only spin.
TURNED_AWAY_MAX = 64  # Beyond connections_max, so many at a time are still told why.
FILES_SPARE = 256  # Files that the rest of the gateway needs besides a socket a connection.

# After the last byte to a client its end is awaited, lest a reset overtake that byte.
LINGER_MS = 2000
LINGER_BYTES_MAX = 1024 * 1024  # What it may still send meanwhile; thrown away.
HOUSEKEEPING_S = 0.5  # How often deadlines of the transport itself are looked at.

# RFC 1122 4.2.3.6: a client with keep-alive 0 that lost its power is noticed by TCP alone.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_PROBES = 4

LOGIN_THREADS = 2  # scrypt is slow on purpose; devices of a site log in rarely.
REST_PARTS = 3  # After a wrong one such a thread rests three times as long as it worked,
REST_S_MAX = 0.5  # but no longer than this.
LOGINS_WAITING_MAX = 1000  # Beyond, a login is refused unchecked: after 1,000 it would time out.
