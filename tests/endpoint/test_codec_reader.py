"""The reader: every packet in every form, however its bytes are cut, in bounded memory."""

import tracemalloc

import pytest

from endpoint import client_codec as client
from endpoint.codec_samples import CONNECTS, FRONT, PACKETS
from tidegate_linux.endpoint.codec import reader as reader_module
from tidegate_linux.endpoint.codec.packets import Ping, Publish
from tidegate_linux.endpoint.codec.reader import TOPICS_MAX, Reader

BYTES_MAX = 1 << 20
STREAMS = [data for data, _ in CONNECTS] + [FRONT[version] + data for version, data, _ in PACKETS]


def read(*pieces, bytes_max=BYTES_MAX):
    reader = Reader(bytes_max)
    packets = [packet for piece in pieces for packet in reader.feed(piece)]
    return packets, reader


def outcome(*pieces):
    packets, reader = read(*pieces)
    error = reader.error
    return packets, error and (error.reason, error.text), reader.partial_bytes


@pytest.mark.parametrize(("data", "meant"), CONNECTS)
def test_connect_is_read(data, meant):
    packets, reader = read(data)
    assert (packets, reader.error, reader.partial_bytes) == ([meant], None, 0)
    assert reader.version == meant.version


@pytest.mark.parametrize(("version", "data", "meant"), PACKETS)
def test_packet_is_read(version, data, meant):
    packets, reader = read(FRONT[version] + data)
    assert (packets[1:], reader.error, reader.partial_bytes) == ([meant], None, 0)


@pytest.mark.parametrize(("version", "data", "meant"), PACKETS)
def test_fields_have_their_types(version, data, meant):
    packet = read(FRONT[version] + data)[0][1]
    assert type(packet) is type(meant)
    if isinstance(packet, Publish):
        assert type(packet.topic) is type(packet.payload) is bytes
        assert type(packet.retain) is type(packet.dup) is bool


@pytest.mark.parametrize("stream", STREAMS)
def test_every_split_is_read_as_the_whole(stream):
    whole = outcome(stream)
    step = 1 if len(stream) < 2000 else 97
    for at in range(0, len(stream) + 1, step):
        assert outcome(stream[:at], stream[at:]) == whole
    assert outcome(*[bytes([byte]) for byte in stream]) == whole


@pytest.mark.parametrize(("version", "data", "meant"), PACKETS)
def test_every_truncation_waits_for_the_rest(version, data, meant):
    for size in range(min(len(data), 400)):
        packets, reader = read(FRONT[version] + data[:size])
        assert (len(packets), reader.error, reader.partial_bytes) == (1, None, size)
        assert reader.feed(data[size:]) == [meant]


@pytest.mark.parametrize("stream", [(None, data) for data, _ in CONNECTS] + PACKETS)
def test_a_body_that_is_cut_off_is_read_or_refused(stream):
    """The remaining length fits what is there, but a field may not."""
    version, data = stream[:2]
    front = b"" if version is None else FRONT[version]
    head = 2 if data[1] < 0x80 else 3 if data[2] < 0x80 else 4
    body = data[head:]
    for size in range(min(len(body), 400)):
        packets, reader = read(front + client.packet(data[0], body[:size]))
        assert reader.partial_bytes == 0
        whole = len(packets) - (1 if front else 0)
        assert (whole == 0) == (reader.error is not None)


def test_what_is_whole_before_a_fault_is_returned_and_nothing_behind_it():
    ping = client.PINGREQ
    packets, reader = read(FRONT[5] + ping + b"\xc1\0" + ping)
    assert packets[1:] == [Ping()]
    assert reader.error.reason == 0x81
    assert reader.feed(ping) == []
    assert reader.partial_bytes == 0


def test_the_version_is_known_to_a_refusal_of_connect():
    for version in (4, 5):
        packets, reader = read(client.connect("x", version, flags=3))
        assert (packets, reader.version) == ([], version)
        assert reader.error.reason == 0x81


def test_a_second_connect_is_left_to_the_broker():
    packets, reader = read(FRONT[5] + FRONT[4] + client.publish("a"))
    assert [packet.version for packet in packets[:2]] == [5, 4]
    assert (reader.version, reader.error) == (5, None)


@pytest.mark.parametrize("version", [4, 5])
def test_a_packet_too_large_is_refused_by_its_first_bytes(version):
    large = client.publish("a", bytes(1000), version=version)
    limit = len(large)
    assert read(FRONT[version] + large, bytes_max=limit)[1].error is None
    reader = Reader(limit - 1)
    reader.feed(FRONT[version] + large[:2])
    assert (reader.error, reader.partial_bytes) == (None, 2)
    assert reader.feed(large[2:3]) == []
    assert reader.error.reason == 0x95
    assert reader.partial_bytes == 0


def test_no_first_packet_but_connect_is_waited_for():
    reader = Reader(BYTES_MAX)
    reader.feed(b"\x30\xff")
    assert reader.error is None
    reader.feed(b"\x7f")
    assert reader.error.reason == 0x82


def test_a_connect_too_large_is_refused_by_its_first_bytes():
    assert read(b"\x10\xff\xff\xff\x7f", bytes_max=BYTES_MAX)[1].error.reason == 0x95


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 16, 1400])
def test_half_a_packet_takes_little_more_than_it_says(piece_bytes):
    data = FRONT[4] + client.publish("a", bytes(300_000), version=4)[:200_000]
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    reader = Reader(BYTES_MAX)
    tracemalloc.start()
    before_bytes = tracemalloc.get_traced_memory()[0]
    for piece in pieces:
        reader.feed(piece)
    held_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
    tracemalloc.stop()
    assert reader.partial_bytes == 200_000
    assert held_bytes < 1.2 * reader.partial_bytes + 2000


def test_nothing_is_held_once_the_packet_is_whole():
    data = client.publish("a", bytes(300_000), version=4)
    reader = Reader(BYTES_MAX)
    reader.feed(FRONT[4] + data[:-1])
    tracemalloc.start()
    before_bytes = tracemalloc.get_traced_memory()[0]
    reader.feed(data[-1:])
    held_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
    tracemalloc.stop()
    assert reader.partial_bytes == 0
    assert held_bytes < 2000


def test_the_same_topic_is_the_same_object_on_all_connections():
    data = client.publish("site/one", version=4)
    topics = [read(FRONT[4] + data + data)[0][at].topic for at in (1, 2, 1)]
    assert topics[0] is topics[1] is topics[2]


def test_remembered_topics_are_bounded():
    count = TOPICS_MAX + 10
    data = b"".join(client.publish(f"t/{number}", version=4) for number in range(count))
    packets, _ = read(FRONT[4] + data)
    assert [packet.topic for packet in packets[1:]] == [b"t/%d" % n for n in range(count)]
    assert len(reader_module._checked_topics) <= TOPICS_MAX
    long = client.publish("t" * 257, version=4)
    read(FRONT[4] + long)
    assert b"t" * 257 not in reader_module._checked_topics
