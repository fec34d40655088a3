"""The schema as data is complete: each key can be explained, defaulted and refused."""

from tidegate.config import schema
from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.schema import LATER, SettingsError, known_choices

KINDS = (
    schema.TEXT,
    schema.SECRET,
    schema.PATH,
    schema.HUSHED,
    schema.INTEGER,
    schema.BYTES,
    schema.DURATION_S,
    schema.BOOLEAN,
    schema.CHOICE,
    schema.TEXTS,
    schema.URL,
)


def all_tables(table):
    """Return the table and all in it."""
    found = [table]
    for inner in table.tables + tuple([variant for _, variant in table.variants]):
        found = found + all_tables(inner)
    return found


def all_keys():
    return [
        (table, key) for root in (GATEWAY, HUB) for table in all_tables(root) for key in table.keys
    ]


def test_every_key_has_a_known_kind_and_one_sentence_of_help():
    for table, key in all_keys():
        where = table.name + "." + key.name
        assert key.kind in KINDS, where
        assert 10 <= len(key.help) <= 95, where
        assert not key.help.endswith("."), where
        assert "\n" not in key.help, where


def test_no_name_stands_twice_in_a_table():
    for root in (GATEWAY, HUB):
        for table in all_tables(root):
            names = [key.name for key in table.keys] + [inner.name for inner in table.tables]
            assert len(names) == len(set(names)), table.name


def test_every_default_is_within_its_own_bounds():
    for table, key in all_keys():
        where = table.name + "." + key.name
        if key.kind in schema.NUMBERS:
            assert key.least <= key.default <= key.most, where
        if key.kind == schema.CHOICE and key.default is not None:
            assert key.default in known_choices(key)[0], where
        if key.kind == schema.SECRET and key.name != "database":
            assert key.default == "", where


def test_every_required_key_has_an_example():
    for table, key in all_keys():
        assert key.default is not None or key.example is not None, table.name + "." + key.name


def test_numbers_say_their_unit_in_their_name():
    for table, key in all_keys():
        where = table.name + "." + key.name
        if key.kind == schema.BYTES:
            assert "bytes" in key.name, where
        if key.kind == schema.DURATION_S:
            assert key.name.endswith("_s") or key.name.endswith("_s_max"), where


def test_later_choices_are_told_from_present_ones():
    key = schema.choice("type", None, ("http", LATER + "mqtt"), "help")
    assert known_choices(key) == (["http"], ["mqtt"])


def test_an_error_says_which_key_what_and_what_to_do():
    error = SettingsError("a.b", "is wrong", "do right")
    assert (error.path, error.problem, error.hint) == ("a.b", "is wrong", "do right")
    assert str(error) == "a.b: is wrong"
    assert str(SettingsError("", "is wrong", "")) == "is wrong"


def test_the_type_of_a_table_decides_its_keys():
    usual = schema.table_list(
        "t", 0, 9, (schema.text("type", "", "h"), schema.text("a", "", "h")), "h"
    )
    other = schema.table_list(
        "t", 0, 9, (schema.text("type", "", "h"), schema.text("b", "", "h")), "h"
    )
    both = schema.with_variants(usual, ("other", other))
    assert both.foreign == ("b",)
    for tree, names in (
        ({}, ["type", "a"]),
        ({"type": "other"}, ["type", "b"]),
        (5, ["type", "a"]),
    ):
        assert [key.name for key in schema.variant_of(both, tree).keys] == names
    assert schema.variant_of(both, {"type": "other"}).foreign == ("a",)
