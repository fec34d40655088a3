"""umqtt.simple on a line that never waits: its client, given a socket that has whole packets only.

Neither patched nor copied: the client's `sock` is a property here, so whatever socket it makes is
closed and ours is used.  So met are, of umqtt.simple 1.3 to 1.6: several small writes a packet;
reads, connects and handshakes without a time limit, and the one that `wait_msg` takes back;
sockets left open; lengths that reach over the end of a packet; topics of 123 bytes and more, which
`subscribe` sends malformed.  Packet ids would run over after 65,535: a client lives as long as its
connection, and makes one.
"""

import errno
import time

from umqtt.simple import MQTTClient

TOPIC_BYTES_MAX = 122  # One byte holds the length of umqtt's SUBSCRIBE, two of them mangle it.


class PacketSocket:
    """What umqtt takes for its socket: reads within one packet, writes that gather.

    A read waits at most `wait_ms` for a whole packet; `is_whole` tells whether it will wait.
    """

    def __init__(self, line, packet_bytes_max, wait_ms):
        self._line = line
        self._packet_bytes_max = packet_bytes_max
        self._wait_ms = wait_ms
        self._left = 0  # Of the packet that is being read.

    def connect(self, address):
        """Do nothing: the line is connected; nor do the time limits of umqtt count."""

    settimeout = setblocking = connect

    def write(self, data, size=-1):
        self._line.write(data if size < 0 else memoryview(data)[:size])

    def is_whole(self):
        """Tell whether a whole packet has come."""
        return self._packet_bytes() > 0

    def next_packet(self):
        """Wait for a whole packet; skip what is left of the one before."""
        self._line.take(self._left)
        self._left = 0
        until_ms = time.ticks_add(time.ticks_ms(), self._wait_ms)
        while not self._left:
            self._left = self._packet_bytes()
            if not self._left:
                left_ms = time.ticks_diff(until_ms, time.ticks_ms())
                if left_ms <= 0 or self._line.ended:
                    raise OSError(errno.ECONNRESET if self._line.ended else errno.ETIMEDOUT)
                self._line.move(left_ms)

    def _packet_bytes(self):
        """Return the size of the packet at the head of what came, 0 while it is not whole."""
        data = memoryview(self._line.came)[self._left :]
        size = 0
        for index in range(1, min(5, len(data))):
            size |= (data[index] & 0x7F) << 7 * (index - 1)
            if data[index] < 0x80:
                size += index + 1
                if size > self._packet_bytes_max:
                    raise OSError(errno.EINVAL)
                return size if len(data) >= size else 0
        if len(data) >= 5:
            raise OSError(errno.EINVAL)
        return 0

    def read(self, size):
        if size == 0:
            return b""
        if not self._left:
            self.next_packet()
        if not 0 < size <= self._left:
            raise OSError(errno.EINVAL)
        self._left -= size
        return self._line.take(size)

    def close(self):
        self._line.move()  # A DISCONNECT, if there is one.
        self._line.close()


class PacketClient(MQTTClient):
    """The client of umqtt.simple on a connected line."""

    def __init__(self, packets, client_id, username, password, keepalive_s):
        self._packets = packets
        # It looks its server up by itself: a number is no question to a name server.
        super().__init__(client_id, "127.0.0.1", 1883, username, password, keepalive_s)

    @property
    def sock(self):
        return self._packets

    @sock.setter
    def sock(self, made):
        if made is not None:
            made.close()

    def wait_msg(self):
        self._packets.next_packet()
        return super().wait_msg()

    def subscribe(self, topic, qos=0):
        if len(topic) > TOPIC_BYTES_MAX:
            raise ValueError(f"umqtt cannot subscribe to a topic of {len(topic)} bytes")
        super().subscribe(topic, qos)
