"""Composes the gateway of a site, with every part that its configuration may ask for.

A small node leaves most of them out and composes its `Gateway` itself: of `Samples` and a `Line`
that is `AlwaysOpen`.
"""

from tidegate.delivery.line import Line
from tidegate.delivery.retry_after import parse_retry_after
from tidegate.delivery.schedule import Schedule, Window
from tidegate.gateway import LISTEN, NODES, Gateway
from tidegate.records.filters import FilterMap
from tidegate.store.admission import Admission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.config.settings import GatewaySettings, UplinkSettings
    from tidegate.delivery.chance import Chance


def compose(
    settings: "GatewaySettings", sources: "list[str]", boot_identity: str, chance: "Chance"
) -> Gateway:
    """Return the gateway that `settings` describe; the other arguments are those of `Gateway`."""
    filters = [(topic.encode(), lane.name) for lane in settings.lanes for topic in lane.topics]
    admission = Admission(
        FilterMap(filters),
        [one.message_id.encode() for one in settings.sources + settings.listeners],
        # What a device retains at our own endpoint, or a node has recorded, is new each time.
        {source for source in sources if source not in (LISTEN, NODES)},
    )
    line = None if settings.uplink is None else _line(settings.uplink, chance)
    return Gateway(settings, sources, boot_identity, chance, admission, line)


def _line(settings: "UplinkSettings", chance: "Chance") -> Line:
    schedule = Schedule(
        [Window(start, end) for start, end in settings.windows],
        settings.bytes_per_day or None,
        settings.windows_utc_offset_minutes,
    )
    return Line(settings.retry_max_s * 1000, schedule, chance, parse_retry_after)
