"""A connection to an MQTT broker as a polled state machine, on umqtt.simple.

Promises never to wait longer than `BLOCK_MS_MAX` in one call, and that only for what umqtt does in
one piece: CONNECT until CONNACK (with the TLS handshake before it), SUBSCRIBE until SUBACK.  It
keeps the connection alive, and notices when it no longer is; it never connects again by itself.
"""

from umqtt.simple import MQTTException

from tidegate_micropython.line_socket import Peer
from tidegate_micropython.packet_client import PacketClient, PacketSocket

CLOSED, DIALING, GREETING, OPEN = "closed", "dialing", "greeting", "open"

KEEPALIVE_S = 60
BLOCK_MS_MAX = 5000  # Less than any watchdog.
PACKETS_MAX = 32  # At most so many are taken in one poll: a flood must not hold up the node.

_UNAVAILABLE = 3  # The one CONNACK code that is not about us [MQTT-3.2.2].


class MqttConnection:
    """One connection at a time to the broker of an uplink's settings.

    `topic` is what to subscribe to, None for nothing.  What came is in `messages` and
    `acknowledged` (packet ids); what is written to `packets` goes with the next polls.  `moved()`
    is called whenever bytes have moved.
    """

    def __init__(self, uplink, node, topic, packet_bytes_max, moved):
        self.state = CLOSED
        self.messages = []
        self.acknowledged = []
        self.heard = 0  # Packets of this connection.
        self._peer = Peer(uplink)
        # As bytes: umqtt would take the number of letters for that of bytes.
        self._login = [f"tidegate-{node}".encode(), None, None]
        if uplink.username:
            self._login[1:] = [uplink.username.encode(), uplink.password.reveal().encode()]
        self._topic = topic
        self._packet_bytes_max = packet_bytes_max
        self._moved = moved
        self._line = self.packets = self._client = None
        self._sent_ms = 0  # When we last sent something, which is what the broker goes by.
        self._unheard_since_ms = None  # When we first asked for a sign of life in vain.

    def poll(self, now_ms, wanted):
        """Go on by one step, from `CLOSED` only if `wanted`; take in what came.

        Returns None, or why the connection is closed now and the HTTP status that says the same,
        0 for none.
        """
        try:
            if self.state == CLOSED:
                if wanted:
                    self.heard = 0
                    self._line = self._peer.dial(self._moved, self._packet_bytes_max)
                    self.state = DIALING
            elif self.state == DIALING:
                self._greet(now_ms)
            elif self.state == GREETING:
                if self._topic is not None:
                    self._client.subscribe(self._topic)
                self.state = OPEN
            else:
                self._take_in()
                self._keep_alive(now_ms)
        except MQTTException as error:
            return self._refused(error)
        except (OSError, AssertionError, IndexError, MemoryError) as error:
            # The middle two are umqtt's words for a peer that is no broker.
            if self.state in (CLOSED, DIALING):
                self._peer.failed()
            was = self.state
            self.close()
            from tidegate_micropython.reasons import words_of

            return f"{self._peer.host}: {was}: {words_of(error)}", 0
        return None

    def _greet(self, now_ms):
        if not self._line.is_connected():
            return
        self._sent_ms, self._unheard_since_ms = now_ms, None
        self.packets = PacketSocket(self._line, self._packet_bytes_max, BLOCK_MS_MAX)
        self._client = PacketClient(self.packets, *self._login, KEEPALIVE_S)
        self._client.set_callback(lambda topic, payload, *_: self.messages.append(payload))
        self._client.connect()
        self.state = GREETING

    def _refused(self, error):
        from tidegate_micropython.reasons import REFUSALS, words_of

        status = 403 if self.state == GREETING else 401
        self.close()
        reason = "the broker refuses us: " + words_of(error, REFUSALS)
        return reason, 0 if error.args[0] == _UNAVAILABLE else status

    def _take_in(self):
        for _ in range(PACKETS_MAX):
            while not self.packets.is_whole():
                if not self._line.move():
                    if self._line.ended:
                        raise OSError("the broker closed the connection")
                    return
            self.heard += 1
            self._unheard_since_ms = None
            if self._client.wait_msg() == 0x40:
                packet_id = self.packets.read(3)
                self.acknowledged.append(packet_id[1] << 8 | packet_id[2])

    def _keep_alive(self, now_ms):
        since_ms = self._unheard_since_ms
        if since_ms is not None and now_ms - since_ms >= KEEPALIVE_S * 500:
            raise OSError("the broker no longer answers")
        if now_ms - self._sent_ms >= KEEPALIVE_S * 500:
            self.ping(now_ms)

    def ping(self, now_ms):
        """Ask for a sign of life."""
        self._client.ping()
        self._sent_ms = now_ms
        if self._unheard_since_ms is None:
            self._unheard_since_ms = now_ms

    def publish(self, topic, payload, now_ms):
        """Publish with QoS 0, in the next polls; return how many bytes that takes on the line."""
        self._client.publish(topic, payload)
        self._sent_ms = now_ms
        return 7 + len(topic) + len(payload)

    def deadline_ms(self):
        """Return when `poll` has something to do if nothing comes, None for never."""
        if self.state != OPEN:
            return None
        half_ms = KEEPALIVE_S * 500
        due_ms = self._sent_ms + half_ms
        if self._unheard_since_ms is not None:
            due_ms = min(due_ms, self._unheard_since_ms + half_ms)
        return due_ms

    def interests(self):
        """Return what to wait for, as `select.poll.register` takes it."""
        return [] if self._line is None else [self._line.interest()]

    def close(self):
        """Close the connection, with a DISCONNECT where that goes at once."""
        if self._line is None:
            return
        if self.state == OPEN and self._line.is_drained():
            try:
                self._client.disconnect()
            except OSError:
                pass  # It was broken.
        self._line.close()
        self._line = self.packets = self._client = None
        self.state = CLOSED
