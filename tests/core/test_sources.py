"""Listeners and brokers stand in one list of sources, and each has its own keys."""

from support import raises
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.schema import SettingsError

BROKER = {"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["a"]}
TLS = {"url": "mqtts://h", "cert_file": "c", "key_file": "k"}


def listener(**keys):
    """Return a listener's table with these keys."""
    table = {"type": "listen", "url": "mqtt://127.0.0.1:1883"}
    table.update(keys)
    return table


def tls(**keys):
    """Return a table of a listener with TLS and these keys."""
    table = listener(**TLS)
    table.update(keys)
    return table


def listeners(*tables):
    return read_gateway({"source": list(tables)}, "host-1").listeners


def test_a_listener_has_its_defaults():
    settings = read_gateway({"source": [listener()]}, "host-1")
    (only,) = settings.listeners
    assert settings.sources == ()
    assert (str(only.url), only.topics, only.anonymous) == ("mqtt://127.0.0.1:1883", ("#",), True)
    assert (only.certificate_login, only.ca_file, only.message_id) == ("off", "", "")
    assert (only.cert_file, only.key_file) == ("", "")


def test_anonymous_clients_are_let_in_on_loopback_or_where_it_is_said():
    for keys, expected in (
        ({"url": "mqtt://[::1]"}, True),
        ({"url": "mqtt://localhost"}, True),
        ({"url": "mqtt://localhost", "anonymous": False}, False),
        ({"url": "mqtt://0.0.0.0"}, False),
        ({"url": "mqtt://[::]"}, False),
        ({"url": "mqtt://0.0.0.0", "anonymous": True}, True),
    ):
        assert listeners(listener(**keys))[0].anonymous is expected, keys


def test_a_web_socket_has_the_usual_path_when_none_is_given():
    for given, path in (("ws://h", "/mqtt"), ("ws://h/", "/mqtt"), ("ws://h/a", "/a")):
        assert listeners(listener(url=given))[0].url.path == path
    assert str(listeners(tls(url="wss://h"))[0].url) == "wss://h:443/mqtt"


def test_both_types_of_source_keep_their_places():
    settings = read_gateway({"source": [listener(), BROKER, tls(), BROKER]}, "host-1")
    assert [each.client_id for each in settings.sources] == [
        "tidegate-host-1-2",
        "tidegate-host-1-4",
    ]
    assert settings.source_paths("mqtt") == ["source[1]", "source[3]"]
    assert settings.source_paths("listen") == ["source[0]", "source[2]"]


def test_any_free_port_may_be_asked_for_more_than_once():
    assert len(listeners(listener(url="mqtt://h:0"), listener(url="mqtt://h:0"))) == 2


WRONG = (
    ([listener(client_id="x")], "source[0].client_id", 'is for another type than "listen"'),
    ([BROKER, listener(keepalive_s=30)], "source[1].keepalive_s", "is for another type than"),
    ([dict(BROKER, anonymous=True)], "source[0].anonymous", 'is for another type than "mqtt"'),
    ([{"type": "mqtt", "url": "mqtt://h"}], "source[0].topics", "is missing"),
    ([listener(topic=["a"])], "source[0].topic", "is not a known key"),
    ([listener(anonymous="")], "source[0].anonymous", "is text"),
    ([listener(topics=["$share/g/a"])], "source[0].topics[0]", '"$share/g/a" is a shared one'),
    ([listener(url="mqtt://u:p@h")], "source[0].url", "has a user name or a password in it"),
    ([listener(url="mqtt://h/x")], "source[0].url", '"mqtt://h/x" has a path'),
    ([listener(url="http://h")], "source[0].url", '"http://h" does not begin with mqtt:// or'),
    ([listener(url="mqtts://h")], "source[0].cert_file", "is missing, and the url begins with mq"),
    ([listener(url="wss://h")], "source[0].cert_file", "is missing, and the url begins with wss"),
    ([tls(key_file="")], "source[0].key_file", "is missing, and cert_file is given"),
    ([listener(cert_file="c", key_file="k")], "source[0].cert_file", "is for TLS"),
    ([tls(certificate_login="required")], "source[0].ca_file", "is missing, and certificate_login"),
    (
        [listener(certificate_login="optional")],
        "source[0].certificate_login",
        "is for TLS, and the",
    ),
    ([tls(ca_file="ca")], "source[0].ca_file", "is for clients' certificates, and certificate_lo"),
    ([tls(certificate_login="maybe")], "source[0].certificate_login", '"maybe" is not one of'),
    ([listener(), listener()], "source[1].url", '"127.0.0.1:1883" is listened at twice'),
    (
        [BROKER, listener(), tls(url="ws://127.0.0.1:1883", cert_file="", key_file="")],
        "source[2].url",
        '"127.0.0.1:1883" is listened at twice',
    ),
)


def test_each_wrong_source_gets_its_one_error():
    for tables, path, problem in WRONG:
        with raises(SettingsError) as caught:
            listeners(*tables)
        error = caught.error.args
        assert error[0] == path, error
        assert error[1].startswith(problem), error
        assert error[2], error


def test_the_endpoint_has_the_defaults_it_is_known_by():
    endpoint = read_gateway({"source": [listener()], "node": {"data": "/d/"}}).endpoint
    assert endpoint.users_file == "/d/users"
    assert tuple(endpoint[1:9]) == (1_048_576, 65_535, 128, 10_000, 10_000, 1000, 100, 1000)
    assert tuple(endpoint[9:12]) == (10_000, 10_000_000, 100_000_000)
    assert tuple(endpoint[12:16]) == (10_000, 10_000_000, 0, 0)
    assert tuple(endpoint[16:]) == (16, 604_800, 60, 10, 10, 10)


def test_access_without_more_is_for_everybody_and_allows_nothing():
    (access,) = read_gateway({"source": [listener()], "access": [{}]}).access
    assert tuple(access) == (("*",), ("*",), (), ())
    with raises(SettingsError) as caught:
        read_gateway({"source": [listener()], "access": [{"publish": ["a", "b/#/c"]}]})
    assert caught.error.path == "access[0].publish[1]"


def test_what_waits_for_clients_takes_a_quarter_of_the_journal_at_most():
    tree = {"source": [listener()], "journal": {"limit_bytes": 40_000_000}}
    assert read_gateway(tree).endpoint.queued_bytes_max == 10_000_000
    tree["endpoint"] = {"queued_bytes_max": 5_000_000}
    assert read_gateway(tree).endpoint.queued_bytes_max == 5_000_000
    assert read_gateway({"source": [listener()]}).endpoint.queued_bytes_max == 100_000_000
