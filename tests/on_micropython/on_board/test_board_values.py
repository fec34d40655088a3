"""What can be stored is stored as it should be, and all else is refused at once."""

import json

from test_board_node import held, node_of

from fakes import empty_folder
from support import raises
from tidegate_micropython.node import payload_of


def test_values_are_bytes_text_or_json():
    for value, payload in (
        (b"\0\1", b"\0\1"),
        (bytearray(b"x"), b"x"),
        ("\u00e4", b"\xc3\xa4"),
        (True, b"true"),
        (None, b"null"),
        (7, b"7"),
        (-2.5, b"-2.5"),
        ([1, "a"], b'[1, "a"]'),
    ):
        assert payload_of(value) == payload
    assert json.loads(payload_of({"a": {"b": [1]}})) == {"a": {"b": [1]}}
    for value in (float("nan"), float("inf")):
        with raises(ValueError):
            payload_of(value)
    for value in ({"a": [1, float("nan")]}, (float("-inf"),)):
        with raises(ValueError):
            payload_of(value)
    for value in (object(), {1, 2}, [{"a": b"x"}], {"a": print}, {"a": {1}}, {1: 2}, [{None: 1}]):
        with raises(TypeError):
            payload_of(value)
    nested = 1
    for _ in range(16):
        nested = [nested]
    assert json.loads(payload_of({"a": [None, True, 0.5, "x"]})) == {"a": [None, True, 0.5, "x"]}
    assert payload_of(nested) == b"[" * 16 + b"1" + b"]" * 16
    nested = [nested]
    nested[0] = nested  # It has no end.
    with raises(ValueError):
        payload_of(nested)


def test_what_can_be_no_record_is_refused_and_leaves_nothing():
    node = node_of(empty_folder("wrong"))
    for topic in ("", "a/#", "+", "a\0b", "$SYS/x", "$tidegate/gap"):
        for put in (node.put, node.put_nowait):
            with raises(ValueError):
                put(topic, 1)
    with raises(ValueError):
        node.put("a", bytes(4097))
    for topic, properties in ((b"a", ()), (7, ()), ("a", [("unit", 1)]), ("a", [(b"unit", "1")])):
        for put in (node.put, node.put_nowait):
            with raises(TypeError) as caught:
                put(topic, 1, properties=properties)
            assert "is no str" in str(caught.error)
    for seconds, topic in ((0, "a"), (1, "$a"), (1, "a/#")):
        with raises(ValueError):
            node.every(seconds, topic, int)
    for topic, read in ((b"a", int), ("a", 21.5), ("a", None)):
        with raises(TypeError):
            node.every(1, topic, read)
    assert node.samplers == []
    assert held(node) == 0 and node.status()["sources"][0]["waiting"] == 0
    node.close()
    with raises(ValueError):
        node.put("a", 1)
