"""The keys of a node: each with a help, and checks that refuse what cannot be."""

from support import raises
from tidegate.config import node_schema
from tidegate.config.schema import NUMBERS


def test_every_key_has_a_help_and_bounds_around_its_default():
    for table in node_schema.NODE.tables:
        assert table.help
        for key in table.keys:
            assert key.help and key.help[-1] != ".", key.name
            if key.kind in NUMBERS:
                assert key.least <= key.default <= key.most, key.name


def test_the_checks_refuse_what_cannot_be():
    for check, good, bad in (
        (node_schema.check_ssid, "x" * 32, "x" * 33),
        (node_schema.check_passphrase, "x" * 8, "x" * 7),
        (node_schema.check_passphrase, "x" * 64, "x" * 65),
        (node_schema.check_country, "DE", "de"),
        (node_schema.check_country, "DE", "DEU"),
        (node_schema.check_hostname, "a-b", "a_b"),
        (node_schema.check_hostname, "x" * 32, "x" * 33),
        (node_schema.check_prefix, "site/", "site/+"),
    ):
        check(good)
        with raises(ValueError):
            check(bad)
