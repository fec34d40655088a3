"""A wrong configuration of a hub gets one error that says what to do."""

from support import raises
from tidegate.config.reading.hub_reader import read_hub
from tidegate.config.schema import SettingsError

CANARY = "canary-7f3a"
HASH = "sha256:" + "0a" * 32


def hub(*nodes, **keys):
    table = {"node": list(nodes) or [{"name": "a", "token": CANARY}]}
    table.update(keys)
    return read_hub({"hub": table})


def refusal(read, *tables, **keys):
    """Return the path, problem and hint of the error that this raises."""
    with raises(SettingsError) as caught:
        read(*tables, **keys)
    assert CANARY not in str(caught.error.args)
    return caught.error.args


WRONG_HUBS = (
    ([], {"node": []}, "hub.node", "is missing"),
    ([{"name": "a"}], {}, "hub.node[0].token", "is missing"),
    ([{"name": "a", "token": ""}], {}, "hub.node[0].token", "is missing"),
    ([{"name": "a", "token": "…"}], {}, "hub.node[0].token", "is the example"),
    ([{"name": "a", "token": f"{CANARY} x"}], {}, "hub.node[0].token", "has a character"),
    ([{"name": "a", "token_env": CANARY}], {}, "hub.node[0].token_env", "is not the name of a var"),
    ([{"name": "a", "token_hash": CANARY}], {}, "hub.node[0].token_hash", "is not sha256:"),
    ([{"token": CANARY}], {}, "hub.node[0].name", "is missing"),
    (
        [{"name": "a", "token": CANARY, "token_hash": HASH}],
        {},
        "hub.node[0].token",
        "is given, and token_hash too",
    ),
    ([{"name": "a", "token_hash": "x"}], {}, "hub.node[0].token_hash", "is not sha256:"),
    (
        [{"name": "a", "token": CANARY}, {"name": "a", "token": "b"}],
        {},
        "hub.node[1].name",
        '"a" is given twice',
    ),
    (
        [{"name": "a", "token": CANARY}, {"name": "b", "token": CANARY}],
        {},
        "hub.node[1].token",
        'is the token of "a" too',
    ),
    (
        [
            {"name": "a", "token_hash": HASH},
            {"name": "b", "token_hash": HASH.replace("a", "A").replace("A256", "a256")},
        ],
        {},
        "hub.node[1].token_hash",
        'is the token of "a" too',
    ),
    ([], {"url": ""}, "hub.url", "is empty"),
    ([], {"url": "https://h"}, "hub.url", '"https://h" does not begin with http://'),
    ([], {"database": ""}, "hub.database", "is empty"),
    ([], {"database": f"mysql://u:{CANARY}@h"}, "hub.database", "does not begin with sqlite://"),
    ([], {"batch_bytes_max": 0}, "hub.batch_bytes_max", "0 is below 1024"),
    ([], {"requests_per_s": -1}, "hub.requests_per_s", "-1 is below 0"),
    ([], {"port": 80}, "hub.port", "is not a known key"),
)


def test_each_wrong_hub_gets_its_one_error():
    for nodes, keys, path, problem in WRONG_HUBS:
        error = refusal(hub, *nodes, **keys)
        assert error[0] == path, error
        assert error[1].startswith(problem), error
        assert error[2], error
