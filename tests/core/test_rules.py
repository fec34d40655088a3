"""Keys that belong together, exclude each other or must differ are held to it."""

from collections import namedtuple

from support import raises
from tidegate.config.reading.rules import check_tls, first_of, one_of
from tidegate.config.schema import SettingsError
from tidegate.config.url import parse_url

Peer = namedtuple("Peer", ("url", "ca_file", "cert_file", "key_file"))
PLAIN = parse_url("http://h", ("http",))
TLS = parse_url("https://h", ("https",))


def test_exactly_one_of_several_keys_is_given():
    one_of("p", "a", [("a", False), ("b", True), ("c", False)])
    with raises(SettingsError) as caught:
        one_of("p", "a", [("a", False), ("b", False), ("c", False)])
    assert caught.error.args == ("p.a", "is missing", "give a, b or c")
    with raises(SettingsError) as caught:
        one_of("p", "a", [("a", False), ("b", True), ("c", True)])
    assert caught.error.args == ("p.b", "is given, and c too", "keep one of the two")


def test_a_value_is_given_once():
    first_of("p[1]", "name", "b", ["a"])
    with raises(SettingsError) as caught:
        first_of("p[1]", "name", "a", ["a"])
    assert caught.error.args == ("p[1].name", '"a" is given twice', "give each its own name")


def test_complete_tls_files_pass():
    for peer in (
        Peer(PLAIN, "", "", ""),
        Peer(TLS, "", "", ""),
        Peer(TLS, "ca", "", ""),
        Peer(TLS, "", "cert", "key"),
        Peer(TLS, "ca", "cert", "key"),
    ):
        check_tls("p", peer)


def test_tls_files_without_tls_or_halves_of_a_pair_are_refused():
    for peer, path, problem in (
        (Peer(PLAIN, "ca", "", ""), "p.ca_file", "is for TLS, and the url begins with http://"),
        (Peer(PLAIN, "", "c", "k"), "p.cert_file", "is for TLS, and the url begins with http://"),
        (Peer(PLAIN, "", "", "k"), "p.key_file", "is for TLS, and the url begins with http://"),
        (Peer(TLS, "ca", "c", ""), "p.key_file", "is missing, and cert_file is given"),
        (Peer(TLS, "", "", "k"), "p.cert_file", "is missing, and key_file is given"),
    ):
        with raises(SettingsError) as caught:
            check_tls("p", peer)
        assert caught.error.args[:2] == (path, problem), caught.error.args
