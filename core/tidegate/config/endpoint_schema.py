"""The configuration keys of the gateway's own broker, as data; see `gateway_schema`."""

from tidegate.config.checks import check_endpoint, check_listener, check_plain_filter
from tidegate.config.schema import (
    BYTES,
    DURATION_S,
    INTEGER,
    boolean_or_unset,
    choice,
    number,
    path,
    table,
    table_list,
    text,
    texts,
    url,
)
from tidegate.limits import PAYLOAD_BYTES_MAX, TOPIC_BYTES_MAX

SOURCES_MAX = 16  # Each source is a connection and a thread, each listener a socket or two.
FILTERS_MAX = 1000  # All of a source's filters go into one SUBSCRIBE.
ACCESS_MAX = 1000  # All of them may be asked for each new topic of a client.
PATTERNS_MAX = 1000
CONNECTIONS_MAX = 100_000  # One process holds no more, whatever the memory.
LEVELS_MAX = 32768  # Each level costs a byte and its separator.
MESSAGES_MAX = 100_000_000  # Beyond any disk of such a machine; keeps sums small.
MEMORY_BYTES_MAX = 1 << 40
UNACKNOWLEDGED_MAX = 60_000  # Of the 65,535 packet ids some must be free at any time.
SESSION_EXPIRY_S_MAX = 0xFFFFFFFF  # Four bytes; this value means never [MQTT-3.1.2.11.2].
DAY_S = 24 * 3600

LISTENER = table_list(
    "source",
    0,
    SOURCES_MAX,
    (
        choice(
            "type",
            None,
            ("mqtt", "listen", "nodes"),
            "what it is: listen is a broker for devices",
            "listen",
        ),
        url(
            "url",
            None,
            ("mqtt", "mqtts", "ws", "wss"),
            "where devices connect; mqtts:// and wss:// are TLS, ws:// is MQTT over WebSocket",
            check_endpoint,
            "mqtt://127.0.0.1:1883",
        ),
        texts(
            "topics",
            ("#",),
            0,
            FILTERS_MAX,
            "the topic filters of what goes to the hub; empty: nothing, only clients here get it",
            check_plain_filter,
        ),
        boolean_or_unset(
            "anonymous",
            True,
            "whether clients without a user name are let in; without this key only on loopback",
        ),
        choice(
            "certificate_login",
            "off",
            ("off", "optional", "required"),
            "whether a client certificate is asked for; its common name is then the user name",
        ),
        path("ca_file", "", "the PEM file of the authorities that sign the clients' certificates"),
        path("cert_file", "", "the PEM file of the certificate to show to clients (TLS)"),
        path("key_file", "", "the PEM file of that certificate's private key"),
        text(
            "message_id",
            "",
            "the MQTT 5 user property that names a message on its topic; its copies are left out",
        ),
    ),
    "a place where devices connect to the gateway itself; PUBACK means that it is on disk",
)

ENDPOINT = table(
    "endpoint",
    (
        path("users_file", "", "the file that tidegate user writes; empty: users in node.data"),
        number(
            "packet_bytes_max",
            BYTES,
            1_048_576,
            1024,
            PAYLOAD_BYTES_MAX,
            "the largest packet that a client may send",
        ),
        number(
            "topic_bytes_max",
            BYTES,
            TOPIC_BYTES_MAX,
            1,
            TOPIC_BYTES_MAX,
            "the longest topic or topic filter",
        ),
        number("topic_levels_max", INTEGER, 128, 1, LEVELS_MAX, "how many levels a topic may have"),
        number(
            "connections_max", INTEGER, 10_000, 1, CONNECTIONS_MAX, "how many clients at a time"
        ),
        number(
            "sessions_max",
            INTEGER,
            10_000,
            1,
            CONNECTIONS_MAX,
            "how many sessions, those of clients that are away too",
        ),
        number(
            "receive_maximum",
            INTEGER,
            1000,
            1,
            65535,
            "how many messages of QoS 1 and 2 a client may send ahead of their acknowledgement",
        ),
        number(
            "inflight_max",
            INTEGER,
            100,
            1,
            UNACKNOWLEDGED_MAX,
            "how many are sent ahead to a client that does not say how many it takes",
        ),
        number(
            "subscriptions_max", INTEGER, 1000, 1, MESSAGES_MAX, "how many subscriptions a client"
        ),
        number(
            "queue_messages_max",
            INTEGER,
            10_000,
            1,
            MESSAGES_MAX,
            "how many messages wait for one client; then the oldest is dropped and counted",
        ),
        number(
            "queue_bytes_max",
            BYTES,
            10_000_000,
            1024,
            MEMORY_BYTES_MAX,
            "how many bytes wait for one client",
        ),
        number(
            "queued_bytes_max",
            BYTES,
            100_000_000,
            1024,
            MEMORY_BYTES_MAX,
            "how many bytes wait for all clients; at most a quarter of journal.limit_bytes counts",
        ),
        number(
            "retained_messages_max",
            INTEGER,
            10_000,
            0,
            MESSAGES_MAX,
            "how many retained messages are kept",
        ),
        number(
            "retained_bytes_max",
            BYTES,
            10_000_000,
            0,
            MEMORY_BYTES_MAX,
            "how many bytes of retained messages are kept",
        ),
        number(
            "messages_per_s_max",
            INTEGER,
            0,
            0,
            MESSAGES_MAX,
            "how many messages are taken from a client in a second; 0: no limit",
        ),
        number(
            "bytes_per_s_max",
            BYTES,
            0,
            0,
            MEMORY_BYTES_MAX,
            "how many bytes are taken from a client in a second; 0: no limit",
        ),
        number(
            "topic_alias_max",
            INTEGER,
            16,
            0,
            65535,
            "how many topic aliases a client may use (MQTT 5)",
        ),
        number(
            "session_expiry_s_max",
            DURATION_S,
            7 * DAY_S,
            0,
            SESSION_EXPIRY_S_MAX,
            "how long the session of a client that is away is kept at most",
        ),
        number(
            "keepalive_s_max",
            DURATION_S,
            60,
            5,
            65535,
            "how long an MQTT 5 client may be silent; it is gone after half as long again",
        ),
        number(
            "connect_timeout_s",
            DURATION_S,
            10,
            1,
            300,
            "how soon after connecting a client has to say who it is",
        ),
        number(
            "login_failures_per_minute",
            INTEGER,
            10,
            1,
            10_000,
            "how many wrong passwords an address may try; then it has to wait",
        ),
        number(
            "sys_interval_s",
            DURATION_S,
            10,
            0,
            3600,
            "how often $SYS/broker is published; 0: never",
        ),
    ),
    "the bounds of the broker behind all listeners",
)

NODES_LISTENER = table_list(
    "source",
    0,
    SOURCES_MAX,
    (
        choice(
            "type",
            None,
            ("mqtt", "listen", "nodes"),
            "what it is: nodes takes batches over HTTP, as a hub does",
            "nodes",
        ),
        url(
            "url",
            None,
            ("http", "https"),
            "where nodes send their batches; https:// is TLS",
            check_listener,
            "http://127.0.0.1:8081",
        ),
        path(
            "tokens_file",
            "",
            "the file of who may send: a line for each, its name and its token, or sha256: and hex",
            "nodes.tokens",
        ),
        path("cert_file", "", "the PEM file of the certificate to show to nodes (TLS)"),
        path("key_file", "", "the PEM file of that certificate's private key"),
    ),
    "a place where nodes and other gateways send batches over HTTP; over MQTT they need none",
)

ACCESS = table_list(
    "access",
    0,
    ACCESS_MAX,
    (
        texts(
            "users",
            ("*",),
            1,
            PATTERNS_MAX,
            "the user names it is for; * stands for any characters",
            None,
            ("sensor-*",),
        ),
        texts(
            "client_ids",
            ("*",),
            1,
            PATTERNS_MAX,
            "the client ids it is for; * stands for any characters",
            None,
        ),
        texts(
            "publish",
            (),
            0,
            FILTERS_MAX,
            "what they may publish to; %u stands for the user name, %c for the client id",
            check_plain_filter,
            ("site/%u/#",),
        ),
        texts(
            "subscribe",
            (),
            0,
            FILTERS_MAX,
            "what they may subscribe to",
            check_plain_filter,
            ("command/%u/#",),
        ),
    ),
    "who may do what; without any [[access]] whoever is let in may do everything",
)
