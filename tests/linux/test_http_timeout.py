"""How long a request may take, whatever the configuration says."""

from builders import uplink_settings
from tidegate.config.gateway_schema import TIMEOUT_S_MAX
from tidegate.delivery.line import PROBE_MS_MAX
from tidegate_linux.http.link import HttpLink


def test_a_request_ends_before_its_probe_counts_as_lost():
    # Otherwise a second probe would be under way beside the first one.
    link = HttpLink(uplink_settings(timeout_s=TIMEOUT_S_MAX), 1)
    assert link.deadline_s * 1000 < PROBE_MS_MAX
