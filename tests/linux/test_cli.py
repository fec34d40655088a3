"""The command line: what a person meets."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from fixtures.broker import Broker, free_port
from fixtures.gateway import PATHS, GatewayProcess, toml
from tidegate.version import VERSION


def tidegate(*arguments, **variables):
    """Run a command; return what came of it, after a look at the form of its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "tidegate_linux", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": PATHS, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        error, hint = done.stderr.splitlines()
        assert re.fullmatch(r"tidegate: error: [^A-Z].*[^.]", error), error
        assert re.fullmatch(r"tidegate: hint: .*[^.]", hint), hint
        assert done.stdout == ""
    return done


def write(path, tree):
    path.write_text(toml(tree))
    path.chmod(0o600)
    return path


def test_version_says_on_what_it_runs():
    done = tidegate("version")
    assert done.stdout.startswith(f"tidegate {VERSION}, CPython 3.")
    assert ", SQLite 3." in done.stdout
    assert "Linux" in done.stdout
    assert tidegate("--version").stdout == done.stdout


def test_an_interrupt_while_the_command_line_is_imported_leaves_no_traceback(tmp_path):
    # `click` is the first thing that it imports: here one that is interrupted.
    script = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True:\n    pass\n"
    (tmp_path / "click.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "tidegate_linux", "version"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PATHS}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_version_is_quick():
    script = (
        "import sys; from tidegate_linux.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('requests', 'rich', 'paho', 'uvicorn', 'sqlalchemy')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "version"],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command():
    done = tidegate("--help")
    for command in ("check", "demo", "hub", "run", "status", "version"):
        assert re.search(rf"^  {command} +\S.*[.]$", done.stdout, re.MULTILINE), command
        assert "Usage: tidegate " + command in tidegate(command, "-h").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "no such command"),
        (["run"], "missing option"),
        (["run", "--sideways"], "no such option"),
        (["status", "extra"], "unexpected extra argument"),
        (["demo", "--seconds", "1"], "--seconds"),
        ([], "missing command"),
    ],
)
def test_a_command_that_is_not_understood_exits_with_2(arguments, words):
    done = tidegate(*arguments)
    assert done.returncode == 2
    assert words in done.stderr.lower()


def test_a_wrong_file_exits_with_1(tmp_path):
    path = write(tmp_path / "gateway.toml", {"node": {"nmae": "x"}})
    for command in ("run", "check", "status"):
        done = tidegate(command, "-c", path)
        assert done.returncode == 1, command
        assert "nmae" in done.stderr
        assert "name" in done.stderr
    assert tidegate("hub", "-c", tmp_path / "none.toml").returncode == 1


def test_the_file_may_be_named_by_a_variable(tmp_path):
    done = tidegate("run", TIDEGATE_CONFIG=str(tmp_path / "none.toml"))
    assert f"{tmp_path}/none.toml: no such file" in done.stderr


def test_control_characters_in_an_error_are_escaped(tmp_path):
    done = tidegate("run", "-c", tmp_path / "a\x1b[2Jb\nc")
    assert "a\\x1b[2Jb\\nc" in done.stderr


def hub_tree(**changes):
    node = {"name": "a", "token": "0123456789abcdef"}
    return {"hub": {"url": f"http://127.0.0.1:{free_port()}", **changes}, "hub.node": [node]}


def test_a_hub_that_cannot_listen_says_so(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        tree = hub_tree(
            url=broker.url.replace("mqtt", "http"), database=f"sqlite:///{tmp_path}/hub.db"
        )
        done = tidegate("hub", "-c", write(tmp_path / "hub.toml", tree))
    assert done.returncode == 1
    assert "cannot be listened on" in done.stderr


def test_the_status_of_a_running_and_of_a_stopped_gateway(tmp_path):
    with Broker(tmp_path / "broker") as broker, GatewayProcess(tmp_path, broker.url) as gateway:
        broker.publish_all([("site/a", b"%d" % number) for number in range(7)])
        gateway.wait(lambda status: status["backlog"]["records"] == 7)
        running = json.loads(tidegate("status", "--json", "-c", gateway.config_path).stdout)
        shown = tidegate("status", "-c", gateway.config_path).stdout
        gateway.stop()
    stopped = json.loads(tidegate("status", "--json", "-c", gateway.config_path).stdout)
    assert (running["running"], stopped["running"]) == (True, False)
    for fields in (running, stopped):
        assert fields["streams"][0]["admitted"] == fields["streams"][0]["held"] == 7
        assert fields["backlog"]["records"] == 7
    assert stopped["node"] == running["node"]
    assert "held: 7 records" in shown
    assert "source-1: connected" in shown
    assert "line: none" in shown
    assert "no gateway runs here" in tidegate("status", "-c", gateway.config_path).stdout


def test_no_gateway_and_no_journal_is_an_error(tmp_path):
    tree = {
        "node": {"data": str(tmp_path / "data")},
        "source": [{"type": "mqtt", "url": "mqtt://127.0.0.1", "topics": ["#"]}],
        "status": {"url": f"http://127.0.0.1:{free_port()}"},
    }
    done = tidegate("status", "-c", write(tmp_path / "gateway.toml", tree))
    assert done.returncode == 1
    assert f"there is no journal in {tmp_path}/data" in done.stderr


def test_a_pipe_that_closes_early_is_no_traceback():
    command = [sys.executable, "-m", "tidegate_linux", "--help"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.wait(20)
    process.stderr.close()
    assert "Traceback" not in stderr
