"""One connection to a broker, from CONNECT to its end: a generation.

A `Connection` has its own paho client, its own socket and its own queue of acknowledgements, and
none of them outlives it or is used by another.  That is the whole proof that no acknowledgement
reaches a connection on which its message did not come: the bytes of generation g lie in the queue
of object g, only object g's `step` takes them out, and it writes to object g's socket alone.

One thread calls everything; only `acknowledge` may be called from any thread.
"""

import select
from collections import deque
from typing import Any

from paho.mqtt.client import Client

from tidegate.config.url import is_tls
from tidegate.errors import ProtocolError
from tidegate_linux.mqtt.channel import Channel, Wrapper
from tidegate_linux.mqtt.client import (
    CONNECT_S,
    connect,
    is_version_5,
    new_client,
    subscribe,
    tls_context,
)
from tidegate_linux.mqtt.faults import (
    NO_TLS,
    SESSION_TAKEN_OVER,
    explain_error,
    explain_file,
    explain_refusal,
    explain_subscription,
)
from tidegate_linux.mqtt.intake import Intake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.config.settings import SourceSettings
    from tidegate.events import Message
    from tidegate_linux.mqtt.waker import Waker

# Above this nothing more is read until messages are acknowledged: the receive maximum bounds their
# number, but not how large they are.
UNACKNOWLEDGED_BYTES_MAX = 32 * 1024 * 1024
SUBSCRIBE_MS = 30_000  # What a broker may take to answer SUBSCRIBE.
RESUBSCRIBE_MS = 60_000  # How soon a refused subscription is tried again: access lists change.
MISC_MS = 500  # How often paho looks after its timers; they have seconds.

_CONNACK = 0x20
_PINGREQ = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"  # Reason 0 in MQTT 5: the session stays as long as CONNECT said.


class ConnectionEndError(Exception):
    """The connection is no more; the text says why.  `is_taken_over`: by another client."""

    def __init__(self, reason: str, is_taken_over: bool = False) -> None:
        Exception.__init__(self, reason)
        self.is_taken_over = is_taken_over


class Connection:
    """A connection, its subscriptions, and what was not acknowledged on it."""

    def __init__(
        self,
        settings: "SourceSettings",
        generation: int,
        clock_ms: "Callable[[], int]",
        waker: "Waker",
    ) -> None:
        self.generation = generation
        self.is_accepted = False
        self.is_subscribed = False
        self.session_present = False
        self.connack: Any = None  # The properties of CONNACK, by paho's names (MQTT 5).
        self.refused_filters: dict[str, str] = {}  # Filter -> why.
        self.unsafe_filters: list[str] = []  # Granted at QoS 0.
        self.intake = Intake(
            is_version_5(settings),
            [filter.encode() for filter in settings.topics],
            settings.message_id.encode(),
        )
        self._settings = settings
        self._clock_ms = clock_ms
        self._waker = waker
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._poll = select.poll()
        self._ended: ConnectionEndError | None = None
        self._asked: list[str] = []  # The filters in a SUBSCRIBE that was not answered yet.
        self._due_ms = 0  # When CONNACK, then SUBACK, then a new SUBSCRIBE is due.
        self._misc_due_ms = 0
        self._acknowledgements: deque[tuple[int, bytes]] = deque()
        self._delivered = 0  # Messages with a token.
        self._acknowledged = 0
        self._read_bytes = 0  # Since the last message.
        self._unacknowledged: deque[tuple[int, int]] = deque()  # (delivered by then, bytes).
        self._unacknowledged_bytes = 0

    def open(self) -> None:
        """Connect; blocks for up to three times `CONNECT_S`.  Raises `ConnectionEndError`."""
        settings = self._settings
        try:
            wrapper = Wrapper(tls_context(settings))
        except OSError as error:
            raise ConnectionEndError(explain_file(error)) from error
        client = new_client(settings, settings.client_id, wrapper)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        try:
            connect(client, settings, settings.session_expiry_s)
        except (OSError, UnicodeError) as error:
            reason = explain_error(error, settings.url)
            if wrapper.channel is not None:
                wrapper.channel.close()
                if isinstance(error, ConnectionError):
                    reason = NO_TLS
            raise ConnectionEndError(reason) from error
        assert wrapper.channel is not None
        self._client = client
        self._channel = wrapper.channel
        self._due_ms = self._clock_ms() + int(CONNECT_S * 1000)
        self._poll.register(self._waker, select.POLLIN)
        self._poll.register(self._channel, select.POLLIN)
        try:
            self._flush(self._channel)
        except OSError as error:  # A broker that is just dying accepts and resets.
            raise ConnectionEndError(explain_error(error, settings.url)) from error

    def acknowledge(self, tokens: "list[bytes]") -> None:
        """Have messages acknowledged in this order, soon; from any thread."""
        self._acknowledgements.append((len(tokens), b"".join(tokens)))
        self._waker.set()

    def step(self, wait_ms: int) -> "list[Message]":
        """Do what there is to do; wait so long for something to come; return the messages.

        Raises `ConnectionEndError` once all that was received has been returned.
        """
        if self._ended is not None:
            raise self._ended
        client, channel = self._client, self._channel
        assert client is not None and channel is not None, "step after close, or before open"
        ready = self._poll.poll(0 if channel.holds_unread() else wait_ms)
        self._waker.clear()
        self._send_acknowledgements(channel)
        messages: list[Message] = []
        try:
            if self._is_held():
                self._keep_held_alive(channel)
                if any(events & (select.POLLHUP | select.POLLERR) for _, events in ready):
                    self._end("the connection broke")
            else:
                messages = self._receive(client, channel)
                self._look_after(client)
            if channel.is_open:
                self._flush(channel)
        except ConnectionError as error:
            self._end(self._explain_end(error))
        except OSError as error:
            self._end(explain_error(error, self._settings.url))
        except ProtocolError as error:
            self._end(f"the broker broke the protocol: {error}")
        return messages

    def close(self, is_polite: bool) -> None:
        """End it; politely: after sending the acknowledgements that wait and DISCONNECT."""
        channel, self._channel = self._channel, None
        if channel is not None:
            if is_polite and self.is_accepted and self._ended is None:
                self._send_acknowledgements(channel)
                channel.finish(_DISCONNECT)
            channel.close()
        # Last, because a paho client closes its socket when it is released.
        self._client = None

    def _receive(self, client: Client, channel: Channel) -> "list[Message]":
        data = channel.read()
        if data is None:
            return []
        if not data:
            self._end(self._explain_end(None))
            return []
        messages = self.intake.feed(data, self._clock_ms())
        if self.intake.control:
            if not self.is_accepted and self.intake.control[0] & 0xF0 != _CONNACK:
                raise ProtocolError("bad-order", "the first packet is not CONNACK")
            channel.inbox += self.intake.control
            self.intake.control.clear()
            self._give_to_paho(client, channel)
        if messages and not self.is_accepted:
            raise ProtocolError("bad-order", "a message before CONNACK")  # [MQTT-3.2.0-1]
        self._read_bytes += len(data)
        if messages:
            self._delivered += sum([message.token is not None for message in messages])
            self._unacknowledged.append((self._delivered, self._read_bytes))
            self._unacknowledged_bytes += self._read_bytes
            self._read_bytes = 0
        self._settle(channel)
        return messages

    def _give_to_paho(self, client: Client, channel: Channel) -> None:
        while channel.inbox and channel.is_open and self._ended is None:
            try:
                # One packet a call, and none of them is a PUBLISH.
                code = client.loop_read()
            except Exception as error:
                # paho lets out whatever a malformed packet makes its parsing raise.
                raise ProtocolError("bad-packet", f"{type(error).__name__}: {error}") from error
            if code:
                self._end("the broker sent a packet that makes no sense here")
        _let_paho_write(client)

    def _send_acknowledgements(self, channel: Channel) -> None:
        while self._acknowledgements:
            count, data = self._acknowledgements.popleft()
            self._acknowledged += count
            if channel.is_open:
                channel.send(data)
        self._settle(channel)

    def _settle(self, channel: Channel) -> None:
        """Forget the sizes of what was acknowledged; send what no token is there to carry."""
        sizes = self._unacknowledged
        while sizes and sizes[0][0] <= self._acknowledged:
            self._unacknowledged_bytes -= sizes.popleft()[1]
        if self.intake.owed and self._acknowledged >= self._delivered and channel.is_open:
            channel.send(self.intake.take_owed())

    def _flush(self, channel: Channel) -> None:
        events = select.POLLIN if not self._is_held() else 0
        if channel.flush():
            events |= select.POLLOUT
        self._poll.modify(channel, events)

    def _is_held(self) -> bool:
        return self._unacknowledged_bytes > UNACKNOWLEDGED_BYTES_MAX

    def _keep_held_alive(self, channel: Channel) -> None:
        # While nothing is read paho would not see the answers to its pings, so it does not send
        # them; the broker has to hear from us all the same [MQTT-3.1.2-22].
        now_ms = self._clock_ms()
        if now_ms >= self._misc_due_ms:
            channel.send(_PINGREQ)
            self._misc_due_ms = now_ms + self._settings.keepalive_s * 1000 // 3

    def _look_after(self, client: Client) -> None:
        """Let paho ping; see that what is due comes."""
        now_ms = self._clock_ms()
        if now_ms < self._misc_due_ms or self._ended is not None:
            return
        self._misc_due_ms = now_ms + MISC_MS
        if client.loop_misc():
            self._end("the broker no longer answers")
        elif now_ms < self._due_ms:
            return
        elif not self.is_accepted:
            self._end("the broker did not answer CONNECT")
        elif self._asked:
            self._end("the broker did not answer SUBSCRIBE")
        elif self.refused_filters:
            self._subscribe(client, list(self.refused_filters))
            _let_paho_write(client)

    def _subscribe(self, client: Client, filters: "list[str]") -> None:
        self._asked = filters
        self._due_ms = self._clock_ms() + SUBSCRIBE_MS
        subscribe(client, self._settings, filters)

    def _on_connect(
        self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.value >= 0x80:
            self._end(f"the broker {explain_refusal(reason.value)}")
            return
        self.is_accepted = True
        self.session_present = flags.session_present
        self.connack = properties
        # In a kept session too.  The configuration may have changed; and Mosquitto, killed between
        # SUBACK and its next save, comes back with the session but without the subscription.
        self._subscribe(client, list(self._settings.topics))

    def _on_subscribe(
        self, client: Client, userdata: Any, number: int, reasons: Any, properties: Any
    ) -> None:
        asked, self._asked = self._asked, []
        for filter, reason in zip(asked, reasons, strict=False):
            self.refused_filters.pop(filter, None)
            if reason.value >= 0x80:
                self.refused_filters[filter] = explain_subscription(reason.value)
            elif reason.value == 0:
                self.unsafe_filters.append(filter)
        self.is_subscribed = True
        self._due_ms = self._clock_ms() + RESUBSCRIBE_MS

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            code = reason.value
            self._end(f"the broker {explain_refusal(code)}", code == SESSION_TAKEN_OVER)

    def _explain_end(self, error: "ConnectionError | None") -> str:
        url = self._settings.url
        if not self.is_accepted:
            hint = "" if is_tls(url) else " (does it want TLS on this port, mqtts://?)"
            return f"the broker closed the connection before accepting it{hint}"
        return "the broker closed the connection" if error is None else explain_error(error, url)

    def _end(self, reason: str, is_taken_over: bool = False) -> None:
        # The first reason is the cause; what follows from it is not told.
        if self._ended is None:
            self._ended = ConnectionEndError(reason, is_taken_over)


def _let_paho_write(client: Client) -> None:
    """Have what paho queued during a callback written to the channel, which takes all."""
    while client.socket() is not None and client.want_write():
        client.loop_write()
