"""The benchmark runs, counts what arrives, and calls nothing fast that loses messages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import mqtt_bulk, report, telemetry
from bench.programs import find_mosquitto, find_nats
from bench.systems import SYSTEMS

RUN = Path(__file__).with_name("run.py")
RUN_S = 300.0

WHOLE = {
    "messages": 10, "per_s": 1000, "cpu_s_per_million": 5.0, "peak_bytes": 1, "others_cpu": 0.0,
    "lost": 0, "twice": 0, "disordered": 0,
}  # fmt: skip


def test_quick_run_is_complete_and_everything_arrives(tmp_path):
    if find_mosquitto() is None:
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    out = tmp_path / "results.json"
    command = [sys.executable, str(RUN), "--quick", "--out", str(out), "--folder", str(tmp_path)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=RUN_S)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    results = json.loads(out.read_text())
    assert list(results["systems"]) == [
        system.name for system in SYSTEMS if find_nats() or not system.name.startswith("NATS")
    ]
    for name, runs in [*results["systems"].items(), *results["backlog"].items()]:
        assert len(runs) == 1, name
        for run in runs:
            assert run["arrived"] + run["lost"] == run["messages"], name
            assert run["per_s"] > 0, name
            assert run["cpu_s_per_million"] >= 0, name
            assert run["peak_bytes"] > 0, name
            if name != "bridge, default settings":
                assert report.is_whole(run), (name, run)
    for title in (*{system.group for system in SYSTEMS}, "Tidegate against", "A backlog"):
        assert title in ran.stdout


def test_packets_have_one_length_and_are_taken_apart_again():
    count = telemetry.DEVICES + 3
    data = telemetry.packets(count)
    assert len(data) == count * telemetry.PACKET_BYTES
    acknowledgements, texts = mqtt_bulk.take_apart(data)
    assert [int(text) for text in texts.split()] == list(range(count))
    assert acknowledgements[:8] == b"\x40\x02\x00\x01\x40\x02\x00\x02"
    assert len(acknowledgements) == count * mqtt_bulk.PUBACK_BYTES
    last = data[-telemetry.PACKET_BYTES :]
    assert telemetry.number_of(last[telemetry.PAYLOAD_AT :]) == count - 1
    assert len(json.loads(last[telemetry.PAYLOAD_AT :])["n"]) == telemetry.NUMBER_DIGITS
    assert mqtt_bulk.split(data + last[:7]) == (data, last[:7])


def test_a_packet_of_another_kind_is_not_taken_for_a_message():
    data = bytearray(telemetry.packets(3))
    data[telemetry.PACKET_BYTES] = 0x3A  # Sent again.
    with pytest.raises(AssertionError):
        mqtt_bulk.take_apart(bytes(data))


@pytest.mark.parametrize(
    ("numbers", "lost", "twice", "disordered"),
    [
        ([0, 1, 2, 3], 0, 0, 0),
        ([0, 1, 3], 1, 0, 0),
        ([0, 1, 1, 2, 3], 0, 1, 0),
        ([0, 2, 1, 3], 0, 0, 1),
        ([], 4, 0, 0),
    ],
)
def test_what_arrived_is_counted_message_by_message(numbers, lost, twice, disordered):
    counted = telemetry.count_arrived(numbers, 4)
    assert counted == {
        "arrived": 4 - lost, "lost": lost, "twice": twice, "disordered": disordered
    }  # fmt: skip


def test_one_loss_in_any_run_costs_a_system_its_rate_and_its_ratio():
    whole = report.summary([WHOLE, WHOLE, WHOLE])
    lossy = report.summary([WHOLE, {**WHOLE, "per_s": 9_000_000, "lost": 3}, WHOLE])
    assert report._rate(whole) == "1,000"
    assert report._rate(lossy) == "3 lost"
    assert report._ratio(whole, whole) == "1.00"
    assert report._ratio(whole, lossy) == "it loses messages"
    assert report._ratio(lossy, whole) == "ours loses messages"


def test_the_middle_of_three_runs_is_told():
    runs = [{**WHOLE, "per_s": rate} for rate in (100, 900, 300)]
    summary = report.summary(runs)
    assert (summary["per_s"], summary["per_s_min"], summary["per_s_max"]) == (300, 100, 900)
