"""A gateway that has recovered, driven without an engine."""

from builders import BOOT_IDENTITY, chance, gateway_settings
from scripted import Medium
from tidegate.composition import compose
from tidegate.effects import Append
from tidegate.events import Recovered
from tidegate.gateway import lane_names


def gateway(tree=None, medium=None, sources=("source",), identity=BOOT_IDENTITY):
    """Return a gateway that has recovered what `medium` holds, and did all it wanted to."""
    one = compose(gateway_settings(tree), list(sources), identity, chance())
    medium = medium or Medium(lane_names(gateway_settings(tree)))
    settle(one, Recovered(medium.state()), medium)
    return one, medium


def settle(one, event, medium, now_ms=0):
    """Handle `event`, apply what is appended, and return all effects."""
    effects = one.handle(event, now_ms)
    for effect in effects:
        if isinstance(effect, Append):
            for entry in effect.entries:
                medium.apply(entry)
    return effects
