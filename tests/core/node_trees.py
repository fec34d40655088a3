"""Configurations of nodes, right and wrong, for every judge of them."""

CANARY = "canary-7f3a"  # Stands where a secret does, so that no error may quote it.


def uplink(**keys):
    """Return an uplink over MQTT with these keys; None takes one away."""
    table = {"type": "mqtt", "url": "mqtt://192.0.2.7"}
    table.update(keys)
    return {"uplink": {key: table[key] for key in table if table[key] is not None}}


def http(**keys):
    """Return an uplink over HTTP with these keys; None takes one away."""
    table = {"type": "http", "url": "http://192.0.2.7:8080", "token": CANARY}
    table.update(keys)
    return uplink(**table)


def lanes(*names):
    return {"lane": [{"name": name, "topics": [name + "/#"]} for name in names]}


RIGHT = (
    {},
    {"node": {"name": "greenhouse-1"}},
    {"node": {"name": "..."}, "wifi": {"ssid": "...", "hostname": "-"}},
    {"node": {}, "journal": {}, "board": {}, "lane": []},
    {"wifi": {"ssid": "n\u00e4tz", "password": "12345678"}},
    {"node": {"name": "a.b_c" + "x" * 40}, "wifi": {"ssid": "s", "country": "DE"}},
    {"wifi": {"ssid": "s", "hostname": "h-1", "timeout_s": 300}},
    {"journal": {"folder": "/log", "limit_bytes": 16384, "segment_bytes": 4096}},
    {"journal": {"overflow": "block", "sync_records": 1, "sync_interval_ms": 1}},
    uplink(),
    uplink(url="MQTTS://u:p%40@gate.example:18883", ca_file="ca.der"),
    uplink(url="mqtt://[2001:db8::7]", username="u", password=CANARY),
    uplink(type="mqtt-plain", prefix="site/7/", timeout_s=1, batch_records=1),
    http(),
    http(url="https://hub.example/tide/", ca_file="ca.der", upload_interval_s=0),
    lanes("alarm"),
    lanes("a", "b", "c", "d", "e", "f", "g"),
    {"lane": [{"name": "main"}, {"name": "slow", "topics": ["slow/+/x", "#"], "urgent": True}]},
    {"board": {"led": "LED", "watchdog_s": 0, "ntp_host": ""}},
)

# A tree, the path that its error begins with, and a part of the problem that a gateway would name.
WRONG = (
    ([], "", "is a list, not a table"),
    ({"nod": {}}, "nod", "is not a known key"),
    ({"node": {"nam": "x"}}, "node.nam", "is not a known key"),
    ({"node": "x"}, "node", "is text, not a table"),
    ({"node": {"name": "a b"}}, "node.name", "is not 1 to 64 of"),
    ({"node": {"name": "x" * 65}}, "node.name", "is not 1 to 64 of"),
    ({"node": {"name": 7}}, "node.name", "is a whole number, not text"),
    ({"node": {"name": None}}, "node.name", "is null, not text"),
    ({"wifi": {}}, "wifi.ssid", "is missing"),
    ({"wifi": {"ssid": ""}}, "wifi.ssid", "is empty"),
    ({"wifi": {"ssid": "\u00e4" * 17}}, "wifi.ssid", "has more than 32 bytes"),
    ({"wifi": {"ssid": "a\nb"}}, "wifi.ssid", "control character"),
    ({"wifi": {"ssid": "s", "password": "short"}}, "wifi.password", "has not 8 to 64 bytes"),
    ({"wifi": {"ssid": "s", "country": "de"}}, "wifi.country", "is not two letters"),
    ({"wifi": {"ssid": "s", "hostname": "a.b"}}, "wifi.hostname", "is not 1 to 32 of"),
    ({"wifi": {"ssid": "s", "timeout_s": 4}}, "wifi.timeout_s", "4 is below 5"),
    ({"journal": {"folder": "a\0"}}, "journal.folder", "control character"),
    ({"journal": {"folder": ""}}, "journal.folder", "is empty"),
    ({"journal": {"folder": "tidegate"}}, "journal.folder", "would hide the package"),
    ({"journal": {"folder": "/tidegate_micropython/log"}}, "journal.folder", "would hide the"),
    ({"journal": {"limit_bytes": 1.5}}, "journal.limit_bytes", "a number with a fraction"),
    ({"journal": {"limit_bytes": True}}, "journal.limit_bytes", "true or false, not a whole"),
    ({"journal": {"limit_bytes": 16383}}, "journal.limit_bytes", "16383 is below 16384"),
    ({"journal": {"overflow": "drop"}}, "journal.overflow", "is not one of"),
    ({"journal": {"overflow": ""}}, "journal.overflow", "is empty"),
    ({"journal": {"segment_bytes": 65537}}, "journal.segment_bytes", "more than a quarter"),
    ({"uplink": {}}, "uplink.type", "is missing"),
    (uplink(type="kafka"), "uplink.type", "is not one of"),
    (uplink(url=None), "uplink.url", "is missing"),
    (uplink(url="gate"), "uplink.url", "does not begin with mqtt://"),
    (uplink(url="http://h"), "uplink.url", "begins with http://, and type is"),
    (uplink(url="mqtt://h:0"), "uplink.url", "has port 0"),
    (uplink(url="mqtt://h:99999"), "uplink.url", "has a port that is not"),
    (uplink(url="mqtt://h/topic"), "uplink.url", "has a path"),
    (uplink(token=CANARY), "uplink.token", "is for another type than"),
    (uplink(prefix="a/"), "uplink.prefix", "is for another type than"),
    (uplink(type="mqtt-plain", prefix="a/#"), "uplink.prefix", "cannot begin a topic"),
    (uplink(password=CANARY), "uplink.username", "is missing"),
    (uplink(url="mqtt://u@h", username="v"), "uplink.username", "is given in the url too"),
    (uplink(url=f"mqtt://u:{CANARY}@h", password=CANARY), "uplink.password", "in the url too"),
    (uplink(ca_file="ca.pem"), "uplink.ca_file", "is for TLS"),
    (uplink(url="mqtts://h"), "uplink.ca_file", "is missing, and the url asks for TLS"),
    (http(url="https://h"), "uplink.ca_file", "is missing, and the url asks for TLS"),
    (uplink(timeout_s=121), "uplink.timeout_s", "121 is above 120"),
    (http(token=None), "uplink.token", "is missing"),
    (http(token=f"{CANARY} x"), "uplink.token", "printable ASCII"),
    (http(token="..."), "uplink.token", "is the example"),
    (http(url=f"http://u:{CANARY}@h"), "uplink.url", "has a user name or a password in it"),
    (http(url="mqtt://h"), "uplink.url", "begins with mqtt://"),
    (http(username="u"), "uplink.username", "is for another type than"),
    ({"lane": {}}, "lane", "is one table, not a list"),
    ({"lane": [7]}, "lane[0]", "is a whole number, not a table"),
    ({"lane": [{"topics": ["a"]}]}, "lane[0].name", "is missing"),
    ({"lane": [{"name": "A", "topics": ["a"]}]}, "lane[0].name", "is not 1 to 16 of"),
    ({"lane": [{"name": "a"}]}, "lane[0].topics", "is missing"),
    ({"lane": [{"name": "a", "topics": "a"}]}, "lane[0].topics", "is text, not a list"),
    ({"lane": [{"name": "a", "topics": ["a", "a"]}]}, "lane[0].topics[1]", "is given twice"),
    ({"lane": [{"name": "a", "topics": ["a/#/b"]}]}, "lane[0].topics[0]", "is not a topic filter"),
    ({"lane": [{"name": "a", "topics": [""]}]}, "lane[0].topics[0]", "is empty"),
    (lanes("a", "a"), "lane[1].name", "is given twice"),
    (lanes("a", "b", "c", "d", "e", "f", "g", "h"), "lane", "and lane main is one more"),
    (lanes("a", "b", "c", "d", "e", "f", "g", "h", "i"), "lane", "is given 9 times"),
    ({"lane": [{"name": "a", "topics": ["a"], "urgent": 1}]}, "lane[0].urgent", "a whole number"),
    ({"board": {"led": 25}}, "board.led", "is a whole number, not text"),
    ({"board": {"watchdog_s": 601}}, "board.watchdog_s", "601 is above 600"),
)
