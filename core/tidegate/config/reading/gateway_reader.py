"""Reads a gateway's settings from a tree of plain values.

Promises that what it returns is complete and consistent: every default is filled in, every value
checked, and what one key demands of another too.  Raises `SettingsError` for the first thing wrong.
Leaves to the platform to parse the file, to read the secrets and files that keys name, and to say
what a relative path is relative to.
"""

from tidegate.config.endpoint_schema import ENDPOINT
from tidegate.config.gateway_schema import GATEWAY, UPLINK
from tidegate.config.reading.reader import read_table
from tidegate.config.reading.rules import check_tls, first_of, one_of, token_keys
from tidegate.config.reading.sources import read_listeners, read_nodes, read_sources
from tidegate.config.schema import SettingsError
from tidegate.config.settings import (
    AccessSettings,
    EndpointSettings,
    GatewaySettings,
    JournalSettings,
    LaneSettings,
    LogSettings,
    NodeSettings,
    PiSettings,
    StatusSettings,
    UplinkSettings,
)
from tidegate.delivery.schedule import parse_window
from tidegate.limits import LANES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAIN_LANE = "main"  # Takes what no other lane takes, so there always is one.
# What waits for clients lies in the journal and is not dropped there to make room: together it may
# take one in so many of its bytes, so that it cannot stop the messages for the hub.
QUEUED_PART = 4
WATCHDOG_S_MIN = 5  # A commit on a slow card may take some, and the board is fed each second.
HEADER_GPIO_MAX = 27  # The last one on the header of a Raspberry Pi with 40 pins.
USERS_FILE = "users"  # Its name in the data folder, when the configuration names no other.


def read_gateway(tree: "dict[str, Any]", host_name: str = "tidegate") -> GatewaySettings:
    """Return a gateway's settings; `host_name` is its name if it is given none.

    Raises `SettingsError`.
    """
    tables = read_table(GATEWAY, tree)
    node, sources, endpoint, access, lanes, journal, uplink, status, log, pi = tables
    node = NodeSettings(*node)
    if not node.name:
        node = NodeSettings(host_name, node.data, node.board)
    journal = JournalSettings(*journal)
    return GatewaySettings(
        node,
        read_sources(sources, node.name),
        read_listeners(sources),
        _endpoint(EndpointSettings(*endpoint), node.data, journal.limit_bytes),
        tuple([AccessSettings(*values) for values in access]),
        _lanes([LaneSettings(*values) for values in lanes]),
        journal,
        None if uplink is None else _uplink(uplink),
        StatusSettings(*status),
        LogSettings(*log),
        tuple([values[0] for values in sources]),
        read_nodes(sources),
        _pi(PiSettings(*pi)),
    )


def _endpoint(given: EndpointSettings, data: str, journal_bytes: int) -> EndpointSettings:
    """Return the endpoint's settings with the place of its users, and as the journal allows."""
    values = list(given)
    values[0] = given.users_file or data.rstrip("/") + "/" + USERS_FILE
    at = [key.name for key in ENDPOINT.keys].index("queued_bytes_max")
    values[at] = min(given.queued_bytes_max, journal_bytes // QUEUED_PART)
    return EndpointSettings(*values)


def _lanes(lanes: "list[LaneSettings]") -> "tuple[LaneSettings, ...]":
    """Return the lanes, with the main one at the end if it stands nowhere else."""
    for index, lane in enumerate(lanes):
        path = f"lane[{index}]"
        first_of(path, "name", lane.name, [other.name for other in lanes[:index]])
        if not lane.topics and lane.name != MAIN_LANE:
            hint = 'for example topics = ["site/+/alarm"]'
            raise SettingsError(f"{path}.topics", "is missing", hint)
    if MAIN_LANE not in [lane.name for lane in lanes]:
        lanes = lanes + [LaneSettings(MAIN_LANE, (), False)]
    if len(lanes) > LANES_MAX:
        problem = f"is given {len(lanes) - 1} times, and lane main is one more"
        raise SettingsError("lane", problem, f"write at most {LANES_MAX - 1} besides main")
    return tuple(lanes)


def _uplink(values: "list[Any]") -> UplinkSettings:
    """Return the uplink with its windows parsed."""
    values = list(values)
    at = [key.name for key in UPLINK.keys].index("windows")
    values[at] = tuple([parse_window(text) for text in values[at]])
    uplink = UplinkSettings(*values)
    one_of("uplink", "token", token_keys(uplink))
    check_tls("uplink", uplink)
    return uplink


def _pi(given: PiSettings) -> PiSettings:
    """Return what is used of a Raspberry Pi, when it goes together."""
    if 0 < given.watchdog_s < WATCHDOG_S_MIN:
        problem = f"{given.watchdog_s} is below {WATCHDOG_S_MIN}"
        hint = f"write {WATCHDOG_S_MIN} or more, or 0 to leave the watchdog alone"
        raise SettingsError("pi.watchdog_s", problem, hint)
    if given.power_fail_gpio > HEADER_GPIO_MAX and not given.power_fail_chip:
        problem = f"{given.power_fail_gpio} is above {HEADER_GPIO_MAX}"
        hint = "write the number of the GPIO, not of the pin; pin 11, for example, is GPIO 17"
        raise SettingsError("pi.power_fail_gpio", problem, hint)
    if given.power_fail_gpio < 0 and given.power_fail_medium != "keep":
        hint = "name the GPIO that says so, for example power_fail_gpio = 17"
        problem = "is missing, and power_fail_medium is given"
        raise SettingsError("pi.power_fail_gpio", problem, hint)
    return given
