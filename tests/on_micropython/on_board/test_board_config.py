"""A board judges a configuration as the schema does, and lets go of what it judges with."""

import json
import os
import sys

from fakes import empty_folder
from node_trees import CANARY, RIGHT, WRONG
from support import raises
from tidegate.config.reading.node_reader import read_node
from tidegate_micropython import ConfigError
from tidegate_micropython import load_settings as load_node

TABLES = ("wifi", "journal", "uplink", "board")


def same(ours, theirs):
    """Tell whether the attributes of `ours` are what a record of the schema's reader has."""
    if theirs is None:
        return ours is None
    return all(value == getattr(theirs, name) for name, value in ours.__dict__.items())


def test_what_is_right_has_the_same_settings():
    for tree in RIGHT:
        ours, theirs = load_node(tree), read_node(tree)
        assert ours.name == theirs.name
        for table in TABLES:
            assert same(getattr(ours, table), getattr(theirs, table)), (tree, table)
        assert len(ours.lanes) == len(theirs.lanes)
        for ours_lane, theirs_lane in zip(ours.lanes, theirs.lanes):
            assert same(ours_lane, theirs_lane), tree


def test_what_is_wrong_is_refused_with_the_name_of_the_key():
    for tree, path, _ in WRONG:
        with raises(ConfigError) as caught:
            load_node(tree)
        assert str(caught.error).startswith(path), (tree, str(caught.error))
        assert CANARY not in str(caught.error)


def test_what_judges_is_out_of_memory_again():
    load_node(RIGHT[-2])
    for name in ("tidegate_micropython.config", "tidegate_micropython.keys", "tidegate.config.url"):
        assert name not in sys.modules


def test_a_file_is_read_or_named():
    folder = empty_folder("config")
    os.mkdir(folder)
    path = f"{folder}/config.json"
    with open(path, "w") as file:
        file.write(json.dumps({"node": {"name": "n-1"}}))
    assert load_node(path).name == "n-1"
    for content in ("{'node': 1}", "[1", "x" * 20_000):
        with open(path, "w") as file:
            file.write(content)
        with raises(ConfigError) as caught:
            load_node(path)
        assert str(caught.error).startswith(path)
    with raises(ConfigError):
        load_node(f"{folder}/none.json")
