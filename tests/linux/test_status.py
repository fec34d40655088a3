"""What a gateway says of itself: rates, metrics, the status server, `tidegate status`."""

import http.client
import io
import json
import os
import re
import shutil
import socket
import time

import pytest
import requests
from rich.console import Console

from builders import gateway_settings
from fixtures.raw_server import RawServer, reply
from tidegate.config.secret import Secret
from tidegate.config.settings import StatusSettings
from tidegate.config.url import Url, parse_url
from tidegate.store.journal import JournalState, LaneState, Spent
from tidegate_linux.config import load_gateway
from tidegate_linux.journal.aside import Salvage, write_account
from tidegate_linux.journal.sqlite import open_journal
from tidegate_linux.status.metrics import metrics_text
from tidegate_linux.status.rates import LONG_WINDOW_MS, WINDOW_MS, Counts, Rates
from tidegate_linux.status.server import STUCK_S, StatusServer, listen
from tidegate_linux.status.status import (
    StatusError,
    ask,
    duration,
    show,
    size,
    status_fields,
    stored_fields,
)
from tidegate_linux.status.survey import Snapshot

STREAM = "00c0ffee00c0ffee.0000000000000001.main"
FIELDS = {
    "node": "00c0ffee00c0ffee",
    "name": 'site "7"\n',
    "version": "0",
    "uptime_s": 5.5,
    "streams": [
        {
            "stream": STREAM,
            "lane": "main",
            "admitted": 10,
            "delivered": 4,
            "held": 3,
            "quarantined": 1,
            "dropped": {"overflow": 2},
            "balanced": True,
            "held_bytes": 300,
        }
    ],
    "backlog": {"records": 3, "bytes": 300, "oldest_age_s": 61.5},
    "link": {
        "state": "down",
        "since": None,
        "for_s": 7.0,
        "last_error": "[red]no[/]\x1b[2J",
        "target": "http://hub",
    },
    "rate": {"in_per_s": 2.0, "out_per_s": 0.0},
    "offline_capacity_s": 90061,
    "sources": [
        {
            "name": "source-1",
            "state": "connected",
            "for_s": 1.0,
            "last_error": "",
            "broker": "mqtt://b:1883",
            "connections": 2,
        }
    ],
    "journal": {
        "state": "open",
        "shut_reason": "",
        "stored_bytes": 1,
        "spare_bytes": 2,
        "limit_bytes": 3,
        "overflow": "block",
        "commits": 5,
        "commit_s": 0.25,
        "commits_within_s": {
            "0.001": 1, "0.003": 2, "0.01": 0, "0.03": 0, "0.1": 1, "0.3": 0, "1.0": 0, "3.0": 0,
            "10.0": 0,
        },
    },
    "clock": {"quality": "set", "boot": 1},
    "process": {"pid": 1, "resident_bytes": 4096, "resident_bytes_max": 8192, "cpu_s": 0.5},
    "health": {"problems": [], "warnings": ["the line is down"]},
}  # fmt: skip


def test_rates_are_of_the_last_seconds():
    rates = Rates()
    assert rates.in_per_s == 0
    for second in range(60):
        rates.add(Counts(second * 1000, second * 10, second * 5))
    assert (rates.in_per_s, rates.out_per_s, rates.in_per_s_long) == (10, 5, 10)
    for second in range(60, 60 + WINDOW_MS // 1000 + 1):
        rates.add(Counts(second * 1000, 590, 295))
    assert (rates.in_per_s, rates.out_per_s) == (0, 0)
    assert rates.in_per_s_long > 5
    for second in range(71, 71 + LONG_WINDOW_MS // 1000 + 5):
        rates.add(Counts(second * 1000, 590, 295))
    assert rates.in_per_s_long == 0


def test_rates_stay_bounded_and_survive_a_stream_that_begins_anew():
    rates = Rates()
    for tick in range(5000):
        rates.add(Counts(tick * 500, tick, tick))
    assert len(rates._recent) + len(rates._long) < 200
    rates.add(Counts(2_600_000, 0, 0))
    assert rates.in_per_s == 0
    rates.add(Counts(2_601_000, 7, 0))
    assert rates.in_per_s == 7


def parse_metrics(text):
    """Return {name{labels}: value} after a look whether every line is as Prometheus wants it."""
    values, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, "each name once"
            types[name] = kind
            continue
        match = re.fullmatch(
            r'([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? ([0-9.e+-]+)', line
        )
        assert match, line
        family = re.sub(r"_(bucket|sum|count)$", "", match[1])
        assert match[1] in types or types[family] == "histogram"
        if types.get(match[1]) == "counter":
            assert match[1].endswith("_total")
        values[match[1] + (match[2] or "")] = float(match[3])
    assert text.endswith("\n")
    return values


def test_metrics_are_what_prometheus_reads():
    values = parse_metrics(metrics_text(Snapshot(1, (), (), FIELDS), 0.5, True))
    labels = f'{{stream="{STREAM}",lane="main"}}'
    assert values["tidegate_stream_admitted_total" + labels] == 10
    dropped = f'{{stream="{STREAM}",lane="main",reason="overflow"}}'
    assert values["tidegate_stream_dropped_total" + dropped] == 2
    assert values["tidegate_backlog_oldest_seconds"] == 61.5
    assert values['tidegate_link_state{state="down"}'] == 1
    assert values['tidegate_link_state{state="up"}'] == 0
    assert values['tidegate_source_connected{source="source-1"}'] == 1
    assert values["tidegate_healthy"] == 1


def test_the_histogram_of_commits_is_cumulative():
    values = parse_metrics(metrics_text(Snapshot(1, (), (), FIELDS), 0.5, True))
    buckets = [values[f'tidegate_commit_seconds_bucket{{le="{le}"}}'] for le in ("0.001", "0.003")]
    assert buckets == [1, 3]
    assert values['tidegate_commit_seconds_bucket{le="10.0"}'] == 4
    assert values['tidegate_commit_seconds_bucket{le="+Inf"}'] == 5
    assert values["tidegate_commit_seconds_count"] == 5


def test_what_is_not_known_is_left_out():
    fields = {**FIELDS, "offline_capacity_s": None}
    fields["backlog"] = {**FIELDS["backlog"], "oldest_age_s": None}
    values = parse_metrics(metrics_text(Snapshot(1, (), (), fields), 0.5, True))
    assert "tidegate_offline_capacity_seconds" not in values
    assert "tidegate_backlog_oldest_seconds" not in values


class Served:
    """A status server on a free port with a snapshot and a clock that a test sets."""

    def __init__(self, host="127.0.0.1"):
        self.snapshot = Snapshot(1000, (), ("w",), FIELDS)
        self.now_ms = 1000
        url = Url("http", host, 0, "", "", Secret(""))
        self.server = StatusServer(url, lambda: self.snapshot, lambda: self.now_ms)

    def __enter__(self):
        self.server.start()
        while not self.server.url:
            time.sleep(0.005)
        return self

    def __exit__(self, *_error):
        self.server.close()

    def get(self, path, host=None):
        headers = {} if host is None else {"Host": host}
        return requests.get(self.server.url + path, headers=headers, timeout=5)


def test_health_is_503_with_a_reason_for_what_must_be_mended():
    with Served() as served:
        answer = served.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert answer.json()["warnings"] == ["w"]
        served.snapshot = Snapshot(1000, (), ("lost",), FIELDS, is_degraded=True)
        answer = served.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        served.snapshot = Snapshot(1000, ("the journal failed",), (), FIELDS)
        answer = served.get("/healthz")
        assert (answer.status_code, answer.json()["problems"]) == (503, ["the journal failed"])
        assert "tidegate_healthy 0" in served.get("/metrics").text


def test_an_engine_that_is_stuck_is_seen():
    with Served() as served:
        served.now_ms = 1000 + int(STUCK_S * 1000) + 1000
        answer = served.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["problems"] == ["the engine has not moved for 16 s"]
        assert "tidegate_snapshot_age_seconds 16" in served.get("/metrics").text
        assert served.get("/status.json").json()["age_s"] == 16


def test_before_the_first_snapshot_everything_is_503():
    with Served() as served:
        served.snapshot = None
        for path in ("/healthz", "/metrics", "/status.json"):
            assert served.get(path).status_code == 503
        with pytest.raises(StatusError) as caught:
            ask(served.server.url)
        assert "is starting" in caught.value.what


def test_other_paths_methods_and_hosts_are_refused():
    with Served() as served:
        assert served.get("/").status_code == 404
        assert served.get("/status.json/../../etc/passwd").status_code == 404
        assert requests.post(served.server.url + "/healthz", timeout=5).status_code == 501
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            assert served.get("/healthz", host).status_code == 421, host
        for host in ("127.0.0.1", "localhost:99", "[::1]:80", "10.0.0.7", socket.gethostname()):
            assert served.get("/healthz", host).status_code == 200, host
        assert "Access-Control-Allow-Origin" not in served.get("/healthz").headers


def test_peers_that_send_nothing_or_nonsense_do_not_keep_others_out():
    with Served() as served:
        port = int(served.server.url.rpartition(":")[2])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for data in (b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"x" * 70_000, b"GET / HTTP/9.9\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as rude:
                rude.sendall(data)
        assert served.get("/healthz").status_code == 200
        for sock in silent:
            sock.close()


def test_a_closed_server_answers_nobody():
    with Served() as served:
        port = int(served.server.url.rpartition(":")[2])
        served.get("/healthz")
    with pytest.raises(OSError, match=r"refused|reset"):
        http.client.HTTPConnection("127.0.0.1", port, timeout=2).request("GET", "/healthz")


def test_a_port_that_is_taken_is_no_error_of_the_program():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = Url("http", "127.0.0.1", taken.getsockname()[1], "", "", Secret(""))
        server = StatusServer(url, lambda: None, lambda: 0)
        server.start()
        time.sleep(0.1)
        assert server.url == ""
        server.close()
        with pytest.raises(OSError, match="in use"):
            listen(url)


def test_a_gateway_is_asked_for_its_status():
    with Served() as served:
        url = parse_url(served.server.url, ("http",))
        settings = gateway_settings()._replace(status=StatusSettings(url))
        assert status_fields(settings)["streams"] == FIELDS["streams"]


def test_what_is_no_gateway_is_named():
    for data in (reply(b"<html>"), reply(b"{}"), reply(b"[]"), reply(b"x", "404 No")):
        with RawServer(lambda peer, data=data: peer.say(data)) as server:
            with pytest.raises(StatusError) as caught:
                ask(server.url)
            assert "is no gateway" in caught.value.what
            assert caught.value.hint


def journal_state(boots=()):
    lane = LaneState(
        "main", "0000000000000001", 10, 0, 4, 0, 4, 1, {"overflow": 2}, [], 3, 300
    )  # fmt: skip
    return JournalState("00c0ffee00c0ffee", [lane], list(boots), Spent(0, 0), [])


def test_a_journal_alone_gives_the_contracts_fields():
    fields = stored_fields(gateway_settings(), journal_state())
    stream = fields["streams"][0]
    assert stream["admitted"] == 10 == 4 + 3 + 1 + 2
    assert stream["balanced"]
    assert set(fields["backlog"]) == {"records", "bytes", "oldest_age_s"}
    assert {"state", "since", "last_error"} <= set(fields["link"])
    assert set(fields["rate"]) == {"in_per_s", "out_per_s"}
    assert "offline_capacity_s" in fields
    json.dumps(fields)


def test_what_was_set_aside_as_damaged_is_told_until_its_folder_is_gone(tmp_path):
    settings = gateway_settings({"node": {"name": "n", "data": str(tmp_path)}})
    (tmp_path / "damaged-1").mkdir()
    write_account(Salvage(tmp_path / "damaged-1", 590, 2, 0))
    (tmp_path / "damaged-3").mkdir()
    (tmp_path / "damaged-3" / "salvage.json").write_bytes(b'{"records": null, ')
    fields = stored_fields(settings, journal_state())
    assert [one["lost"] for one in fields["journal"]["salvaged"]] == [2, None]
    text = io.StringIO()
    show(fields, Console(file=text, highlight=False, width=80))
    line = f"warning: the journal was damaged, and its files were set aside in {tmp_path}/damaged-"
    assert f"{line}1; 590 held records were carried over, 2 lost\n" in text.getvalue()
    assert f"{line}3\n" in text.getvalue()
    shutil.rmtree(tmp_path / "damaged-1")
    shutil.rmtree(tmp_path / "damaged-3")
    assert stored_fields(settings, journal_state())["health"]["warnings"] == []


def test_the_status_for_a_person_is_on_plain_lines():
    for fields in (FIELDS, stored_fields(gateway_settings(), journal_state())):
        text = io.StringIO()
        show(fields, Console(file=text, highlight=False, width=80))
        shown = text.getvalue()
        assert shown.replace("\n", "").isprintable()
        assert "overflow" not in shown
        assert "0000000000000001" in shown
    text = io.StringIO()
    show(FIELDS, Console(file=text, highlight=False, width=80))
    assert "the oldest 1 min 1 s old" in text.getvalue()
    assert "room for 25 h 1 min offline" in text.getvalue()
    # Markup of rich and orders to the terminal are text here.
    assert "[red]no[/]\\x1b[2J" in text.getvalue()


def test_spans_and_sizes_are_said_as_a_person_would():
    for seconds, expected in (
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (61, "1 min 1 s"),
        (3700, "1 h 1 min"),
        (200_000, "2 d 7 h"),
    ):
        assert duration(seconds) == expected
    for count, expected in (
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2.5e6, "2.5 MB"),
        (7e12, "7000.0 GB"),
    ):
        assert size(int(count)) == expected


def test_a_gateway_that_serves_no_status_is_not_denied(tmp_path):
    (tmp_path / "gateway.toml").write_text(
        '[node]\ndata = "data"\n[[source]]\ntype = "listen"\nurl = "mqtt://127.0.0.1"\n'
        '[status]\nurl = ""\n'
    )
    journal = open_journal(tmp_path / "data", ["main"], limit_bytes=50_000_000)
    try:
        fields = status_fields(load_gateway(tmp_path / "gateway.toml")[0])
    finally:
        journal.close()
    assert (fields["running"], fields["process"]) == (True, os.getpid())
    fields = status_fields(load_gateway(tmp_path / "gateway.toml")[0])
    assert (fields["running"], fields["process"]) == (False, None)


def test_a_running_gateway_is_not_said_to_be_unasked():
    text = io.StringIO()
    running = {**FIELDS, "running": True, "process": {"pid": 7, "resident_bytes": 1}}
    show(running, Console(file=text, highlight=False, width=80))
    assert "was not asked" not in text.getvalue()
    text = io.StringIO()
    show({**FIELDS, "running": True, "process": 7}, Console(file=text, highlight=False, width=80))
    assert "process 7 runs and was not asked" in text.getvalue()
