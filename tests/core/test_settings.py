"""Settings come out complete and consistent, or with one error that says what to do."""

from support import raises
from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.hub_reader import read_hub
from tidegate.config.schema import SettingsError
from tidegate.config.secret import Secret

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


def hub(*nodes, **keys):
    table = {"node": list(nodes) or [{"name": "a", "token": CANARY}]}
    table.update(keys)
    return read_hub({"hub": table})


def test_a_gateway_needs_no_more_than_a_source():
    settings = gateway()
    assert tuple(settings.node) == ("host-1", "/var/lib/tidegate", "auto")
    assert [tuple(lane) for lane in settings.lanes] == [("main", (), False)]
    assert tuple(settings.journal) == (1_000_000_000, 200_000_000, "drop-oldest", 100_000_000)
    assert settings.uplink is None
    assert str(settings.status.url) == "http://127.0.0.1:9180"
    assert tuple(settings.log) == ("text", "info")
    assert tuple(settings.pi) == (True, 0, -1, "", "low", "keep")


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
    settings = gateway(lane=[{"name": "x", "topics": ["a"]}], access=[{}], uplink=uplink())
    records = (
        settings.node,
        settings.sources[0],
        settings.endpoint,
        settings.access[0],
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
