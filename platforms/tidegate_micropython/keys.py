"""The keys of a node's `config.json`, made from `node_schema` by build/node_keys.py.

A line a key: its path, its kind, its default (! for required, - for empty), and the kind's bounds.
Kinds: t text, s secret, c choice, n number, b boolean, f topic filters, p topic prefix, u URL.
Bounds of a text: which letters it has (a code of `config`), and how many bytes.
"""

KEYS = """\
node.name t - N 1 64
wifi.ssid t ! * 1 32
wifi.password s - * 8 64
wifi.country t - U 2 2
wifi.hostname t - H 1 32
wifi.timeout_s n 20 5 300
journal.folder t tidegate-log * 0 32768
journal.limit_bytes n 262144 16384 4294967296
journal.reserve_bytes n 65536 0 4294967296
journal.overflow c drop-oldest drop-oldest drop-newest block
journal.keep_delivered_bytes n 32768 0 4294967296
journal.segment_bytes n 16384 2048 16777216
journal.sync_records n 32 1 1000
journal.sync_interval_ms n 30000 1 86400000
uplink.type c ! mqtt http mqtt-plain
uplink.url u ! mqtt mqtts http https
uplink.username t - * 0 32768
uplink.password s - * 0 32768
uplink.token s - V 1 32768
uplink.ca_file t - * 0 32768
uplink.prefix p -
uplink.timeout_s n 10 1 120
uplink.batch_records n 64 1 1000
uplink.batch_bytes n 2048 256 65536
uplink.batch_age_ms n 100 0 86400000
uplink.retry_max_s n 30 1 86400
uplink.upload_interval_s n 900 0 2592000
lane.name t ! L 1 16
lane.topics f - 32
lane.urgent b 0
board.led t - * 0 32768
board.watchdog_s n 8 0 600
board.ntp_host t pool.ntp.org * 0 32768
"""
