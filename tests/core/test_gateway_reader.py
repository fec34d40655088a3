"""A wrong configuration of a gateway gets one error that says what to do."""

from support import raises
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.schema import SettingsError

CANARY = "canary-7f3a"


def source(**keys):
    """Return a source table with the required keys, and these."""
    table = {"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["site/#"]}
    table.update(keys)
    return table


def uplink(**keys):
    table = {"type": "http", "url": "http://127.0.0.1:8080", "token": CANARY}
    table.update(keys)
    return {key: table[key] for key in table if table[key] is not None}


def gateway(*sources, **tables):
    """Read a gateway with these sources (one plain one if none) and other tables."""
    tree = {"source": list(sources) or [source()]}
    tree.update(tables)
    return read_gateway(tree, "host-1")


def refusal(read, *tables, **keys):
    """Return the path, problem and hint of the error that this raises."""
    with raises(SettingsError) as caught:
        read(*tables, **keys)
    assert CANARY not in str(caught.error.args)
    return caught.error.args


# sources and other tables, path, problem
WRONG_GATEWAYS = (
    ([], {"source": []}, "source", "is missing"),
    ([], {"sources": []}, "sources", "is not a known key"),
    ([], {"node": {"name": "a b"}}, "node.name", '"a b" is not 1 to 64 of '),
    ([source(type="kafka")], {}, "source[0].type", '"kafka" is not one of "mqtt"'),
    ([source(url="h")], {}, "source[0].url", '"h" does not begin with mqtt:// or mqtts://'),
    ([source(url=f"mqtt://u:{CANARY}@h:x")], {}, "source[0].url", "has a port that is not"),
    ([source(url=f"mqtt://u:{CANARY}@h/x")], {}, "source[0].url", "has a path"),
    ([source(topics=[])], {}, "source[0].topics", "has 0 items"),
    ([source(topics="a")], {}, "source[0].topics", "is text, not a list"),
    ([source(topics=["a", "b/#/c"])], {}, "source[0].topics[1]", '"b/#/c" is not a topic filter'),
    ([source(), source(protocol="4")], {}, "source[1].protocol", '"4" is not one of'),
    ([source(protocol=5)], {}, "source[0].protocol", "is a whole number, not text"),
    ([source(client_id="x"), source(client_id="x")], {}, "source[1].client_id", '"x" is given tw'),
    ([source(password=CANARY)], {}, "source[0].username", "is missing"),
    ([source(url=f"mqtt://:{CANARY}@h")], {}, "source[0].username", "is missing"),
    ([source(url="mqtt://u@h", username="v")], {}, "source[0].username", "is given in the url too"),
    (
        [source(url=f"mqtt://u:{CANARY}@h", password_env="P")],
        {},
        "source[0].password_env",
        "is given, and password in the url too",
    ),
    (
        [source(username="u", password=CANARY, password_file="p")],
        {},
        "source[0].password",
        "is given, and password_file too",
    ),
    ([source(ca_file="ca")], {}, "source[0].ca_file", "is for TLS"),
    (
        [source(url="mqtts://h", cert_file="c")],
        {},
        "source[0].key_file",
        "is missing, and cert_file is given",
    ),
    (
        [source(protocol="3.1.1", message_id="id")],
        {},
        "source[0].message_id",
        "needs user properties, which MQTT 3.1.1 does not have",
    ),
    ([], {"lane": [{"topics": ["a"]}]}, "lane[0].name", "is missing"),
    ([], {"lane": [{"name": "a"}]}, "lane[0].topics", "is missing"),
    ([], {"lane": [{"name": "A", "topics": ["a"]}]}, "lane[0].name", '"A" is not 1 to 16 of'),
    (
        [],
        {"lane": [{"name": "a", "topics": ["a"]}] * 2},
        "lane[1].name",
        '"a" is given twice',
    ),
    (
        [],
        {"lane": [{"name": f"l{n}", "topics": ["a"]} for n in range(8)]},
        "lane",
        "is given 8 times, and lane main is one more",
    ),
    (
        [],
        {"lane": [{"name": f"l{n}", "topics": ["a"]} for n in range(9)]},
        "lane",
        "is given 9 times",
    ),
    ([], {"journal": {"limit_bytes": -1}}, "journal.limit_bytes", "-1 is below 100000"),
    ([], {"journal": {"overflow": "drop"}}, "journal.overflow", '"drop" is not one of'),
    ([], {"uplink": {}}, "uplink.type", "is missing"),
    ([], {"uplink": uplink(type="bundle")}, "uplink.type", '"bundle" is not in this version yet'),
    ([], {"uplink": uplink(type="mqtt")}, "uplink.type", '"mqtt" is not in this version yet'),
    ([], {"uplink": uplink(url="mqtt://h")}, "uplink.url", '"mqtt://h" does not begin with http'),
    (
        [],
        {"uplink": uplink(url=f"http://u:{CANARY}@h")},
        "uplink.url",
        "has a user name or a password in it",
    ),
    ([], {"uplink": uplink(token=None)}, "uplink.token", "is missing"),
    ([], {"uplink": uplink(token="")}, "uplink.token", "is missing"),
    ([], {"uplink": uplink(token="…")}, "uplink.token", "is the example from the documentation"),
    ([], {"uplink": uplink(token_env="T")}, "uplink.token", "is given, and token_env too"),
    ([], {"uplink": uplink(ca_file="ca")}, "uplink.ca_file", "is for TLS"),
    ([], {"uplink": uplink(windows=["1-2"])}, "uplink.windows[0]", '"1-2" is not a window'),
    ([], {"uplink": uplink(batch_records=0)}, "uplink.batch_records", "0 is below 1"),
    ([], {"uplink": uplink(compress="yes")}, "uplink.compress", "is text"),
    ([], {"status": {"url": "http://h/x"}}, "status.url", '"http://h/x" has more than a host'),
    ([], {"log": {"level": "loud"}}, "log.level", '"loud" is not one of'),
    ([], {"node": {"board": "bone"}}, "node.board", '"bone" is not one of'),
    ([], {"pi": {"watchdog_s": 4}}, "pi.watchdog_s", "4 is below 5"),
    ([], {"pi": {"watchdog_s": 301}}, "pi.watchdog_s", "301 is above 300"),
    ([], {"pi": {"power_fail_gpio": 28}}, "pi.power_fail_gpio", "28 is above 27"),
    ([], {"pi": {"power_fail_gpio": 64}}, "pi.power_fail_gpio", "64 is above 63"),
    (
        [],
        {"pi": {"power_fail_medium": "read-only"}},
        "pi.power_fail_gpio",
        "is missing, and power_fail_medium is given",
    ),
)


def test_each_wrong_gateway_gets_its_one_error():
    for sources, tables, path, problem in WRONG_GATEWAYS:
        error = refusal(gateway, *sources, **tables)
        assert error[0] == path, error
        assert error[1].startswith(problem), error
        assert error[2], error
