"""`tidegate check` says of each kind of broker what it will lose."""

import threading

from fixtures.broker import Broker
from fixtures.certificates import Authority
from fixtures.scripted_broker import CONNACK_NEW, ScriptedBroker
from fixtures.sources import source_settings
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, check_broker

PROTOCOLS = ("3.1.1", "5")


def of_level(findings, level):
    return [finding.what for finding in findings if finding.level == level]


def test_a_sound_mosquitto_has_its_default_limits_named_and_nothing_else(tmp_path):
    for protocol in PROTOCOLS:
        with Broker(tmp_path / protocol) as broker:
            findings = check_broker(source_settings(broker.url, protocol=protocol))
            assert of_level(findings, ERROR) == []
            (warning,) = of_level(findings, WARNING)
            assert "mosquitto version" in warning
            assert "1000 messages" in warning
            assert len(of_level(findings, INFO)) == (1 if protocol == "3.1.1" else 0)


def test_the_probe_leaves_no_session_and_never_uses_the_gateways(tmp_path):
    for protocol in PROTOCOLS:
        with Broker(tmp_path / protocol) as broker:
            for _ in range(2):
                check_broker(source_settings(broker.url, protocol=protocol))
            told = [line for line in broker.log().splitlines() if "Sending CONNACK to" in line]
            # New, found again, deleted; and the second time the same, so nothing had been left.
            wanted = [f"gateway-check ({present}, 0)" for present in (0, 1, 0, 0, 1, 0)]
            assert [line.split(" to ")[1] for line in told] == wanted


def test_shared_subscriptions_are_named_and_not_tried(tmp_path):
    with Broker(tmp_path) as broker:
        findings = check_broker(source_settings(broker.url, topics=("$share/g/site/#",)))
        assert any(
            "the order of a topic's messages" in what for what in of_level(findings, WARNING)
        )
        assert "$share" not in broker.log()


def test_system_filters_are_named(tmp_path):
    with Broker(tmp_path) as broker:
        topics = ("plant/a", "$SYS/#")
        warnings = of_level(check_broker(source_settings(broker.url, topics=topics)), WARNING)
        assert any("$SYS/# changes all the time" in what for what in warnings)


def test_what_the_settings_alone_tell_is_left_to_the_advice_on_them(tmp_path):
    with Broker(tmp_path) as broker:
        # Not a loopback address by its looks, but Linux takes it there.
        url = f"mqtt://bob:pw@0.0.0.0:{broker.port}"
        topics = ("site/#", "site/+/t")
        (warning,) = of_level(check_broker(source_settings(url, topics=topics)), WARNING)
        assert "mosquitto version" in warning


def test_a_broker_that_cannot_be_reached_or_refuses_is_an_error(tmp_path):
    broker = Broker(tmp_path, users={"bob": "pw"})
    for protocol in PROTOCOLS:
        (finding,) = check_broker(source_settings(broker.url, protocol=protocol))
        assert finding.level == ERROR
        assert "nothing listens" in finding.what
    with broker:
        for protocol in PROTOCOLS:
            url = broker.url.replace("//", "//bob:very-secret@")
            findings = check_broker(source_settings(url, protocol=protocol))
            assert ["does not authorise" in what for what in of_level(findings, ERROR)] == [True]
            assert "very-secret" not in repr(findings)


def test_tls_problems_are_told_apart(tmp_path):
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("broker", "DNS:localhost", expired=True)
    with Broker(tmp_path / "broker", certificate=certificate, key=key) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        root = str(authority.certificate)
        for changes, part in (
            ({"ca_file": root}, "has expired"),
            ({}, "not trusted"),
            ({"ca_file": "/nowhere/root.pem"}, "/nowhere/root.pem cannot be read"),
        ):
            (finding,) = check_broker(source_settings(url, **changes))
            assert finding.level == ERROR
            assert part in finding.what


def serve(broker, connack, granted, version_5):
    """See probes through for as long as they come."""
    try:
        while True:
            peer = broker.accept()
            try:
                peer.read()
                peer.write(connack)
                _, body = peer.read()
                if len(body) > 4:
                    answer = body[:2] + (b"\x00" if version_5 else b"") + granted
                    peer.write(bytes([0x90, len(answer)]) + answer)
                    peer.read()
            except EOFError:
                continue
            finally:
                peer.close()
    except OSError:
        return


def check_scripted(connack, granted, protocol):
    with ScriptedBroker() as broker:
        arguments = (broker, connack, granted, protocol == "5")
        thread = threading.Thread(target=serve, args=arguments)
        thread.start()
        findings = check_broker(source_settings(broker.url, protocol=protocol))
        broker.close()
        thread.join()
    return findings


def connack_5(properties):
    return bytes([0x20, 3 + len(properties), 0, 0, len(properties)]) + properties


def test_a_broker_that_keeps_no_session_is_an_error():
    for protocol, connack in (("3.1.1", CONNACK_NEW), ("5", connack_5(b""))):
        errors = of_level(check_scripted(connack, b"\x01\x01", protocol), ERROR)
        assert ["does not keep the session" in what for what in errors] == [True]


def test_refused_and_unsafe_subscriptions_are_errors():
    for code, part in ((0x80, "was refused"), (0x00, "QoS 0 only")):
        errors = of_level(check_scripted(CONNACK_NEW, bytes([code, 1]), "3.1.1"), ERROR)
        assert any("site/#" in what and part in what for what in errors)


def test_what_connack_says_is_told():
    properties = b"\x24\x00\x25\x00\x13\x00\x0a\x27\x00\x00\x10\x00"
    findings = check_scripted(connack_5(properties), b"\x01\x01", "5")
    told = " | ".join(finding.what for finding in findings)
    for part in ("has QoS 0 only", "no retained messages", "keepalive of 10 s", "over 4096 bytes"):
        assert part in told
