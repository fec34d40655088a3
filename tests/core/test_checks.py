"""Names, tokens, filters, windows and URLs are accepted or refused exactly, and not quoted."""

from support import raises
from tidegate.config import checks as checks
from tidegate.config.url import parse_url

GOOD = (
    (checks.check_name, ("a", "site-7", "Site_7.example", "x" * 64)),
    (checks.check_token, ("t", "secret", "a.b-c_d~e+/=", "!~", "x" * 5000)),
    (checks.check_environment, ("A", "_token_9", "x")),
    (checks.check_window, ("00:00-24:00", "22:00-06:00", "01:00-01:01", "23:59-24:00")),
    (checks.check_topic_filter, ("#", "+", "a/+/b/#", "$share/g/a", "/", "é")),
    (checks.check_lane, ("main", "a-1", "x" * 16)),
    (
        checks.check_database,
        (
            "sqlite:///hub.db",
            "sqlite:////var/lib/hub.db",
            "sqlite+pysqlite://",
            "postgresql://u:p@h/d",
            "postgresql+psycopg://h/d",
        ),
    ),
    (checks.check_token_hash, ("sha256:" + "0a" * 32, "sha256:" + "Ff" * 32)),
)

BAD = (
    (checks.check_name, ("qz qz", "qzqz/", "qzqzé", "qzqz\n", "x" * 65)),
    (checks.check_token, ("…", "...", "qz qz", "qzqzé", "qzqz\n")),
    (checks.check_environment, ("9qz", "qz-qz", "qz qz", "$qz", "qé", "qz=1")),
    (
        checks.check_window,
        (
            "qzqz",
            "01:00",
            "01:00-",
            "-01:00",
            "1:00-2:00",
            "01:00 - 02:00",
            "01:60-02:00",
            "24:00-01:00",
            "00:00-24:01",
            "25:00-26:00",
            "01:00-01:00",
            "01:00-02:00-03:00",
            "0١:00-02:00",
            "+1:00-02:00",
        ),
    ),
    (checks.check_topic_filter, ("qzqz/#/b", "qzqz#", "qzqz+/b", "$share/g", "$share//a")),
    (checks.check_lane, ("QZQZ", "qz_qz", "qz qz", "x" * 17)),
    (checks.check_database, ("qzqz.db", "mysql://qzqz", "://qzqz", "sqlite:qzqz", "sqlitex://q")),
    (checks.check_database, ("sqlite+nope:///qz", "postgresql+psycopg2://h/qz", "sqlite+://qz")),
    (
        checks.check_token_hash,
        ("0a" * 32, "sha256:" + "0a" * 31, "sha256:" + "0g" * 32, "sha1:" + "0a" * 32),
    ),
)

GOOD_URLS = (
    (checks.check_target, ("http://h", "https://h:8443/path")),
    (checks.check_broker, ("mqtt://h", "mqtt://u:p@h:1", "mqtts://h/")),
    (checks.check_listener, ("http://h", "http://127.0.0.1:0", "http://[::]:80/")),
)

BAD_URLS = (
    (checks.check_target, ("http://qz@h", "http://:qz@h", "http://h:0")),
    (checks.check_broker, ("mqtt://h/qz", "mqtt://h:0")),
    (checks.check_listener, ("http://h/qz", "http://qz@h", "http://:qz@h")),
)

SCHEMES = ("http", "https", "mqtt", "mqtts")


def test_good_texts_pass():
    for check, texts in GOOD:
        for text in texts:
            check(text)


def test_bad_texts_are_refused_without_being_quoted():
    for check, texts in BAD:
        for text in texts:
            with raises(ValueError) as caught:
                check(text)
            assert caught.error.args[0].split(" ")[0] in ("is", "has", "does"), text
            assert "qz" not in caught.error.args[0], text


def test_good_urls_pass():
    for check, texts in GOOD_URLS:
        for text in texts:
            check(parse_url(text, SCHEMES))


def test_bad_urls_are_refused_without_being_quoted():
    for check, texts in BAD_URLS:
        for text in texts:
            with raises(ValueError) as caught:
                check(parse_url(text, SCHEMES))
            assert caught.error.args[0].startswith("has "), text
            assert "qz" not in caught.error.args[0], text


def test_an_example_token_is_called_one():
    with raises(ValueError) as caught:
        checks.check_token("…")
    assert caught.error.args[0] == "is the example from the documentation, not a token"
