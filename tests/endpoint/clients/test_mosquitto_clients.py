"""mosquitto_pub and mosquitto_sub: messages, what is retained, sessions and wills."""

import shutil
import signal
import subprocess

import pytest

from endpoint.clients.place import WAIT_S

pytestmark = pytest.mark.xdist_group("clients")  # They share a gateway.

WAYS = [("mqtt", "mqttv311"), ("mqtts", "mqttv5")]
ALL_WAYS = [(scheme, version) for scheme in ("mqtt", "mqtts") for version in ("mqttv311", "mqttv5")]


class Shell:
    """The two programs, told where and how to connect."""

    def __init__(self, place, scheme, version):
        for program in ("mosquitto_pub", "mosquitto_sub"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is missing: apt-get install mosquitto-clients")
        self._early = {}
        self._options = ["-h", "localhost", "-p", str(place.ports[scheme]), "-V", version]
        if scheme == "mqtts":
            self._options += ["--cafile", str(place.ca)]

    def publish(self, *arguments, lines=None):
        command = ["mosquitto_pub", *self._options, *arguments]
        done = subprocess.run(
            command, input=lines, capture_output=True, timeout=WAIT_S, check=False
        )
        assert done.returncode == 0, done.stderr

    def subscribe(self, *arguments, count=0):
        """Start a subscriber that ends after so many messages; return once it has subscribed."""
        limit = ["-C", str(count)] if count else []
        command = [
            "mosquitto_sub",
            *self._options,
            *limit,
            "-d",
            "-W",
            str(int(WAIT_S)),
            *arguments,
        ]
        reader = subprocess.Popen(
            ["stdbuf", "-oL", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        # What has waited in its session may come before the answer to its subscription.
        early = self._early[reader] = []
        for line in reader.stdout:
            if line.startswith(b"Subscribed"):
                return reader
            early.append(line.rstrip())
        raise AssertionError(f"mosquitto_sub has ended with {reader.wait(WAIT_S)}")

    def came(self, reader):
        """Return the lines of messages once the subscriber has ended."""
        lines = self._early.pop(reader) + reader.stdout.read().splitlines()
        reader.wait(WAIT_S)
        return [line.partition(b"=")[2].decode() for line in lines if line.startswith(b"=")]


FORMAT = ["-F", "==%q %r %p"]


@pytest.mark.parametrize("scheme, version", ALL_WAYS)
def test_messages_of_every_qos_come(place, scheme, version):
    shell, prefix = Shell(place, scheme, version), place.prefix()
    reader = shell.subscribe("-t", f"{prefix}/#", "-q", "2", *FORMAT, count=3)
    for qos in "012":
        shell.publish("-t", f"{prefix}/t", "-q", qos, "-m", f"text {qos}")
    assert shell.came(reader) == ["=0 0 text 0", "=1 0 text 1", "=2 0 text 2"]
    place.wait_records(prefix, {"t": ["text 0", "text 1", "text 2"]})


@pytest.mark.parametrize("scheme, version", WAYS)
def test_many_lines_come_in_order(place, scheme, version):
    shell, prefix = Shell(place, scheme, version), place.prefix()
    reader = shell.subscribe("-t", f"{prefix}/#", "-q", "2", *FORMAT, count=500)
    numbers = [str(number) for number in range(500)]
    shell.publish("-t", f"{prefix}/t", "-q", "2", "-l", lines="\n".join(numbers).encode())
    assert shell.came(reader) == [f"=2 0 {number}" for number in numbers]
    place.wait_records(prefix, {"t": numbers})


@pytest.mark.parametrize("scheme, version", WAYS)
def test_a_retained_message_comes_and_goes(place, scheme, version):
    shell, prefix = Shell(place, scheme, version), place.prefix()
    shell.publish("-t", f"{prefix}/t", "-q", "1", "-r", "-m", "kept")
    reader = shell.subscribe("-t", f"{prefix}/t", "-q", "1", *FORMAT, count=1)
    assert shell.came(reader) == ["=1 1 kept"]
    shell.publish("-t", f"{prefix}/t", "-r", "-n")
    reader = shell.subscribe("-t", f"{prefix}/#", "-q", "1", *FORMAT, count=1)
    shell.publish("-t", f"{prefix}/new", "-q", "1", "-m", "x")
    assert shell.came(reader) == ["=1 0 x"]


@pytest.mark.parametrize("scheme, version", WAYS)
def test_a_session_keeps_what_came_meanwhile(place, scheme, version):
    shell, prefix = Shell(place, scheme, version), place.prefix()
    keeping = ["-c", "-i", f"{prefix}-s", "-t", f"{prefix}/#", "-q", "2", *FORMAT]
    if version == "mqttv5":
        keeping += ["-x", "3600"]
    reader = shell.subscribe(*keeping)
    reader.send_signal(signal.SIGTERM)
    shell.came(reader)
    for qos in "12":
        shell.publish("-t", f"{prefix}/t", "-q", qos, "-m", qos)
    assert shell.came(shell.subscribe(*keeping, count=2)) == ["=1 0 1", "=2 0 2"]


@pytest.mark.parametrize("scheme, version", WAYS)
def test_a_will_comes_where_a_client_is_killed(place, scheme, version):
    shell, prefix = Shell(place, scheme, version), place.prefix()
    reader = shell.subscribe("-t", f"{prefix}/w", "-q", "1", *FORMAT, count=1)
    will = ["--will-topic", f"{prefix}/w", "--will-payload", "gone", "--will-qos", "1"]
    dying = shell.subscribe("-t", f"{prefix}/other", *will)
    dying.kill()
    shell.came(dying)
    assert shell.came(reader) == ["=1 0 gone"]
    place.wait_records(prefix, {"w": ["gone"]})
