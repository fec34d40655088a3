"""Every configuration key of a MicroPython node, as data: its `config.json`.

In the form of `gateway_schema`, and read by the same reader with the same errors.  Defaults are for
a board with 200 KB of memory and some hundred KB of flash.
"""

from tidegate.config.checks import (
    check_lane,
    check_name,
    check_token,
    check_topic_filter,
)
from tidegate.config.schema import (
    BYTES,
    DURATION_S,
    INTEGER,
    Table,
    boolean,
    choice,
    number,
    optional_table,
    path,
    secret,
    table,
    table_list,
    text,
    texts,
    url,
)
from tidegate.limits import LANES_MAX
from tidegate.records.topics import check_topic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.url import Url

DAY_S = 24 * 3600
FLASH_BYTES_MAX = 1 << 32  # More than any card in such a board.
FILTERS_MAX = 32  # All of them are asked for each new topic, by a slow processor.
SSID_BYTES_MAX = 32  # IEEE 802.11: an SSID is an octet string of 0 to 32 octets.
PASSPHRASE_BYTES_MIN, PASSPHRASE_BYTES_MAX = 8, 64  # WPA: 8 to 63 characters, or 64 hex digits.
TIMEOUT_S_MAX = 120  # So that each request ends before a line counts its probe as lost.
HOSTNAME_CHARACTERS_MAX = 32  # What every port's network.hostname takes.


def check_ssid(text: str) -> None:
    """Raise `ValueError` when `text` cannot be a network's name."""
    if len(text.encode()) > SSID_BYTES_MAX:
        raise ValueError(f"has more than {SSID_BYTES_MAX} bytes")


def check_passphrase(text: str) -> None:
    """Raise `ValueError`, which does not quote it, when `text` cannot be a network's password."""
    if not PASSPHRASE_BYTES_MIN <= len(text.encode()) <= PASSPHRASE_BYTES_MAX:
        raise ValueError(f"has not {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes")


def check_country(text: str) -> None:
    """Raise `ValueError` when `text` is not of the form of an ISO 3166 country code."""
    if len(text) != 2 or any(not "A" <= letter <= "Z" for letter in text):
        raise ValueError("is not two letters A-Z, such as DE")


def check_hostname(text: str) -> None:
    """Raise `ValueError` when `text` cannot be a host's name."""
    check_name(text)
    if len(text) > HOSTNAME_CHARACTERS_MAX or "_" in text or "." in text:
        raise ValueError(f"is not 1 to {HOSTNAME_CHARACTERS_MAX} of a-z, A-Z, 0-9 and -")


def check_prefix(text: str) -> None:
    """Raise `ValueError` when topics cannot begin with `text`."""
    try:
        check_topic(text.encode())
    except ValueError as error:
        raise ValueError(f"cannot begin a topic: {error.args[0]}")


def check_any(url: "Url") -> None:
    """Take any URL here: what it must be hangs on the type, which `node_rules` looks at."""


NODE_NAME = table(
    "node",
    (
        text(
            "name",
            "",
            "the name in status, logs and client ids; empty: tidegate",
            check_name,
            "greenhouse-1",
        ),
    ),
    "the node itself",
)

WIFI = optional_table(
    "wifi",
    (
        text("ssid", None, "the name of the network", check_ssid, "greenhouse"),
        secret("password", "", "the network's password; empty: an open network", check_passphrase),
        text("country", "", "two letters that say which channels are allowed", check_country, "DE"),
        text("hostname", "", "the name to ask a DHCP server for; empty: node.name", check_hostname),
        number("timeout_s", DURATION_S, 20, 5, 300, "how long to wait before a new attempt"),
    ),
    "the network to join; without it the sketch sees to the network",
)

JOURNAL = table(
    "journal",
    (
        # Not "tidegate": an empty path comes first on a board, where it would hide the package.
        path("folder", "tidegate-log", "the folder of the log; on littlefs the promise holds"),
        number(
            "limit_bytes", BYTES, 262_144, 16_384, FLASH_BYTES_MAX, "how large the log may become"
        ),
        number(
            "reserve_bytes",
            BYTES,
            65_536,
            0,
            FLASH_BYTES_MAX,
            "free space on the flash that is never touched",
        ),
        choice(
            "overflow",
            "drop-oldest",
            ("drop-oldest", "drop-newest", "block"),
            "what happens at the limit; with block, put raises StorageError",
        ),
        number(
            "keep_delivered_bytes",
            BYTES,
            32_768,
            0,
            FLASH_BYTES_MAX,
            "what is kept after delivery, while there is room, for a hub restored from a backup",
        ),
        number(
            "segment_bytes",
            BYTES,
            16_384,
            2048,
            1 << 24,
            "how large one file of the log becomes; a whole one is deleted at a time",
        ),
        number(
            "sync_records",
            INTEGER,
            32,
            1,
            1000,
            "what is queued is committed when it is so many records",
        ),
        number(
            "sync_interval_ms",
            INTEGER,
            30_000,
            1,
            DAY_S * 1000,
            "what is queued is committed when the oldest has waited so many milliseconds",
        ),
    ),
    "where records wait",
)

UPLINK = optional_table(
    "uplink",
    (
        choice(
            "type",
            None,
            ("mqtt", "http", "mqtt-plain"),
            "mqtt: batches to a gateway; http: to a gateway or hub; mqtt-plain: to any broker",
            "mqtt",
        ),
        url(
            "url",
            None,
            ("mqtt", "mqtts", "http", "https"),
            "where to; mqtts:// and https:// are TLS; mqtt has user:password@ before the host",
            check_any,
            "mqtt://192.0.2.7:1883",
        ),
        text("username", "", "the name to log in with (mqtt), when the URL has none"),
        secret("password", "", "the password to log in with (mqtt), when the URL has none"),
        secret("token", "", "the token that this node is known by (http)", check_token),
        path("ca_file", "", "the DER or PEM file of the authority to trust (TLS)"),
        text("prefix", "", "what is put before each topic (mqtt-plain)", check_prefix),
        number("timeout_s", DURATION_S, 10, 1, TIMEOUT_S_MAX, "how long to wait for an answer"),
        number(
            "batch_records", INTEGER, 64, 1, 1000, "a batch is sent when it has so many records"
        ),
        number(
            "batch_bytes", BYTES, 2048, 256, 65_536, "a batch is sent when it has so many bytes"
        ),
        number(
            "batch_age_ms",
            INTEGER,
            100,
            0,
            DAY_S * 1000,
            "a batch is sent when its oldest record has waited so many milliseconds",
        ),
        number("retry_max_s", DURATION_S, 30, 1, DAY_S, "the longest pause between two attempts"),
        number(
            "upload_interval_s",
            DURATION_S,
            900,
            0,
            30 * DAY_S,
            "in cycle mode: upload when the oldest record has waited so long; 0: in each cycle",
        ),
    ),
    "where records go; without it they are held",
)

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
            ("greenhouse/+/alarm",),
        ),
        boolean("urgent", False, "whether what it brings is committed and sent at once"),
    ),
    "priority classes, the first one goes first; without any, lane main takes everything",
)

BOARD = table(
    "board",
    (
        text("led", "", "the pin of the LED that shows the state, by name or number", None, "LED"),
        number(
            "watchdog_s",
            DURATION_S,
            8,
            0,
            600,
            "the hardware watchdog; 0: none; the board may allow less",
        ),
        text("ntp_host", "pool.ntp.org", "the time server; empty: none"),
    ),
    "what of the board is used",
)

NODE = Table(
    "",
    False,
    1,
    1,
    (),
    (NODE_NAME, WIFI, JOURNAL, UPLINK, LANE, BOARD),
    "the configuration of a node",
    (),
    (),
)
