"""What is allowed and unwise is warned about, and what is wise is not."""

from tidegate.config.advice import advise_gateway, advise_hub
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.hub_reader import read_hub

TOKEN = "9f86d081884c7d65"


def gateway_warnings(source_url="mqtt://127.0.0.1", uplink_url="http://127.0.0.1", **keys):
    """Return the warnings about a gateway; keys of the source and the uplink may be given."""
    source = {"type": "mqtt", "url": source_url, "topics": ["a"]}
    uplink = {"type": "http", "url": uplink_url, "token": keys.pop("token", TOKEN)}
    status = {"url": keys.pop("status", "http://127.0.0.1:9180")}
    source.update(keys)
    return advise_gateway(read_gateway({"source": [source], "uplink": uplink, "status": status}))


def test_a_wise_gateway_is_not_warned():
    assert gateway_warnings() == []
    assert gateway_warnings("mqtts://broker.example", "https://hub.example") == []
    assert gateway_warnings("mqtt://localhost", "http://[::1]:8080", status="") == []


def test_each_unwise_setting_of_a_gateway_is_named():
    for keys, expected in (
        ({"source_url": "mqtt://b.example"}, "source[0].url: sends messages and the login to "),
        ({"uplink_url": "http://h.example"}, "uplink.url: sends messages and the token to h.exam"),
        ({"token": "changeme"}, "uplink.token: is one that everybody tries first"),
        ({"token": "x" * 50}, "uplink.token: is one that everybody tries first"),
        ({"token": "t0ken-9"}, "uplink.token: is shorter than 16 characters"),
        ({"status": "http://0.0.0.0:9180"}, "status.url: anybody who reaches this host"),
        ({"topics": ["a/#", "b", "+/b"]}, 'source[0].topics: "a/#" and "+/b" overlap; what both'),
        ({"session_expiry_s": 60}, "source[0].session_expiry_s: the broker forgets"),
        (
            {"message_id": "id", "receive_maximum": 5000},
            "source[0].receive_maximum: of more than 4096 messages",
        ),
    ):
        warnings = gateway_warnings(**keys)
        assert len(warnings) == 1, (keys, warnings)
        assert warnings[0].startswith(expected), warnings


def test_no_warning_quotes_a_secret():
    warnings = gateway_warnings("mqtt://u:canary@b.example", token="canary")
    assert len(warnings) == 2
    assert "canary" not in str(warnings)


def test_packets_too_small_for_a_node_are_warned_of():
    uplink = {"type": "http", "url": "http://127.0.0.1", "token": TOKEN}
    listener = {"type": "listen", "url": "mqtt://127.0.0.1"}
    broker = {"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["a"]}
    for source, bytes_max, count in (
        (listener, 8191, 1),
        (listener, 8192, 0),
        (listener, 1024, 1),
        (broker, 1024, 0),
    ):
        endpoint = {"packet_bytes_max": bytes_max}
        tree = {"source": [source], "uplink": uplink, "endpoint": endpoint}
        warnings = advise_gateway(read_gateway(tree))
        assert len(warnings) == count, (source, bytes_max, warnings)
        for warning in warnings:
            assert warning.startswith("endpoint.packet_bytes_max: nodes' records of up to 4,096")


def test_a_gateway_without_an_uplink_is_warned():
    source = {"type": "mqtt", "url": "mqtt://localhost", "topics": ["a"]}
    (warning,) = advise_gateway(read_gateway({"source": [source]}))
    assert warning.startswith("uplink: is missing")


def test_a_hub_is_warned_about_plaintext_and_weak_tokens():
    wise = {"name": "a", "token": TOKEN}
    assert advise_hub(read_hub({"hub": {"node": [wise]}})) == []
    weak = {"name": "b", "token": "secret"}
    hub = {"url": "http://0.0.0.0:80", "node": [wise, weak]}
    plaintext, token = advise_hub(read_hub({"hub": hub}))
    assert plaintext.startswith("hub.url: is plaintext for other hosts")
    assert token == "hub.node[1].token: is one that everybody tries first"


def listener_warnings(url, **keys):
    """Return the warnings about a listener that is the second source."""
    listener = {"type": "listen", "url": url}
    listener.update(keys)
    source = {"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["a"]}
    uplink = {"type": "http", "url": "http://127.0.0.1", "token": TOKEN}
    return advise_gateway(read_gateway({"source": [source, listener], "uplink": uplink}))


def test_a_listener_that_is_exposed_is_warned_about():
    tls = {"cert_file": "c", "key_file": "k"}
    assert listener_warnings("mqtt://127.0.0.1") == []
    assert listener_warnings("mqtts://0.0.0.0", **tls) == []
    (warning,) = listener_warnings("mqtt://0.0.0.0")
    assert warning.startswith("source[1].url: clients send messages and passwords to 0.0.0.0 in p")
    (warning,) = listener_warnings("mqtts://0.0.0.0", anonymous=True, **tls)
    assert warning.startswith("source[1].anonymous: anybody who reaches 0.0.0.0 can publish")
    (stronger,) = listener_warnings("ws://0.0.0.0", anonymous=True)
    assert stronger.startswith("source[1].anonymous: anybody who reaches 0.0.0.0 can publish")
    assert "anybody on the way can read and change it; use wss://" in stronger
    mutual = {"certificate_login": "required", "ca_file": "ca", "anonymous": True}
    mutual.update(tls)
    assert listener_warnings("mqtts://0.0.0.0", **mutual) == []
