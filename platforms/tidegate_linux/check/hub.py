"""What could keep records from the hub: asks it as the uplink will, and changes nothing there."""

import os
import time
from pathlib import Path

import requests
import urllib3

from tidegate.config.settings import UplinkSettings
from tidegate.delivery.http_date import parse_http_date
from tidegate.errors import ProtocolError, StorageError
from tidegate.records.stream import Stream
from tidegate.wire.receipt import read_standing
from tidegate_linux.http.faults import explain_error
from tidegate_linux.http.link import ANSWER_BYTES_MAX, parse_fields
from tidegate_linux.http.session import Session
from tidegate_linux.journal.errors import JournalError
from tidegate_linux.journal.sqlite import read_state
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, Finding

CLOCK_DIFFERENCE_S_MAX = 60.0
DETAIL_CHARACTERS_MAX = 200

_PORTAL = "is a captive portal or another server in the way? uplink.url must lead to a hub"
_HINTS = {
    401: "uplink.token must be the one that the hub has for this node in [[hub.node]]",
    403: "see what the hub's log says of this node",
    404: "what listens there has no hub at this path; look at the path in uplink.url",
}


def check_hub(settings: UplinkSettings, data: Path) -> list[Finding]:
    """Ask the hub where it stands with this node; return what is to be known."""
    stream = stream_of(data)
    session = Session(settings)
    try:
        request = session.prepare("GET", f"{settings.url}/v1/streams/{stream}", None)
        response = session.send(request)
        body = response.raw.read(ANSWER_BYTES_MAX, decode_content=False)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return [Finding(ERROR, explain_error(error, settings.url), _hint_unreachable(settings))]
    finally:
        session.disconnect()
    date = response.headers.get("Date", "")
    return [_standing(stream, response, parse_fields(body)), *_clock(date, time.time())]


def stream_of(data: Path) -> Stream:
    """Return a stream that the gateway has, or one that nobody has where there is no journal."""
    try:
        state = read_state(data)
        lane = state.lanes[0]
        return Stream(state.node, lane.epoch, lane.lane)
    except (JournalError, StorageError, IndexError):
        return Stream(os.urandom(8).hex(), os.urandom(8).hex(), "main")


def _hint_unreachable(settings: UplinkSettings) -> str:
    if settings.url.scheme == "https":
        return "look at uplink.url and the files for TLS; without a hub everything is held"
    return "look at uplink.url, and whether the hub runs; without it everything is held"


def _standing(stream: Stream, response: requests.Response, fields: object) -> Finding:
    """Judge the answer to a query."""
    status = response.status_code
    if status == 200:
        try:
            standing = read_standing(stream, fields)
        except ProtocolError as error:
            return Finding(ERROR, f"what answers is no hub: {error.detail}", _PORTAL)
        through = standing.cursor.through
        return Finding(INFO, f"it knows the token and this stream up to {through:,}", "")
    detail = _detail(fields)
    if 300 <= status < 400:
        place = response.headers.get("Location", "")[:DETAIL_CHARACTERS_MAX]
        return Finding(ERROR, f"it redirects to {place or 'elsewhere'}", _PORTAL)
    if status in _HINTS:
        return Finding(ERROR, f"it refuses us with status {status}{detail}", _HINTS[status])
    if status == 429 or status >= 500:
        hint = "the gateway tries again by itself; the hub's log says more"
        return Finding(WARNING, f"it cannot answer now, status {status}{detail}", hint)
    return Finding(ERROR, f"it answers with status {status}{detail}", _PORTAL)


def _detail(fields: object) -> str:
    if isinstance(fields, dict) and isinstance(fields.get("detail"), str):
        return ": " + str(fields["detail"])[:DETAIL_CHARACTERS_MAX]
    return ""


def _clock(date: str, wall_s: float) -> list[Finding]:
    """Compare the hub's clock with ours."""
    hub_ms = parse_http_date(date, int(wall_s * 1000))
    if hub_ms is None:
        return []
    difference_s = wall_s - hub_ms / 1000
    if abs(difference_s) <= CLOCK_DIFFERENCE_S_MAX:
        return []
    direction = "ahead of" if difference_s > 0 else "behind"
    what = f"our clock is {abs(difference_s):.0f} s {direction} the hub's"
    return [Finding(WARNING, what, "let a time service, as chrony, keep both")]
