"""Every configuration key of the gateway, as data.

This is the one place where a key's name, default, bounds and help stand: the reader, the sample
file packaging/config/gateway.toml and the errors are all made from it.  A help is one sentence as
the hint of an error has it: lower case, no full stop.  What one key demands of another is in
`reading`.
"""

from tidegate.config.checks import (
    check_broker,
    check_environment,
    check_lane,
    check_listener,
    check_name,
    check_target,
    check_token,
    check_topic_filter,
    check_window,
)
from tidegate.config.endpoint_schema import (
    ACCESS,
    ENDPOINT,
    FILTERS_MAX,
    LISTENER,
    NODES_LISTENER,
    SOURCES_MAX,
)
from tidegate.config.schema import (
    BYTES,
    DURATION_S,
    INTEGER,
    LATER,
    boolean,
    choice,
    hushed,
    number,
    optional_table,
    path,
    secret,
    table,
    table_list,
    text,
    texts,
    url,
    with_variants,
)
from tidegate.delivery.schedule import WINDOWS_MAX
from tidegate.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX, LANES_MAX

STORAGE_BYTES_MAX = 1 << 50  # More than any disk; keeps sums within 64 bits.
SESSION_EXPIRY_S_MAX = 0xFFFFFFFF  # Four bytes; this value means never [MQTT-3.1.2.11.2].
# So that each request ends within `PROBE_MS_MAX`, after which a line counts its probe as lost.
TIMEOUT_S_MAX = 120
DAY_S = 24 * 3600
WATCHDOG_S_MAX = 300  # A board that hangs for longer is better restarted by a person.
GPIO_MAX = 63  # More than any chip beside the board's own has.

_CA_FILE = path("ca_file", "", "the PEM file of the authorities to trust, instead of the system's")
_CERT_FILE = path("cert_file", "", "the PEM file of the certificate to show the server (mTLS)")
_KEY_FILE = path("key_file", "", "the PEM file of that certificate's private key")

NODE = table(
    "node",
    (
        text(
            "name",
            "",
            "the name in status, logs and client ids; empty: the host's name",
            check_name,
        ),
        path("data", "/var/lib/tidegate", "the folder of the identity and the journal"),
        choice(
            "board",
            "auto",
            ("auto", "pi", "none"),
            "whose LED, sensors and watchdog are used; auto asks the device tree",
        ),
    ),
    "the gateway itself",
)

_BROKER = table_list(
    "source",
    1,
    SOURCES_MAX,
    (
        choice(
            "type",
            None,
            ("mqtt", "listen", "nodes"),
            "what it is: mqtt subscribes to a broker, listen is one itself, nodes takes batches",
            "mqtt",
        ),
        url(
            "url",
            None,
            ("mqtt", "mqtts"),
            "the broker; mqtts:// is TLS; user:password@ may stand before the host",
            check_broker,
            "mqtt://127.0.0.1:1883",
        ),
        texts(
            "topics",
            None,
            1,
            FILTERS_MAX,
            "the topic filters to subscribe to",
            check_topic_filter,
            ("site/#",),
        ),
        choice("protocol", "5", ("3.1.1", "5"), "the version of MQTT to speak"),
        text(
            "client_id",
            "",
            "names the session at the broker; empty: tidegate-<node name>-<number of the source>",
        ),
        number(
            "session_expiry_s",
            DURATION_S,
            7 * DAY_S,
            1,
            SESSION_EXPIRY_S_MAX,
            "how long the broker keeps the session while the gateway is away (MQTT 5)",
        ),
        number(
            "receive_maximum",
            INTEGER,
            1000,
            1,
            65535,
            "how many messages the broker may send ahead of their acknowledgement (MQTT 5)",
        ),
        number("keepalive_s", DURATION_S, 30, 5, 65535, "how soon a dead connection is found out"),
        text("username", "", "the name to log in with, when the URL has none"),
        secret("password", "", "the password to log in with, when the URL has none"),
        path("password_file", "", "a file whose content is the password"),
        hushed("password_env", "an environment variable that holds it", check_environment),
        _CA_FILE,
        _CERT_FILE,
        _KEY_FILE,
        text(
            "message_id",
            "",
            "the MQTT 5 user property that names a message on its topic; its copies are left out",
        ),
    ),
    "where messages come from; write [[source]] again for each further one, of any type",
)

SOURCE = with_variants(_BROKER, ("listen", LISTENER), ("nodes", NODES_LISTENER))

LANE = table_list(
    "lane",
    0,
    LANES_MAX,
    (
        text("name", None, "the name of the lane", check_lane, "alarm"),
        texts(
            "topics",
            (),
            0,
            FILTERS_MAX,
            "the topic filters of what goes into this lane; lane main takes the rest",
            check_topic_filter,
            ("site/+/alarm",),
        ),
        boolean(
            "urgent", False, "whether it may be sent outside the windows and above bytes_per_day"
        ),
    ),
    "priority classes, the first one goes first; without any, lane main takes everything",
)

JOURNAL = table(
    "journal",
    (
        number(
            "limit_bytes",
            BYTES,
            1_000_000_000,
            100_000,
            STORAGE_BYTES_MAX,
            "how large the journal may become, but for a commit and its log; "
            + "on Linux 16_000_000 or more",
        ),
        number(
            "reserve_bytes",
            BYTES,
            200_000_000,
            0,
            STORAGE_BYTES_MAX,
            "free space on the disk that is never touched",
        ),
        choice(
            "overflow",
            "drop-oldest",
            ("drop-oldest", "drop-newest", "block"),
            "what happens at the limit; block leaves new messages with the broker",
        ),
        number(
            "keep_delivered_bytes",
            BYTES,
            100_000_000,
            0,
            STORAGE_BYTES_MAX,
            "what is kept after delivery, while there is room, for a hub restored from a backup",
        ),
    ),
    "where messages wait",
)

UPLINK = optional_table(
    "uplink",
    (
        choice(
            "type",
            None,
            ("http", LATER + "mqtt", LATER + "bundle"),
            "what it is: http sends to a hub",
            "http",
        ),
        url(
            "url",
            None,
            ("http", "https"),
            "the hub; https:// is TLS",
            check_target,
            "http://127.0.0.1:8080",
        ),
        secret("token", "", "the token that the hub knows this node by", check_token),
        path("token_file", "", "a file whose content is the token", "gateway.token"),
        hushed("token_env", "an environment variable that holds it", check_environment),
        _CA_FILE,
        _CERT_FILE,
        _KEY_FILE,
        number(
            "timeout_s", DURATION_S, 30, 1, TIMEOUT_S_MAX, "how long to wait for the hub's answer"
        ),
        number(
            "batch_records",
            INTEGER,
            5000,
            1,
            BATCH_RECORDS_MAX,
            "a batch is sent when it has so many records",
        ),
        number(
            "batch_bytes",
            BYTES,
            1_000_000,
            1024,
            BATCH_BYTES_MAX,
            "a batch is sent when it has so many bytes before compression",
        ),
        number(
            "batch_age_ms",
            INTEGER,
            100,
            0,
            DAY_S * 1000,
            "a batch is sent when its oldest record has waited so many milliseconds",
        ),
        number("retry_max_s", DURATION_S, 5, 1, DAY_S, "the longest pause between two attempts"),
        texts(
            "windows",
            (),
            0,
            WINDOWS_MAX,
            'when to send, for example ["01:00-05:30", "22:00-24:00"]; empty: always',
            check_window,
        ),
        number(
            "windows_utc_offset_minutes",
            INTEGER,
            0,
            -14 * 60,
            14 * 60,
            "how far the clock of the windows and of the day is ahead of UTC",
        ),
        number(
            "bytes_per_day",
            BYTES,
            0,
            0,
            STORAGE_BYTES_MAX,
            "how much may be sent in a day; 0: no limit",
        ),
        boolean("compress", True, "deflate what is sent"),
    ),
    "where messages go; without [uplink] they are held",
)

STATUS = table(
    "status",
    (
        url(
            "url",
            "http://127.0.0.1:9180",
            ("http",),
            "where /healthz, /metrics and /status.json are served; empty: nowhere",
            check_listener,
        ),
    ),
    "the gateway's account of itself",
)

LOG = table(
    "log",
    (
        choice("format", "text", ("text", "json"), "an event is one line of text or of JSON"),
        choice("level", "info", ("error", "warning", "info", "debug"), "the least that is logged"),
    ),
    "what is written to standard error",
)

PI = table(
    "pi",
    (
        boolean("led", True, "whether the ACT LED shows how the gateway is"),
        number(
            "watchdog_s",
            DURATION_S,
            0,
            0,
            WATCHDOG_S_MAX,
            "the board restarts when the gateway makes no progress for so long; 0: it does not",
        ),
        number(
            "power_fail_gpio",
            INTEGER,
            -1,
            -1,
            GPIO_MAX,
            "the GPIO (not the pin) that says that the power fails; -1: none",
        ),
        text(
            "power_fail_chip",
            "",
            "the label of that GPIO's chip, as gpiodetect shows it; empty: the board's own",
        ),
        choice("power_fail_level", "low", ("low", "high"), "its level when the power fails"),
        choice(
            "power_fail_medium",
            "keep",
            ("keep", "read-only"),
            "what becomes of the file system of node.data then; read-only writes out all of it",
        ),
    ),
    "what a Raspberry Pi adds; elsewhere none of it counts",
)

GATEWAY = table(
    "", (), "a gateway", (NODE, SOURCE, ENDPOINT, ACCESS, LANE, JOURNAL, UPLINK, STATUS, LOG, PI)
)
