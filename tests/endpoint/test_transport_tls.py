"""TLS of the endpoint: server and client certificates, broken handshakes, files read again."""

import shutil
import socket
import ssl
import time

import pytest

from endpoint import client_codec as codec
from endpoint.listening import Client, Listening
from fixtures.certificates import Authority

NAMES = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def files(tmp_path, authority):
    """Return the certificate and key files of the server, which a test may replace."""
    certificate, key = authority.issue("localhost", NAMES)
    paths = tmp_path / "server.pem", tmp_path / "server.key"
    shutil.copy(certificate, paths[0])
    shutil.copy(key, paths[1])
    return paths


def listener(files, authority, certificate_login="off"):
    lines = [f'cert_file = "{files[0]}"', f'key_file = "{files[1]}"']
    if certificate_login != "off":
        lines += [
            f'ca_file = "{authority.certificate}"',
            f'certificate_login = "{certificate_login}"',
        ]
    return "\n".join([*lines, "anonymous = true"])


def trusting(authority, certificate=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def site(tmp_path, files, authority):
    with Listening(tmp_path, ["mqtts://127.0.0.1"], listener(files, authority)) as running:
        yield running


def test_messages_go_over_tls(site, authority):
    tls = trusting(authority)
    reader, writer = site.client("reader", tls=tls), site.client("writer", tls=tls, version=4)
    reader.subscribe(b"t", 1)
    payload = b"x" * 300_000
    writer.publish(b"t", payload, qos=1)
    assert reader.receive().payload == payload
    assert site.payloads() == [payload]


def test_many_packets_in_one_tls_record_are_all_seen(site, authority):
    client = site.client("a", tls=trusting(authority))
    client.send(b"".join(codec.publish(b"t", b"x", 1, packet_id=n) for n in range(1, 901)))
    assert [client.receive().packet_id for _ in range(900)] == list(range(1, 901))


def test_a_reader_over_tls_that_is_slow_misses_nothing(site, authority):
    reader = site.client("reader", tls=trusting(authority))
    reader.subscribe(b"t", 1)
    writer = site.client("writer", tls=trusting(authority))
    payloads = [bytes([number]) * 900_000 for number in range(10)]
    for payload in payloads:
        writer.publish(b"t", payload, qos=1)
    time.sleep(0.3)
    for payload in payloads:
        packet = reader.receive()
        assert packet.payload == payload
        reader.send(codec.acknowledge(codec.PUBACK, packet.packet_id))


def test_the_last_word_arrives_over_tls(site, authority):
    client = site.client("a", tls=trusting(authority))
    client.send(codec.connect("again"))
    assert client.receive().reason == 0x82
    assert client.receive() is None


def test_who_does_not_speak_tls_is_told_to_the_operator(site):
    sock = site.open()
    sock.sendall(codec.connect("a"))
    site.wait(lambda: site.reports.of("client_refused"))
    assert "TLS" in site.reports.of("client_refused")[0]["reason"]


def test_a_handshake_that_does_not_go_on_ends(tmp_path, files, authority):
    with Listening(
        tmp_path, ["mqtts://127.0.0.1"], listener(files, authority), "connect_timeout_s = 1"
    ) as site:
        sock = site.open()
        began = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - began < 5
        assert "in time" in site.reports.of("client_refused")[0]["reason"]


def test_the_common_name_of_a_client_certificate_is_the_user_name(tmp_path, files, authority):
    more = '[[access]]\nusers = ["sensor-7"]\npublish = ["from/%u/#"]\n'
    lines = listener(files, authority, "required")
    with Listening(tmp_path, ["mqtts://127.0.0.1"], lines, more=more) as site:
        tls = trusting(authority, authority.issue("sensor-7"))
        client = site.client("a", tls=tls)
        assert client.publish(b"from/sensor-7/x", b"1", qos=1).reason == 0
        assert client.publish(b"from/other/x", b"1", qos=1).reason == 0x87
        assert site.reports.of("client_connected")[0]["user"] == "sensor-7"


def test_without_the_required_certificate_nobody_comes_in(tmp_path, files, authority):
    lines = listener(files, authority, "required")
    with Listening(tmp_path, ["mqtts://127.0.0.1"], lines) as site:
        client = None
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            client = site.client("a", tls=trusting(authority))
        assert client is None
        site.wait(lambda: site.reports.of("client_refused"))
        assert site.figures()["connections"] == 0


def test_an_optional_certificate_may_be_left_out(tmp_path, files, authority):
    lines = listener(files, authority, "optional")
    with Listening(tmp_path, ["mqtts://127.0.0.1"], lines) as site:
        site.client("a", tls=trusting(authority)).ping()
        site.client("b", tls=trusting(authority, authority.issue("name"))).ping()
        users = [report["user"] for report in site.reports.of("client_connected")]
        assert users == ["", "name"]


def test_a_certificate_of_another_authority_is_refused(tmp_path, files, authority):
    stranger = Authority(tmp_path / "other", "another root").issue("sensor-7")
    lines = listener(files, authority, "optional")
    with Listening(tmp_path, ["mqtts://127.0.0.1"], lines) as site:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            site.client("a", tls=trusting(authority, stranger))
        site.wait(lambda: site.reports.of("client_refused"))


def served(site, authority):
    """Return the serial number of the certificate that new connections see."""
    with site.open(tls=trusting(authority)) as sock:
        return sock.getpeercert()["serialNumber"]


def test_new_files_are_for_new_connections_and_old_ones_stay(site, files, authority):
    client = site.client("a", tls=trusting(authority))
    before = served(site, authority)
    certificate, key = authority.issue("localhost", NAMES)
    shutil.copy(certificate, files[0])
    shutil.copy(key, files[1])
    assert served(site, authority) == before
    site.source.reload()
    site.wait(lambda: site.reports.of("listeners_reloaded"))
    assert served(site, authority) != before
    client.ping()


def test_broken_files_leave_the_old_ones_in_use(site, files, authority):
    before = served(site, authority)
    files[0].write_text("no certificate")
    site.source.reload()
    site.wait(lambda: site.reports.of("tls_files_kept"))
    (report,) = site.reports.of("tls_files_kept")
    assert str(files[0]) in report["reason"]
    assert served(site, authority) == before
    assert site.source.status()["state"] == "connected"
    assert "cannot be used" in site.source.status()["last_error"]


def test_without_tls_files_at_the_start_it_waits_for_them(tmp_path, files, authority):
    site = Listening(tmp_path, ["mqtts://127.0.0.1"], listener(files, authority))
    text = files[0].read_text()
    files[0].write_text("no certificate")
    site.source.start(site._deliver)
    site.wait(lambda: site.reports.of("listen_failed"))
    files[0].write_text(text)
    site.wait(lambda: site.source.status()["state"] == "connected")
    Client(site.open(tls=trusting(authority))).connect("a")
    site.source.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_versions_are_refused(site, authority):
    context = trusting(authority)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", site.ports[0])) as sock:
        context.wrap_socket(sock, server_hostname="localhost")
