"""A tree is read by a schema: whole, in order, or refused with one exact error."""

from support import raises
from tidegate.config import schema
from tidegate.config.reading.reader import TEXT_CHARACTERS_MAX, read_table
from tidegate.config.schema import SettingsError


def refuse_x(text):
    if "x" in text:
        raise ValueError("has an x")


def refuse_port_9(url):
    if url.port == 9:
        raise ValueError("has port 9")


INNER = schema.table_list("inner", 0, 2, (schema.text("name", None, "its name"),), "inner ones")
PET = schema.optional_table("pet", (schema.text("kind", "cat", "what it is"),), "perhaps a pet")
HOUSE = schema.table(
    "house",
    (
        schema.text("name", None, "its name", refuse_x, "villa"),
        schema.number("rooms", schema.INTEGER, 3, 1, 10, "how many rooms"),
        schema.boolean("garden", False, "whether there is a garden"),
        schema.choice("roof", "flat", ("flat", "steep", "later:green"), "the roof"),
        schema.texts("people", (), 0, 2, "who lives there", refuse_x),
        schema.secret("key", "", "the key", refuse_x),
        schema.path("plan", "", "its plan"),
        schema.url("site", "http://h", ("http",), "its site", refuse_port_9),
    ),
    "a house",
    (INNER, PET),
)
ROOT = schema.table("", (), "all", (HOUSE,))


def read(**keys):
    return read_table(ROOT, {"house": keys})[0]


def test_what_is_not_given_has_its_default():
    values = read(name="a")
    assert values[:5] == ["a", 3, False, "flat", ()]
    assert (values[5].reveal(), values[6], str(values[7])) == ("", "", "http://h:80")
    assert values[8:] == [[], None]


def test_what_is_given_is_read():
    values = read(
        name="a",
        rooms=10,
        garden=True,
        roof="steep",
        people=["b", "c"],
        key="k",
        plan="p",
        site="",
        inner=[{"name": "d"}],
        pet={},
    )
    assert values[:5] == ["a", 10, True, "steep", ("b", "c")]
    assert (values[5].reveal(), values[6], values[7]) == ("k", "p", None)
    assert values[8:] == [[["d"]], ["cat"]]


# tree of the house, path, problem, hint
WRONG = (
    ({}, "house.name", "is missing", "add name: its name"),
    ({"name": ""}, "house.name", "is empty", 'for example name = "villa"'),
    ({"name": 1}, "house.name", "is a whole number, not text", "write one text, in quotes"),
    ({"name": None}, "house.name", "is null, not text", "write one text, in quotes"),
    ({"name": "ax"}, "house.name", '"ax" has an x', 'for example name = "villa"'),
    (
        {"name": "a\nb"},
        "house.name",
        "has a control character in it",
        "remove it, line ends too",
    ),
    (
        {"name": "a" * (TEXT_CHARACTERS_MAX + 1)},
        "house.name",
        f"has {TEXT_CHARACTERS_MAX + 1} characters",
        f"shorten it to {TEXT_CHARACTERS_MAX}",
    ),
    ({"nane": "a"}, "house.nane", "is not a known key", 'did you mean "name"?'),
    ({"petx": {}}, "house.petx", "is not a known key", 'did you mean "pet"?'),
    (
        {"wallpaper": 1},
        "house.wallpaper",
        "is not a known key",
        "known here: name, rooms, garden, roof, people, key, plan, site, inner, pet",
    ),
    (
        {"a\x1bb": 1},
        'house."a\\u001bb"',
        "is not a known key",
        "known here: name, rooms, garden, roof, people, key, plan, site, inner, pet",
    ),
    (
        {"name": "a", "rooms": "3"},
        "house.rooms",
        "is text, not a whole number",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "rooms": True},
        "house.rooms",
        "is true or false, not a whole number",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "rooms": 2.5},
        "house.rooms",
        "is a number with a fraction, not a whole number",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "rooms": 0},
        "house.rooms",
        "0 is below 1",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "rooms": 11},
        "house.rooms",
        "11 is above 10",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "rooms": 1 << 20000},
        "house.rooms",
        "the number is above 10",
        "write a whole number from 1 to 10",
    ),
    (
        {"name": "a", "garden": 1},
        "house.garden",
        "is a whole number",
        "write true or false, without quotes",
    ),
    (
        {"name": "a", "garden": "true"},
        "house.garden",
        "is text",
        "write true or false, without quotes",
    ),
    (
        {"name": "a", "roof": "step"},
        "house.roof",
        '"step" is not one of "flat", "steep"',
        'did you mean "steep"?',
    ),
    (
        {"name": "a", "roof": "wobbly"},
        "house.roof",
        '"wobbly" is not one of "flat", "steep"',
        'write one of "flat", "steep"',
    ),
    (
        {"name": "a", "roof": "green"},
        "house.roof",
        '"green" is not in this version yet',
        'use "flat", "steep"',
    ),
    ({"name": "a", "roof": ""}, "house.roof", "is empty", 'for example roof = "flat"'),
    (
        {"name": "a", "people": "b"},
        "house.people",
        "is text, not a list",
        "people: who lives there",
    ),
    (
        {"name": "a", "people": ["b", "c", "d"]},
        "house.people",
        "has 3 items",
        "write 0 to 2 of them; who lives there",
    ),
    (
        {"name": "a", "people": ["b", 1]},
        "house.people[1]",
        "is a whole number, not text",
        "write one text, in quotes",
    ),
    ({"name": "a", "people": [""]}, "house.people[0]", "is empty", "people: who lives there"),
    (
        {"name": "a", "people": ["b", "x"]},
        "house.people[1]",
        '"x" has an x',
        "people: who lives there",
    ),
    (
        {"name": "a", "people": ["b", "b"]},
        "house.people[1]",
        '"b" is given twice',
        "remove one",
    ),
    ({"name": "a", "key": "canary-x"}, "house.key", "has an x", "key: the key"),
    (
        {"name": "a", "key": 7},
        "house.key",
        "is a whole number, not text",
        "write one text, in quotes",
    ),
    (
        {"name": "a", "site": "h"},
        "house.site",
        '"h" does not begin with http://',
        'for example site = "http://h"',
    ),
    (
        {"name": "a", "site": "http://h:9"},
        "house.site",
        '"http://h:9" has port 9',
        'for example site = "http://h"',
    ),
    (
        {"name": "a", "site": "http://u:canary@h:9"},
        "house.site",
        "has port 9",
        'for example site = "http://h"',
    ),
    (
        {"name": "a", "inner": {}},
        "house.inner",
        "is one table, not a list of them",
        "write [[house.inner]], with two pairs of brackets",
    ),
    (
        {"name": "a", "inner": "b"},
        "house.inner",
        "is text, not a list of tables",
        "write [[house.inner]] for each of them",
    ),
    (
        {"name": "a", "inner": [{"name": "b"}, 1]},
        "house.inner[1]",
        "is a whole number, not a table",
        "write [house.inner[1]] on a line of its own and the keys below it",
    ),
    (
        {"name": "a", "inner": [{"name": "b"}, {}]},
        "house.inner[1].name",
        "is missing",
        "add name: its name",
    ),
    (
        {"name": "a", "inner": [{"name": "b"}] * 3},
        "house.inner",
        "is given 3 times",
        "write at most 2 of [[house.inner]]",
    ),
    (
        {"name": "a", "pet": [{}]},
        "house.pet",
        "is a list, not a table",
        "write [house.pet] once, with one pair of brackets",
    ),
    (
        {"name": "a", "pet": {"kin": 1}},
        "house.pet.kin",
        "is not a known key",
        'did you mean "kind"?',
    ),
)


def test_each_wrong_tree_gets_its_one_error():
    for keys, path, problem, hint in WRONG:
        with raises(SettingsError) as caught:
            read_table(ROOT, {"house": keys})
        error = caught.error
        assert (error.path, error.problem, error.hint) == (path, problem, hint), error.args
        assert "canary" not in str(error.args)


def test_a_missing_list_says_what_to_write():
    table = schema.table_list("inner", 1, 2, (schema.text("name", None, "its name"),), "inner")
    with raises(SettingsError) as caught:
        read_table(schema.table("", (), "all", (table,)), {})
    assert caught.error.args == ("inner", "is missing", "write at least one [[inner]] with name")


def test_the_first_error_is_always_the_same_one():
    # MicroPython's dictionaries have no order of their own.
    for _ in range(5):
        with raises(SettingsError) as caught:
            read(zz=1, yy=1, xx=1)
        assert caught.error.path == "house.xx"


def test_half_a_character_is_refused():
    with raises(SettingsError) as caught:
        read(name="a" + chr(0xD800))
    assert caught.error.problem == "is not valid Unicode"
