"""A hub's file given to a gateway, and the other way round, is told as that."""

import pytest

from tidegate_linux.config import ConfigError, load_gateway, load_hub

HUB = '[[hub.node]]\nname = "a"\ntoken = "9f86d081884c7d65"\n'
GATEWAY = '[[source]]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1"\ntopics = ["a"]\n'


@pytest.mark.parametrize(
    ("load", "text", "what", "hint"),
    [
        (load_gateway, HUB, "is a hub's file", "tidegate hub -c FILE"),
        (load_hub, GATEWAY, "is a gateway's file", "tidegate run -c FILE"),
        # With both in it, somebody has mixed two files; what does not belong here is named.
        (load_gateway, HUB + GATEWAY, "hub: is not a known key", "known here: "),
    ],
)
def test_the_wrong_kind_of_file_is_told(tmp_path, load, text, what, hint):
    path = tmp_path / "some.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert what in caught.value.what
    assert hint in caught.value.hint
