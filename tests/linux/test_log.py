"""The log: one line an event, whatever it holds."""

import io
import json
import logging

import pytest

from tidegate.config.settings import LogSettings
from tidegate_linux.log import LogObserver, escaped, set_up_log


@pytest.fixture
def log():
    """A function that sets the log up and returns where it goes; put back as it was afterwards."""
    root, own = logging.getLogger(), logging.getLogger("tidegate")
    before = (root.handlers[:], root.level, own.level, logging.raiseExceptions)

    def set_up(format, level="info"):
        stream = io.StringIO()
        set_up_log(LogSettings(format, level), stream)
        return stream

    yield set_up
    root.handlers[:], root.level, own.level, logging.raiseExceptions = before


EVIL = 'a\nerror forged\x1b[2J\x07\u202e\u2028\x85\ud800"'


def test_a_report_is_a_line_for_a_person(log):
    stream = log("text")
    fields = [("reason", "no answer"), ("lane", "main"), ("seq", 7)]
    LogObserver().report("warning", "link_down", fields)
    time, line = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert line == 'warning the line is down: reason="no answer", lane=main, seq=7\n'


def test_a_report_is_an_object_for_a_program(log):
    stream = log("json")
    LogObserver().report("error", "journal_failed", [("kind", "full"), ("time", "not mine")])
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["kind"]) == ("error", "journal_failed", "full")
    assert line["time"] != "not mine"


def test_an_event_without_a_sentence_is_logged_by_its_word(log):
    stream = log("text")
    LogObserver().report("info", "something_new", [])
    assert stream.getvalue().endswith(" info something new\n")


@pytest.mark.parametrize("format", ["text", "json"])
def test_nothing_that_comes_in_can_forge_a_line_or_steer_a_terminal(log, format):
    stream = log(format)
    LogObserver().report("warning", "source_stray", [("topic", EVIL)])
    logging.getLogger("tidegate.x").warning("said %s", EVIL)
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("tidegate.x").exception("failed")
    text = stream.getvalue()
    assert text.count("\n") == 3
    assert text.replace("\n", "").isprintable()
    assert "forged" in text


def test_less_than_the_chosen_level_is_not_logged(log):
    stream = log("text", "warning")
    LogObserver().report("info", "link_up", [])
    logging.getLogger("urllib3").info("chatter")
    assert stream.getvalue() == ""


def test_escaped_leaves_what_can_be_read():
    assert escaped("Grüße, 世界 ✓") == "Grüße, 世界 ✓"
    assert escaped("a\tb") == "a\\tb"
