"""The sample files show every key with its default, and can be used as they are."""

import re
import tomllib
from pathlib import Path

import pytest

from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.hub_reader import read_hub
from tidegate_linux import sample

FOLDER = Path(__file__).resolve().parents[2] / "packaging" / "config"
SAMPLES = (
    ("gateway.toml", sample.sample_gateway, GATEWAY, read_gateway),
    ("hub.toml", sample.sample_hub, HUB, read_hub),
)
SWITCHED_OFF = re.compile(r"^#(?=[a-z\[])", re.MULTILINE)

each_sample = pytest.mark.parametrize(
    ("name", "render", "schema", "read"), SAMPLES, ids=[row[0] for row in SAMPLES]
)


def tables_in(table, tree):
    """Yield each table of the schema with what the tree has of it, the first of a list."""
    for inner in table.tables:
        value = tree[inner.name]
        first = value[0] if inner.many else value
        yield inner, first
        for index, (_, variant) in enumerate(inner.variants):
            yield variant, value[index + 1]
        yield from tables_in(inner, first)


@each_sample
def test_the_committed_sample_is_the_rendered_one(name, render, schema, read):
    hint = "python -m tidegate_linux.sample packaging/config"
    assert (FOLDER / name).read_text(encoding="utf-8") == render(), hint


@each_sample
def test_the_sample_is_accepted_as_it_is(name, render, schema, read):
    read(tomllib.loads(render()))


@each_sample
def test_the_sample_shows_every_key_with_its_default(name, render, schema, read):
    tree = tomllib.loads(SWITCHED_OFF.sub("", render()))
    for table, shown in tables_in(schema, tree):
        names = [key.name for key in table.keys] + [inner.name for inner in table.tables]
        assert list(shown) == names, table.name
        for key in table.keys:
            expected = key.default if key.example is None else key.example
            value = tuple(shown[key.name]) if isinstance(shown[key.name], list) else shown[key.name]
            assert value == expected, (table.name, key.name)


@each_sample
def test_switching_everything_on_changes_nothing(name, render, schema, read):
    before = read(tomllib.loads(render()))
    tree = tomllib.loads(SWITCHED_OFF.sub("", render()))
    lanes, access, listeners = tree.pop("lane", None), tree.pop("access", None), []
    if "source" in tree:
        listeners = tree["source"][1:]
        del tree["source"][1:]
    assert read(tree) == before
    if listeners:
        tree.update(lane=lanes, access=access, source=listeners)
        switched_on = read(tree)
        assert [lane.name for lane in switched_on.lanes] == ["alarm", "main"]
        assert [listener.url.port for listener in switched_on.listeners] == [1883]
        assert [rule.users for rule in switched_on.access] == [("sensor-*",)]


@each_sample
def test_the_sample_is_fit_to_read(name, render, schema, read):
    text = render()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.isascii()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_main_writes_both_files(tmp_path):
    assert sample.main([str(tmp_path)]) == 0
    assert (tmp_path / "gateway.toml").read_text() == sample.sample_gateway()
    assert (tmp_path / "hub.toml").read_text() == sample.sample_hub()
