"""URLs are taken apart exactly, and no error about one quotes it."""

from support import raises
from tidegate.config.url import PORTS, is_loopback, is_tls, parse_url

SCHEMES = ("mqtt", "mqtts", "http", "https", "ws", "wss")

# text, as text again, username, password
GOOD = (
    ("mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1883", "", ""),
    ("mqtt://broker", "mqtt://broker:1883", "", ""),
    ("MQTTS://Broker.Example", "mqtts://broker.example:8883", "", ""),
    ("http://hub", "http://hub:80", "", ""),
    ("https://hub/", "https://hub:443", "", ""),
    ("https://hub/a/b%20c/", "https://hub:443/a/b%20c", "", ""),
    ("https://hub/Path", "https://hub:443/Path", "", ""),
    ("http://127.0.0.1:0", "http://127.0.0.1:0", "", ""),
    ("mqtt://[::1]", "mqtt://[::1]:1883", "", ""),
    ("mqtt://[FE80::1]:65535", "mqtt://[fe80::1]:65535", "", ""),
    ("mqtt://user:secret@h:1", "mqtt://h:1", "user", "secret"),
    ("mqtt://user@h", "mqtt://h:1883", "user", ""),
    ("mqtt://user:@h", "mqtt://h:1883", "user", ""),
    ("mqtt://:secret@h", "mqtt://h:1883", "", "secret"),
    ("mqtt://user:a:b@h", "mqtt://h:1883", "user", "a:b"),
    ("mqtt://user:a@b@h", "mqtt://h:1883", "user", "a@b"),
    ("mqtt://u%40x:p%2Fq%3a%25@h", "mqtt://h:1883", "u@x", "p/q:%"),
    ("mqtt://caf%C3%A9:é@h", "mqtt://h:1883", "café", "é"),
    ("mqtt://u:p@[::1]:5", "mqtt://[::1]:5", "u", "p"),
)

# text, a part of the error
BAD = (
    ("", "does not begin with"),
    ("broker", "does not begin with"),
    ("broker:1883", "does not begin with"),
    ("tcp://broker", "does not begin with mqtt:// or mqtts://"),
    ("://broker", "does not begin with"),
    (" mqtt://broker", "does not begin with"),
    ("mqtt:/broker", "does not begin with"),
    ("mqtt://", "has no host"),
    ("mqtt://:1883", "has no host"),
    ("mqtt:///path", "has no host"),
    ("mqtt://user:qzqzx@", "has no host"),
    ("mqtt://ho st", "has a host with a character"),
    ("mqtt://höst", "has a host with a character"),
    ("mqtt://h,i", "has a host with a character"),
    ("mqtt://h:", "has a port"),
    ("mqtt://h:x", "has a port"),
    ("mqtt://h:-1", "has a port"),
    ("mqtt://h:+1", "has a port"),
    ("mqtt://h:1 ", "has a port"),
    ("mqtt://h:65536", "has a port"),
    ("mqtt://h:000000001", "has a port"),
    ("mqtt://h:١", "has a port"),
    ("mqtt://::1", "stands in brackets"),
    ("mqtt://[::1", "has an IPv6 address"),
    ("mqtt://[]", "has an IPv6 address"),
    ("mqtt://[h]", "has an IPv6 address"),
    ("mqtt://[::g]", "has an IPv6 address"),
    ("mqtt://[::1]1883", "has something between"),
    ("mqtt://[::1]:", "has a port"),
    ("mqtt://user:qzqzx@h:port", "has a port"),
    ("mqtt://user:qz/qzx@h", "has a / before the @"),
    ("mqtt://user:qz?qzx@h", "has a ?"),
    ("mqtt://user:qz#qzx@h", "has a #"),
    ("mqtt://user:qzqzx%@h", "has a % without"),
    ("mqtt://user:qzqzx%4@h", "has a % without"),
    ("mqtt://user:qzqzx%-1@h", "has a % without"),
    ("mqtt://user:qzqzx%00@h", "has a control character"),
    ("mqtt://user:qzqzx%0a@h", "has a control character"),
    ("mqtt://user:qzqzx%FF@h", "is not UTF-8"),
    ("mqtt://user:qzqzx%ED%A0%80@h", "is not UTF-8"),
    ("http://h/a b", "has a path with"),
    ("http://h/é", "has a path with"),
    ("http://h/?token=qzqzx", "has a ?"),
)


def test_good_urls_are_taken_apart():
    for text, again, username, password in GOOD:
        url = parse_url(text, SCHEMES)
        assert str(url) == again, text
        assert (url.username, url.password.reveal()) == (username, password), text


def test_a_url_without_its_login_reads_the_same_again():
    for text, again, _username, _password in GOOD:
        url, second = parse_url(text, SCHEMES), parse_url(again, SCHEMES)
        assert url[:4] == second[:4], text


def test_each_bad_url_gets_its_error():
    for text, expected in BAD:
        with raises(ValueError) as caught:
            parse_url(text, SCHEMES)
        assert expected in caught.error.args[0], (text, caught.error.args[0])


def test_no_error_quotes_a_part_of_the_url():
    for text, _expected in BAD:
        with raises(ValueError) as caught:
            parse_url(text, SCHEMES)
        assert "qz" not in caught.error.args[0], text


def test_printing_a_url_does_not_show_its_password():
    url = parse_url("mqtt://user:canary@h", SCHEMES)
    assert "canary" not in str(url) + repr(url)


def test_only_the_asked_schemes_are_taken():
    with raises(ValueError) as caught:
        parse_url("https://h", ("mqtt", "mqtts"))
    assert caught.error.args[0] == "does not begin with mqtt:// or mqtts://"


def test_loopback_is_known():
    for host in ("localhost", "a.localhost", "127.0.0.1", "127.255.0.9", "::1"):
        assert is_loopback(host), host
    for host in ("0.0.0.0", "::", "broker", "128.0.0.1", "127.evil.example", "127.a.b.c", "1.2"):
        assert not is_loopback(host), host


def test_tls_is_told_by_the_scheme():
    for scheme in PORTS:
        assert is_tls(parse_url(scheme + "://h", SCHEMES)) == (scheme in ("mqtts", "https", "wss"))
