"""Reads a hub's settings from a tree of plain values.

Promises what `gateway_reader` promises.
"""

from tidegate.config.hub_schema import HUB
from tidegate.config.reading.reader import read_table
from tidegate.config.reading.rules import first_of, one_of, token_keys
from tidegate.config.schema import SettingsError
from tidegate.config.settings import HubNodeSettings, HubSettings
from tidegate.config.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def read_hub(tree: "dict[str, Any]") -> HubSettings:
    """Return a hub's settings; raise `SettingsError`."""
    url, database, batch_bytes_max, requests_per_s, node_values = read_table(HUB, tree)[0]
    if url is None:
        raise SettingsError("hub.url", "is empty", 'for example url = "http://127.0.0.1:8080"')
    if not database:
        raise SettingsError("hub.database", "is empty", 'for example "sqlite:///hub.db"')
    nodes = [HubNodeSettings(*values) for values in node_values]
    for index, node in enumerate(nodes):
        path = f"hub.node[{index}]"
        one_of(path, "token", token_keys(node) + [("token_hash", node.token_hash != "")])
        first_of(path, "name", node.name, [other.name for other in nodes[:index]])
    check_tokens_differ(nodes)
    return HubSettings(url, database, batch_bytes_max, requests_per_s, tuple(nodes))


def check_tokens_differ(nodes: "Sequence[HubNodeSettings]") -> None:
    """Raise `SettingsError` when two nodes have the same token, as far as tokens are known yet."""
    seen: dict[object, str] = {}
    for index, node in enumerate(nodes):
        for name, token in (("token", node.token), ("token_hash", node.token_hash.lower())):
            if not token:
                continue
            if token in seen:
                problem = f"is the token of {seen[token]} too"
                raise SettingsError(f"hub.node[{index}].{name}", problem, "give each node its own")
            seen[token] = shown(node.name)
