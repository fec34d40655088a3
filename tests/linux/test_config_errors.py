"""Every wrong value in a configuration file gets its one error, which never shows a secret."""

import os

import pytest

from fixtures.configs import CANARY, NODE, SOURCE, UPLINK, refusal, writer
from tidegate_linux.config import load_gateway, load_hub


@pytest.fixture
def write(tmp_path):
    return writer(tmp_path)


# What is added to a good gateway, and how the error goes on after the file's name.
WRONG_GATEWAYS = (
    ("[nodes]", "nodes: is not a known key"),
    ("[node]\nnmae = 1", "node.nmae: is not a known key"),
    ("[[node]]", "node: is a list, not a table"),
    ("[node]\nname = 7", "node.name: is a whole number, not text"),
    ("[node]\nname = ''", None),
    ("[node]\nname = 'a/b'", 'node.name: "a/b" is not 1 to 64 of a-z, A-Z, 0-9, dot, - and _'),
    ("[node]\ndata = 2026-01-01", "node.data: is a date or a time, not text"),
    ("[node]\ndata = ['a']", "node.data: is a list, not text"),
    ("lane = 1", "lane: is a whole number, not a list of tables"),
    ("[lane]", "lane: is one table, not a list of them"),
    ("[[lane]]\nname = 'a'\ntopics = [1]", "lane[0].topics[0]: is a whole number, not text"),
    (
        "[[lane]]\nname = 'a'\ntopics = ['a']\nurgent = 1",
        "lane[0].urgent: is a whole number",
    ),
    ("[journal]\nlimit_bytes = '1 GB'", "journal.limit_bytes: is text, not a whole number"),
    ("[journal]\nlimit_bytes = 1e9", "journal.limit_bytes: is a number with a fraction, not a who"),
    ("[journal]\nlimit_bytes = 5", "journal.limit_bytes: 5 is below 100000"),
    ("[journal]\nlimit_bytes = 15_999_999", "journal.limit_bytes: 15999999 is below 16000000"),
    ("[journal]\nlimit_bytes = true", "journal.limit_bytes: is true or false, not a whole number"),
    ("[journal]\nreserve_bytes = -1", "journal.reserve_bytes: -1 is below 0"),
    ("[journal]\nkeep_delivered_bytes = nan", "journal.keep_delivered_bytes: is a number with a f"),
    ("[journal]\noverflow = 'drop_oldest'", 'journal.overflow: "drop_oldest" is not one of'),
    (UPLINK, "uplink.token: is missing"),
    (UPLINK + "token = ''", "uplink.token: is missing"),
    (UPLINK + "token = '…'", "uplink.token: is the example from the documentation, not a token"),
    (UPLINK + f"token = '{CANARY} '", "uplink.token: has a character that is not a printable"),
    (UPLINK + f"token = ['{CANARY}']", "uplink.token: is a list, not text"),
    (UPLINK + f"token = '{CANARY}'\ntoken_env = 'T'", "uplink.token: is given, and token_env too"),
    (UPLINK + "token_env = 'TIDE_NO'", "uplink.token_env: names an environment variable that is n"),
    (UPLINK + f"token_env = '{CANARY}'", "uplink.token_env: is not the name of a variable"),
    (UPLINK + "token_env = 'TIDE_EMPTY'", "uplink.token_env: leads to an empty text"),
    (UPLINK + "token_env = 'TIDE_SPACE'", "uplink.token_env: leads to a text that has a character"),
    (UPLINK + "token_file = 'no'", "uplink.token_file: {folder}/no cannot be read: no such file"),
    (UPLINK + "token_file = '.'", "uplink.token_file: {folder} is not a file"),
    (UPLINK + "token_file = 'pipe'", "uplink.token_file: {folder}/pipe is not a file"),
    (UPLINK + "token_file = 'empty'", "uplink.token_file: leads to an empty text"),
    (UPLINK + "token_file = 'lines'", "uplink.token_file: leads to more than one line"),
    (UPLINK + "token_file = 'binary'", "uplink.token_file: leads to {folder}/binary, which is not"),
    (UPLINK + "token_file = 'example'", "uplink.token_file: leads to a text that is the example"),
    (UPLINK + "token_file = 'long'", "uplink.token_file: leads to more than one line of 8192 char"),
    (UPLINK + f"token = '{CANARY}'\nurll = ''", "uplink.urll: is not a known key"),
    (UPLINK + f"token = '{CANARY}'\nca_file = 'ca'", "uplink.ca_file: is for TLS, and the url"),
    (UPLINK + f"token = '{CANARY}'\nwindows = '1'", "uplink.windows: is text, not a list"),
    (UPLINK + f"token = '{CANARY}'\nwindows = ['25:00-26:00']", "uplink.windows[0]: "),
    (UPLINK + f"token = '{CANARY}'\ntimeout_s = 0", "uplink.timeout_s: 0 is below 1"),
    (UPLINK + f"token = '{CANARY}'\nbatch_records = 65536", "uplink.batch_records: 65536 is above"),
    (UPLINK + f"token = '{CANARY}'\nbatch_bytes = 1", "uplink.batch_bytes: 1 is below 1024"),
    (UPLINK + f"token = '{CANARY}'\nbatch_age_ms = -1", "uplink.batch_age_ms: -1 is below 0"),
    (UPLINK + f"token = '{CANARY}'\nretry_max_s = 0", "uplink.retry_max_s: 0 is below 1"),
    (UPLINK + f"token = '{CANARY}'\nbytes_per_day = -1", "uplink.bytes_per_day: -1 is below 0"),
    (UPLINK + f"token = '{CANARY}'\nwindows_utc_offset_minutes = 900", "uplink.windows_utc_offset"),
    (UPLINK + f"token = '{CANARY}'\ncompress = 'no'", "uplink.compress: is text"),
    ("[uplink]\ntype = 'bundle'", 'uplink.type: "bundle" is not in this version yet'),
    ("[status]\nurl = 9180", "status.url: is a whole number, not text"),
    ("[status]\nurl = ''", None),
    ("[status]\nurl = 'https://h'", 'status.url: "https://h" does not begin with http://'),
    ("[log]\nformat = 'xml'", 'log.format: "xml" is not one of "text", "json"'),
    ("[log]\nlevel = 'trace'", 'log.level: "trace" is not one of'),
)


@pytest.fixture
def surroundings(write, tmp_path, monkeypatch):
    """Provide the files and variables that the wrong configurations point to."""
    os.mkfifo(tmp_path / "pipe")
    write("", "empty")
    write(f"{CANARY}\n{CANARY}\n", "lines")
    write(b"\xff" + CANARY.encode(), "binary")
    write("…\n", "example")
    write("x" * 8193, "long")
    monkeypatch.setenv("TIDE_EMPTY", "")
    monkeypatch.setenv("TIDE_SPACE", f"{CANARY} ")
    monkeypatch.delenv("TIDE_NO", raising=False)


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize(("addition", "expected"), WRONG_GATEWAYS)
def test_each_wrong_gateway_gets_its_one_error(write, tmp_path, addition, expected):
    path = write(addition + "\n" + SOURCE)
    if expected is None:
        load_gateway(path)
        return
    what, _ = refusal(load_gateway, path)
    assert what.startswith(expected.replace("{folder}", str(tmp_path))), what


# What is added to a good source, or replaces a line of it, and how the error goes on.
WRONG_SOURCES = (
    ("type", "type = 'listen'\nclient_id = 'a'", 'client_id: is for another type than "listen"'),
    ("type", "", "type: is missing"),
    ("url", "", "url: is missing"),
    ("url", "url = ''", "url: is empty"),
    ("url", "url = 'broker:1883'", 'url: "broker:1883" does not begin with mqtt:// or mqtts://'),
    ("url", "url = 'http://broker'", 'url: "http://broker" does not begin with mqtt:// or mqtts'),
    ("url", f"url = 'mqtt://u:{CANARY}@h:x'", "url: has a port that is not"),
    ("url", f"url = 'mqtt://u:{CANARY}/x@h'", "url: has a / before the @"),
    ("url", f"url = 'mqt://u:{CANARY}@h'", "url: does not begin with mqtt://"),
    ("url", f"url = 'mqtt://{CANARY}?'", "url: has a ?"),
    ("topics", "", "topics: is missing"),
    ("topics", "topics = []", "topics: has 0 items"),
    ("topics", "topics = 'site/#'", "topics: is text, not a list"),
    ("topics", "topics = ['']", "topics[0]: is empty"),
    ("topics", "topics = ['a', 'a']", 'topics[1]: "a" is given twice'),
    ("topics", "topics = ['a#']", 'topics[0]: "a#" is not a topic filter'),
    ("topics", 'topics = ["a\\u0000"]', "topics[0]: has a control character in it"),
    ("", "protocol = 5", "protocol: is a whole number, not text"),
    ("", "protocol = '3.1'", 'protocol: "3.1" is not one of "3.1.1", "5"'),
    ("", "client_id = 1", "client_id: is a whole number, not text"),
    ("", "session_expiry_s = 0", "session_expiry_s: 0 is below 1"),
    ("", "session_expiry_s = 4294967296", "session_expiry_s: 4294967296 is above 4294967295"),
    ("", "receive_maximum = 65536", "receive_maximum: 65536 is above 65535"),
    ("", "receive_maximum = 0", "receive_maximum: 0 is below 1"),
    ("", "keepalive_s = 65536", "keepalive_s: 65536 is above 65535"),
    ("", "keepalive_s = 0", "keepalive_s: 0 is below 5"),
    ("", f"password = '{CANARY}'", "username: is missing"),
    ("", f'password = "{CANARY}\\n"', "password: has a control character in it"),
    ("", f"username = 'u'\npassword = '{CANARY}'\npassword_env = 'P'", "password: is given, and"),
    ("", "username = 'u'\npassword_file = 'no'", "password_file: {folder}/no cannot be read"),
    ("", "username = 'u'\npassword_file = 'empty'", "password_file: leads to an empty text"),
    ("", "username = 'u'\npassword_file = 'lines'", "password_file: leads to more than one line"),
    ("", "username = 'u'\npassword_env = 'TIDE_NO'", "password_env: names an environment variable"),
    ("", "ca_file = 'ca'", "ca_file: is for TLS, and the url begins with mqtt://"),
    ("url", "url = 'mqtts://h'\nca_file = 'no'", "ca_file: {folder}/no cannot be read: no such"),
    ("url", "url = 'mqtts://h'\nca_file = '.'", "ca_file: {folder} is not a file"),
    ("url", "url = 'mqtts://h'\ncert_file = 'empty'", "key_file: is missing, and cert_file is giv"),
    ("url", "url = 'mqtts://h'\nkey_file = 'empty'", "cert_file: is missing, and key_file is giv"),
    ("", "protocol = '3.1.1'\nmessage_id = 'id'", "message_id: needs user properties"),
    ("", "qos = 1", "qos: is not a known key"),
)


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize(("line", "instead", "expected"), WRONG_SOURCES)
def test_each_wrong_source_gets_its_one_error(write, tmp_path, line, instead, expected):
    lines = [each for each in SOURCE.splitlines() if not line or not each.startswith(line)]
    what, _ = refusal(load_gateway, write("\n".join([*lines, instead])))
    assert what.startswith("source[0]." + expected.replace("{folder}", str(tmp_path))), what


WRONG_HUBS = (
    ("", "hub.node: is missing"),
    ("[hub]\nurl = 'http://h:x'" + NODE, 'hub.url: "http://h:x" has a port'),
    ("[hub]\nurl = ''" + NODE + f"token = '{CANARY}'", "hub.url: is empty"),
    ("[hub]\ndatabase = 'hub.db'" + NODE, "hub.database: does not begin with sqlite:// or postgre"),
    (f"[hub]\ndatabase = 'mysql://u:{CANARY}@h'" + NODE, "hub.database: does not begin with"),
    ("[hub]\nbatch_bytes_max = 99_999_999" + NODE, "hub.batch_bytes_max: 99999999 is above"),
    ("[hub]\nrequests_per_s = -1" + NODE, "hub.requests_per_s: -1 is below 0"),
    ("[hub]\ntokens = []" + NODE, "hub.tokens: is not a known key"),
    ("[hub.node]\nname = 'a'", "hub.node: is one table, not a list of them"),
    (NODE, "hub.node[0].token: is missing"),
    (NODE + "token = '…'", "hub.node[0].token: is the example from the documentation"),
    (NODE + f"token = '{CANARY}'\ntoken_file = 't'", "hub.node[0].token: is given, and token_file"),
    (NODE + "token_hash = 'sha256:00'", "hub.node[0].token_hash: is not sha256: and 64 hex digits"),
    (NODE + f"token_hash = '{CANARY}'", "hub.node[0].token_hash: is not sha256: and 64 hex digits"),
    (
        NODE + "token_file = 'no'",
        "hub.node[0].token_file: {folder}/no cannot be read: no such file",
    ),
    (NODE + "token_env = 'TIDE_NO'", "hub.node[0].token_env: names an environment variable"),
    ("[[hub.node]]\nname = ''", "hub.node[0].name: is empty"),
    ((NODE + f"token = '{CANARY}'") * 2, 'hub.node[1].name: "a" is given twice'),
    (
        NODE + f"token = '{CANARY}'" + NODE.replace('"a"', '"b"') + "token_env = 'TIDE_SAME'",
        'hub.node[1].token: is the token of "a" too',
    ),
    (SOURCE, "is a gateway's file"),
    (NODE + SOURCE, "source: is not a known key"),
)


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize(("text", "expected"), WRONG_HUBS)
def test_each_wrong_hub_gets_its_one_error(write, tmp_path, monkeypatch, text, expected):
    monkeypatch.setenv("TIDE_SAME", CANARY)
    what, _ = refusal(load_hub, write(text))
    assert what.startswith(expected.replace("{folder}", str(tmp_path))), what
