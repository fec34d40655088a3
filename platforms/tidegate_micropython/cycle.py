"""One cycle of a board that sleeps: sample, log, upload if that is due, sleep.

Promises that what was sampled is on flash before the radio is turned on, and that what was not
delivered stays there for a later cycle.  Imported when it is used.
"""

import sys

from tidegate.errors import StorageError
from tidegate_micropython.status import oldest_age_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tidegate_micropython.node import Node

UPLOAD_MS = 30_000  # To join the network and send; a battery pays for more.
RETRY_MS_MIN, RETRY_MS_MAX = 60_000, 3_600_000  # After uploads that failed.


def run_cycle(node: "Node", samples: "Sequence[tuple[str, Any]]", sleep_s: float) -> None:
    """Run one cycle of `node`; returns only where the board cannot sleep deeply."""
    if sys.platform != "rp2":  # Its watchdog cannot be stopped and counts to 8 s.
        node.board.start_watchdog()
    for topic, value in samples:
        try:
            value = value() if callable(value) else value
            if not node.put_nowait(topic, value):
                node.sync()
                node.put_nowait(topic, value)
        except Exception as error:
            fields: list[tuple[str, object]] = [("topic", topic), ("error", repr(error))]
            node.observer.report("warning", "read_failed", fields)
    try:
        node.sync()
    except StorageError as error:
        node.observer.report("error", "not_stored", [("why", str(error))])
    if is_upload_due(node, sleep_s):
        upload(node)
        node.shell.uses_network = False
        node.shell.wifi.stop()
    node.clock.prepare_sleep()
    node.board.sleep(int(sleep_s * 1000))


def is_upload_due(node: "Node", sleep_s: float) -> bool:
    """Tell whether so much is held, or for so long, that it is worth the radio."""
    uplink, shell = node.settings.uplink, node.shell
    now_ms = node.clock.now_ms()
    held = shell.held_records()
    if uplink is None or not held or now_ms < node.clock.upload_at_ms:
        return False
    if held >= uplink.batch_records:
        return True
    urgent = [lane.name for lane in node.settings.lanes if lane.urgent]
    if any(lane.held_records and lane.name in urgent for lane in shell.gateway.lanes):
        return True
    age_s = oldest_age_s(shell, now_ms)
    if age_s is None:
        # Each wake is a new boot, and no clock tells how long the sleeps were: count them.
        boots = [record.boot for record in shell.engine.oldest_held(now_ms)]
        age_s = (shell.gateway.clock.boot.number - min(boots)) * sleep_s if boots else 0
    return age_s >= uplink.upload_interval_s


def upload(node: "Node") -> None:
    """Upload, and say when to try again if that failed."""
    clock = node.clock
    if node.upload(UPLOAD_MS):
        clock.upload_failures = 0
        clock.upload_at_ms = 0
        return
    delay_ms = min(RETRY_MS_MAX, RETRY_MS_MIN << min(clock.upload_failures, 10))
    clock.upload_failures += 1
    clock.upload_at_ms = clock.now_ms() + delay_ms
