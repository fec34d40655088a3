"""Tidegate on MicroPython: a durable store-and-forward node on a small board.

    import tidegate_micropython

    node = tidegate_micropython.start()  # Reads config.json.
    node.put("greenhouse/1/temp", 21.5)  # On flash when it returns.
    node.every(60, "greenhouse/1/humidity", read_humidity)
    node.run()

What is where: `node` is what a sketch calls, `cycle` the mode for boards that sleep; `shell` runs
the core, `composition` puts both together; `source` is the queue before it, `journal` the files
below it, `link` and its kin the way up; `clock`, `board`, `wifi`, `log`, `config` and `status` are
the rest of the platform.
"""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.config.node_settings import NodeSettings
    from tidegate_micropython.node import Node


# So many bytes between two collections.  Without, the first one comes when the heap is full, and by
# then what stays lies scattered in it and no kilobyte is in one piece any more.
COLLECT_BYTES = 16_384


class ConfigError(Exception):
    """Report a wrong configuration: a key's path, and what is wrong with it."""


def start(
    config: "str | dict[str, Any]" = "config.json",
    machine: "Any" = None,
    network: "Any" = None,
    make_link: "Any" = None,
) -> "Node":
    """Return a running node; raise `ConfigError` for a configuration that is wrong.

    It starts also without a network and with a log that cannot be opened (P5).  A folder is the log
    of one node: `ValueError` where this program runs one on it; another program is not seen, as
    no board has two.  `machine`,
    `network` and `make_link` stand in for those of the port, for tests.
    """
    if hasattr(gc, "threshold") and gc.threshold() < 0:  # Unless the sketch has its own.
        gc.threshold(COLLECT_BYTES)
    settings = load_settings(config)
    # Only now: what checks the settings has left memory again.
    from tidegate_micropython.composition import make_node

    return make_node(settings, machine, network, make_link)


def load_settings(config: "str | dict[str, Any]") -> "NodeSettings":
    """Return the settings in a file, or in a tree of plain values; raise `ConfigError`."""
    from tidegate_micropython import config as reader

    try:
        return reader.load_node(config)
    except ValueError as error:
        raise ConfigError(": ".join([part for part in error.args if part]))
    finally:
        reader.forget()
