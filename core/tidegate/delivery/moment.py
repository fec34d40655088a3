"""When something happens, by every clock that delivery asks."""

from collections import namedtuple


class Moment(namedtuple("Moment", ("now_ms", "wall_ms", "boot"))):
    """When something happens: monotonic, wall time or None, and the number of the current boot."""

    __slots__ = ()
    now_ms: int
    wall_ms: "int | None"
    boot: int
