"""Settings come out complete and consistent, or with one error that says what to do."""

from support import raises
from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.schema import SettingsError
from tidegate.config.secret import Secret
from tidegate.config.settings import read_gateway, read_hub

CANARY = "canary-7f3a"
HASH = "sha256:" + "0a" * 32


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


def hub(*nodes, **keys):
    table = {"node": list(nodes) or [{"name": "a", "token": CANARY}]}
    table.update(keys)
    return read_hub({"hub": table})


def refusal(read, *tables, **keys):
    """Return the path, problem and hint of the error that this raises."""
    with raises(SettingsError) as caught:
        read(*tables, **keys)
    assert CANARY not in str(caught.error.args)
    return caught.error.args


def test_a_gateway_needs_no_more_than_a_source():
    settings = gateway()
    assert tuple(settings.node) == ("host-1", "/var/lib/tidegate")
    assert [tuple(lane) for lane in settings.lanes] == [("main", (), False)]
    assert tuple(settings.journal) == (1_000_000_000, 200_000_000, "drop-oldest", 100_000_000)
    assert settings.uplink is None
    assert str(settings.status.url) == "http://127.0.0.1:9180"
    assert tuple(settings.log) == ("text", "info")


def test_a_source_has_its_defaults():
    (only,) = gateway().sources
    assert (only.type, str(only.url), only.topics) == ("mqtt", "mqtt://127.0.0.1:1883", ("site/#",))
    assert (only.protocol, only.client_id) == ("5", "tidegate-host-1-1")
    assert (only.session_expiry_s, only.receive_maximum, only.keepalive_s) == (604800, 1000, 30)
    assert (only.username, only.password, only.message_id) == ("", Secret(""), "")


def test_an_uplink_has_its_defaults():
    link = gateway(uplink=uplink()).uplink
    assert (link.type, str(link.url)) == ("http", "http://127.0.0.1:8080")
    assert link.token.reveal() == CANARY
    assert (link.timeout_s, link.retry_max_s, link.compress) == (30, 5, True)
    assert (link.batch_records, link.batch_bytes, link.batch_age_ms) == (5000, 1_000_000, 100)
    assert (link.windows, link.windows_utc_offset_minutes, link.bytes_per_day) == ((), 0, 0)


def test_windows_come_out_as_minutes_of_the_day():
    link = gateway(uplink=uplink(windows=["01:00-05:30", "22:00-24:00"])).uplink
    assert [tuple(window) for window in link.windows] == [(60, 330), (1320, 1440)]


def test_a_hub_has_its_defaults():
    settings = hub()
    assert str(settings.url) == "http://127.0.0.1:8080"
    assert settings.database.reveal() == "sqlite:///hub.db"
    assert (settings.batch_bytes_max, settings.requests_per_s) == (32 * 1024 * 1024, 200)
    assert [tuple(node) for node in settings.nodes] == [("a", Secret(CANARY), "", "", "")]


def test_the_sample_of_the_contract_is_read():
    settings = read_gateway(
        {
            "node": {"name": "site-7", "data": "/var/lib/tidegate"},
            "source": [
                {
                    "type": "mqtt",
                    "url": "mqtt://user:secret@127.0.0.1:1883",
                    "topics": ["site/#"],
                }
            ],
            "journal": {
                "limit_bytes": 1_000_000_000,
                "reserve_bytes": 200_000_000,
                "overflow": "drop-oldest",
            },
            "uplink": {"type": "http", "url": "http://127.0.0.1:8080", "token": "t0ken"},
            "status": {"url": "http://127.0.0.1:9180"},
        }
    )
    assert settings.node.name == "site-7"
    assert settings.sources[0].username == "user"


def test_the_login_in_a_url_moves_to_its_keys():
    (only,) = gateway(source(url=f"mqtt://u%40x:{CANARY}@h:1")).sources
    assert (only.username, only.password.reveal()) == ("u@x", CANARY)
    assert (str(only.url), only.url.username, only.url.password) == ("mqtt://h:1", "", Secret(""))


def test_a_name_in_the_url_goes_with_a_password_from_elsewhere():
    (only,) = gateway(source(url="mqtt://u@h", password_file="p")).sources
    assert (only.username, only.password_file) == ("u", "p")


def test_client_ids_are_the_same_at_every_start_and_differ():
    sources = gateway(source(), source(), source(client_id="mine")).sources
    ids = [each.client_id for each in sources]
    assert ids == ["tidegate-host-1-1", "tidegate-host-1-2", "mine"]


def test_one_client_id_may_serve_two_brokers():
    a, b = source(client_id="x"), source(client_id="x", url="mqtt://other")
    assert len(gateway(a, b).sources) == 2


def test_lanes_keep_their_order_and_main_takes_the_rest():
    lanes = gateway(
        lane=[
            {"name": "alarm", "topics": ["a/#"], "urgent": True},
            {"name": "log", "topics": ["l"]},
        ]
    ).lanes
    assert [lane.name for lane in lanes] == ["alarm", "log", "main"]
    assert [lane.urgent for lane in lanes] == [True, False, False]
    lanes = gateway(lane=[{"name": "main"}, {"name": "log", "topics": ["l"]}]).lanes
    assert [lane.name for lane in lanes] == ["main", "log"]


def test_no_secret_is_printed_with_the_settings():
    for settings in (
        gateway(source(url=f"mqtt://u:{CANARY}@h"), uplink=uplink()),
        gateway(source(username="u", password=CANARY), uplink=uplink()),
        hub(database=f"postgresql://u:{CANARY}@h/d"),
    ):
        assert CANARY not in repr(settings)
        assert CANARY not in str(settings)


# sources and other tables, path, problem
WRONG_GATEWAYS = (
    ([], {"source": []}, "source", "is missing"),
    ([], {"sources": []}, "sources", "is not a known key"),
    ([], {"node": {"name": "a b"}}, "node.name", '"a b" is not 1 to 64 of '),
    ([source(type="listen")], {}, "source[0].type", '"listen" is not in this version yet'),
    ([{"type": "listen", "url": "mqtt://h"}], {}, "source[0].type", '"listen" is not in this'),
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
)


def test_each_wrong_gateway_gets_its_one_error():
    for sources, tables, path, problem in WRONG_GATEWAYS:
        error = refusal(gateway, *sources, **tables)
        assert error[0] == path, error
        assert error[1].startswith(problem), error
        assert error[2], error


WRONG_HUBS = (
    ([], {"node": []}, "hub.node", "is missing"),
    ([{"name": "a"}], {}, "hub.node[0].token", "is missing"),
    ([{"name": "a", "token": ""}], {}, "hub.node[0].token", "is missing"),
    ([{"name": "a", "token": "…"}], {}, "hub.node[0].token", "is the example"),
    ([{"name": "a", "token": f"{CANARY} x"}], {}, "hub.node[0].token", "has a character"),
    ([{"name": "a", "token_env": CANARY}], {}, "hub.node[0].token_env", "is not the name of a var"),
    ([{"name": "a", "token_hash": CANARY}], {}, "hub.node[0].token_hash", "is not sha256:"),
    ([{"token": CANARY}], {}, "hub.node[0].name", "is missing"),
    (
        [{"name": "a", "token": CANARY, "token_hash": HASH}],
        {},
        "hub.node[0].token",
        "is given, and token_hash too",
    ),
    ([{"name": "a", "token_hash": "x"}], {}, "hub.node[0].token_hash", "is not sha256:"),
    (
        [{"name": "a", "token": CANARY}, {"name": "a", "token": "b"}],
        {},
        "hub.node[1].name",
        '"a" is given twice',
    ),
    (
        [{"name": "a", "token": CANARY}, {"name": "b", "token": CANARY}],
        {},
        "hub.node[1].token",
        'is the token of "a" too',
    ),
    (
        [
            {"name": "a", "token_hash": HASH},
            {"name": "b", "token_hash": HASH.replace("a", "A").replace("A256", "a256")},
        ],
        {},
        "hub.node[1].token_hash",
        'is the token of "a" too',
    ),
    ([], {"url": ""}, "hub.url", "is empty"),
    ([], {"url": "https://h"}, "hub.url", '"https://h" does not begin with http://'),
    ([], {"database": ""}, "hub.database", "is empty"),
    ([], {"database": f"mysql://u:{CANARY}@h"}, "hub.database", "does not begin with sqlite://"),
    ([], {"batch_bytes_max": 0}, "hub.batch_bytes_max", "0 is below 1024"),
    ([], {"requests_per_s": -1}, "hub.requests_per_s", "-1 is below 0"),
    ([], {"port": 80}, "hub.port", "is not a known key"),
)


def test_each_wrong_hub_gets_its_one_error():
    for nodes, keys, path, problem in WRONG_HUBS:
        error = refusal(hub, *nodes, **keys)
        assert error[0] == path, error
        assert error[1].startswith(problem), error
        assert error[2], error


def test_an_empty_file_says_what_is_missing():
    with raises(SettingsError) as caught:
        read_gateway({})
    assert caught.error.args == (
        "source",
        "is missing",
        "write at least one [[source]] with type and url and topics",
    )
    with raises(SettingsError) as caught:
        read_hub({})
    assert caught.error.args[:2] == ("hub.node", "is missing")


def test_records_have_the_keys_of_the_schema_in_its_order():
    # Where a value stands in a record is decided by the schema's order alone.
    settings = gateway(lane=[{"name": "x", "topics": ["a"]}], uplink=uplink())
    records = (
        settings.node,
        settings.sources[0],
        settings.lanes[0],
        settings.journal,
        settings.uplink,
        settings.status,
        settings.log,
    )
    for table, record in zip(GATEWAY.tables, records):
        assert len(table.keys) == len(record), table.name
        for key in table.keys:
            assert hasattr(record, key.name), (table.name, key.name)
        assert all(
            getattr(record, key.name) is record[index] for index, key in enumerate(table.keys)
        ), table.name
    settings = hub()
    main = HUB.tables[0]
    for table, record in ((main, settings), (main.tables[0], settings.nodes[0])):
        assert all(
            getattr(record, key.name) is record[index] for index, key in enumerate(table.keys)
        ), table.name
